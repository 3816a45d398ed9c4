"""Makes .venv and installs into it, with uv where it is on the PATH, else with venv and pip."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from workbook.pythons import venv_python
from workbook.speech import Refusal

NETWORK_FAILED = re.compile(
    "connection|connect error|error sending request|name resolution|timed out|dns error", re.IGNORECASE
)


def create(root):
    """Make root's .venv from scratch. Raises Refusal."""
    venv = root / ".venv"
    try:
        if venv.exists():
            shutil.rmtree(venv)
        venv.mkdir()
    except OSError as error:
        raise Refusal(f"{venv} cannot be made: {error.strerror}. Remove it by hand, or free the place.") from error
    if uv := shutil.which("uv"):
        command = [uv, "venv", "--allow-existing", "--python", base_python(), str(venv)]
    else:
        command = [base_python(), "-m", "venv", str(venv)]
    run(root, command, "Making .venv, only this once")


def install(root, requirements):
    """Install what the file `requirements` pins into root's .venv, hashes checked. Raises Refusal."""
    python = venv_python(root)
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", python]
    else:
        command = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    count = len(re.findall(r"^\S+==", requirements.read_text(encoding="utf-8"), re.MULTILINE))
    packages = f"{count} package{'s' if count != 1 else ''}"
    run(
        root,
        [*command, "--require-hashes", "-r", str(requirements)],
        f"Installing {packages} of {requirements.name} into .venv, only this once",
    )


def base_python():
    """Return the Python outside any .venv: the one inside goes away when .venv is made anew."""
    return getattr(sys, "_base_executable", sys.executable)


def run(root, command, what):
    """Run command, its output into .venv/install.log, and show what is being done and for how long.

    Raises Refusal if it fails or is interrupted; it ends in both cases.
    """
    log = root / ".venv" / "install.log"
    print(f"{what} …", end="", flush=True)
    begin = time.monotonic()
    process = None
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            wait(process, f"\r{what} …", begin)
        except KeyboardInterrupt:
            # Without a process, Ctrl-C came while it was being started, and has reached it as well.
            if process:
                process.terminate()
                process.wait()
            print(flush=True)
            raise Refusal("Stopped before it was complete; the next call begins it again.", 130) from None
    if process.returncode:
        print(flush=True)
        raise Refusal(explain(log))
    print(f" done in {time.monotonic() - begin:.0f} s", flush=True)


def wait(process, line, begin):
    """Wait for process; on a terminal, print line with the seconds since begin meanwhile."""
    while True:
        try:
            process.wait(0.2)
            return
        except subprocess.TimeoutExpired:
            if sys.stdout.isatty():
                print(f"{line} {time.monotonic() - begin:.0f} s", end="", flush=True)


def explain(log: Path):
    """Return the sentence for a failed installation, from what the installer said."""
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    if "ensurepip" in said:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            "This Python comes without the module that makes environments. On Debian and Ubuntu: "
            f"sudo apt install python{version}-venv. Then call again."
        )
    if NETWORK_FAILED.search(said):
        return (
            "The packages could not be fetched: the network, or the package index, does not answer. "
            f"The next call goes on from here. All that the installer said is in {log}"
        )
    last_lines = "\n".join(f"  {line}" for line in said.splitlines()[-8:])
    return f"The installation failed. Its last words, all of which are in {log}:\n{last_lines}"
