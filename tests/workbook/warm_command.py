"""The command, warm: a process that has read it forks for each call, which costs a tenth of a call from cold.

`python -m tests.workbook.warm_command` reads requests from stdin, a line of JSON each: {"root" (the workbook's
folder), "words", "env" (all of it), "out", "err" (files)}. It answers each with the exit status, in a line.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from workbook import environment
from workbook.cli import main
from workbook.verbs import VERBS

ROOT = Path(__file__).resolve().parents[2]


class WarmCommand:
    """That process, seen from the tests. Use it as a context manager."""

    def __init__(self, folder):
        """What the calls print goes to files in folder."""
        self.out, self.err = folder / "out", folder / "err"

    def __enter__(self):
        # The Python and the warnings of a call from cold (conftest.py), and nothing of our own environment.
        self.process = subprocess.Popen(
            [sys._base_executable, "-W", "error", "-m", "tests.workbook.warm_command"],
            cwd=ROOT,
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *error):
        with self.process.stdout, self.process.stdin:
            # All of them, because a call may hang.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def call(self, root, words, env):
        """Call the command of the workbook at root. Returns the finished process."""
        for file in (self.out, self.err):
            file.write_bytes(b"")
        request = {"root": root, "words": words, "env": env, "out": self.out, "err": self.err}
        print(json.dumps(request, default=str), file=self.process.stdin, flush=True)
        try:
            status = int(self.process.stdout.readline())
        except BaseException:
            # The test's time is over: the answer that may still come is not for the next one.
            self.__exit__()
            self.__enter__()
            raise
        return subprocess.CompletedProcess(words, status, *(file.read_text("utf-8") for file in (self.out, self.err)))


def answer_all():
    """Answer the requests on stdin until its end."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            # Without the tidying of an ordinary end, which takes longer than the call.
            os._exit(status_of(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def status_of(request):
    """Make the call in this process. Returns the exit status, as Python would end with it."""
    try:
        return called(**request)
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def called(root, words, env, out, err):
    """Make of this process one that was just started, and call the command in it. Returns the exit status."""
    os.chdir(root)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = root
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, file in ((sys.stdout, out), (sys.stderr, err)):
        os.dup2(os.open(file, os.O_WRONLY), stream.fileno())
        stream.reconfigure(encoding="utf-8")
    environment.hand_over = go_on_inside
    return main(root, words)


def go_on_inside(command):
    """Be the Python of .venv that the command hands itself over to. Never returns."""
    python, option, module, *words = command
    assert os.access(python, os.X_OK), f"{python} cannot be started"
    assert (option, module) == ("-m", "workbook")
    sys.executable, sys.prefix = python, os.path.dirname(os.path.dirname(python))
    environment.prepare = lambda root, needs: None  # It has just been found ready, or made so.
    sys.exit(main(os.getcwd(), words))


if __name__ == "__main__":
    for verb in VERBS:
        with contextlib.suppress(ImportError):
            importlib.import_module(verb.function.partition(":")[0])
    answer_all()
