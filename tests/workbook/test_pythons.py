"""An old Python: it says its sentence, or finds a newer one to go on with."""

import ast
import os
import signal
import sys

import pytest

from tests.workbook.conftest import ROOT

OLD = """
import runpy, sys
sys.version_info = (3, 7, 16)
sys.argv[1:] = {words}
sys.path.insert(0, ".")
runpy.run_module("workbook", run_name="__main__", alter_sys=True)
"""
SENTENCE = (
    "The workbook needs Python 3.11 or newer, and this is Python 3.7.16. "
    "Install a newer one; if there is one already, name it: make PYTHON=/path/to/python3"
)


def call_with_old_python(book, *words):
    return book.finish([sys._base_executable, "-W", "error", "-c", OLD.format(words=list(words))], {})


@pytest.mark.parametrize("file", ["__init__.py", "__main__.py", "pythons.py"])
def test_an_old_python_can_read_the_way_in(file):
    ast.parse((ROOT / "workbook" / file).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_without_a_newer_python_there_is_a_sentence(steps):
    steps.add_program("python3.13", "echo 'not installed' >&2; exit 127")
    steps.add_program("python3.12", "exit 0")
    done = call_with_old_python(steps, "gs1", "run")
    assert done.returncode == 2
    assert done.stderr == f"{SENTENCE}\n"
    assert not (steps.root / ".venv").exists()


def test_a_newer_python_on_the_path_goes_on(steps):
    steps.add_program("python3.13", "exit 127")
    (steps.programs / "python3.11").symlink_to(sys._base_executable)
    done = call_with_old_python(steps, "gs1", "diff")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gs1 is the first step")


def test_uv_provides_a_newer_python(steps):
    steps.add_program(
        "uv",
        f'[ "$*" = "${{*#run --no-project --quiet --python >=3.11 python}}" ] && exit 9\n'
        f'shift 6; exec "{sys._base_executable}" "$@"',
    )
    done = call_with_old_python(steps, "gs1", "diff")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gs1 is the first step")


def test_a_finished_environment_is_taken_first(ready):
    (ready.programs / "python3.14").symlink_to("/bin/false")
    done = call_with_old_python(ready, "gs1", "diff")
    assert (done.returncode, done.stderr) == (0, "")


AS_ON_WINDOWS = """
import os, signal, sys
from workbook import pythons
os.name = "nt"
pythons.hand_over([sys.executable, "-c", {script!r}])
"""
INTERRUPTED = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(60)
"""


def test_without_exec_the_status_is_passed_on(book):
    done = book.finish([sys.executable, "-c", AS_ON_WINDOWS.format(script="import sys; sys.exit(3)")], {})
    assert done.returncode == 3


AT_ONCE = """
import signal, subprocess

class Popen(subprocess.Popen):
    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        signal.raise_signal(signal.SIGINT)

subprocess.Popen = Popen
"""


def test_without_exec_ctrl_c_may_come_at_once(book):
    script = AT_ONCE + AS_ON_WINDOWS.format(script="import sys; sys.exit(3)")
    done = book.finish([sys.executable, "-c", script], {})
    assert (done.returncode, done.stderr) == (3, "")


def test_without_exec_ctrl_c_is_left_to_the_one_that_works(book, started):
    process = book.popen([sys.executable, "-c", AS_ON_WINDOWS.format(script=INTERRUPTED)])
    started.append(process)
    assert process.stdout.readline() == "up\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(5) == 7
