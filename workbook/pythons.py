"""Which Python does the work. Kept to a syntax that Python 3.6 can read: see __main__.py."""

import os
import shutil
import signal
import subprocess
import sys

NEWER_PYTHONS = [[name] for name in ("python3.14", "python3.13", "python3.12", "python3.11")]
if os.name == "nt":
    NEWER_PYTHONS.append(["py", "-3"])
NEWER_PYTHONS.append(["uv", "run", "--no-project", "--quiet", "--python", ">=3.11", "python"])

TELL_PATH = "import sys; print(sys.executable if sys.version_info >= (3, 11) else '')"


def marker_path(root):
    """Return where the marker of a complete .venv lies. Only a finished installation writes it."""
    return os.path.join(root, ".venv", "workbook-installed.txt")


def venv_python(root):
    """Return where the Python of root's .venv lies, whether or not there is one."""
    return os.path.join(root, ".venv", *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def hand_over(command, cwd=None, env=None):
    """Let command (a list that starts with a path) take the place of this process. Never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    if cwd:
        os.chdir(cwd)
    if os.name != "nt":
        os.execve(command[0], command, env or os.environ)
    # Ctrl-C reaches that process as well: its answer is the one that counts. (Ignored, it would be ignored there, too.)
    signal.signal(signal.SIGINT, lambda *_: None)
    sys.exit(subprocess.call(command, env=env))


def restart_in_newer_python(root, words):
    """Call the workbook again with a newer Python. Returns exit status 2 if there is none."""
    commands = [[venv_python(root)]] if os.path.exists(marker_path(root)) else []
    for command in commands + NEWER_PYTHONS:
        python = path_if_new_enough(command)
        if python:
            hand_over([python, "-m", "workbook", *words])
    running = ".".join(str(number) for number in sys.version_info[:3])
    print(
        "The workbook needs Python 3.11 or newer, and this is Python " + running + ". "
        "Install a newer one; if there is one already, name it: make PYTHON=/path/to/python3",
        file=sys.stderr,
    )
    return 2


def path_if_new_enough(command):
    """Return the path of the Python that command starts, or "" if it is too old or does not start."""
    program = shutil.which(command[0])
    if not program:
        return ""
    # A name on the PATH is no proof: a version manager puts names there that only print an error.
    answer = subprocess.run(
        [program, *command[1:], "-c", TELL_PATH],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        universal_newlines=True,
    )
    return answer.stdout.strip()
