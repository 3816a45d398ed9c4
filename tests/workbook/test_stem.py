"""The warm Python that the suite's servers and commands are forked from."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.plan import CORE, REST, WIRE
from tests.support.proof import STEPS
from tests.support.stem import ADDRESS, CAN_FORK, ROOT, can_watch_processes, python, run_python, stem
from tests.support.waiting import wait_for
from workbook.checker import Checker

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="without fork each Python is a fresh one")


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory):
    """The stem of the suite, or one of our own."""
    if ADDRESS in os.environ:
        yield
        return
    with stem(str(tmp_path_factory.mktemp("stem")), dict(os.environ)):
        yield


@pytest.fixture
def log(tmp_path):
    """A file for what nobody reads."""
    with (tmp_path / "log").open("w") as log:
        yield log


def test_what_is_quick_waits_for_none():
    """A check without servers has no use for it, and two cores are soon busy."""
    with Checker(ROOT, "gs1") as checker:
        address = Path(checker.folder.name) / "stem"
        for levels, has_one in (([CORE, REST], False), ([WIRE], True)):
            checker.ask(STEPS["gs1"], levels, [1])
            assert [*checker.answers()][-1]["news"] == "end"
            assert address.exists() == has_one


def test_is_the_python_that_was_asked_for(tmp_path):
    """It has the words, the folder and the environment that it was given, and its own output and exit status."""
    (tmp_path / "program.py").write_text(
        "import os, sys\nprint(os.getcwd(), sys.argv[1:], os.environ['WHAT'])\nprint('!', file=sys.stderr)\nsys.exit(3)"
    )
    done = run_python(["program.py", "a", "b"], tmp_path, {"WHAT": "this"}, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path} ['a', 'b'] this\n", "!\n")


def test_several_threads_may_wait_for_its_end(tmp_path, log):
    """Whoever waits is told the exit status, however many wait, and whenever they begin."""
    (tmp_path / "program.py").write_text("import sys\nwhile not open('go').read(): pass\nsys.exit(3)")
    go = tmp_path / "go"
    go.touch()
    process = python(["program.py"], tmp_path, dict(os.environ), log)
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(process.wait, 10) for _ in range(20)]
        assert process.poll() is None
        go.write_text("go")
        assert {each.result() for each in waiting} == {3}
    assert process.wait() == process.poll() == 3


def test_what_takes_too_long_is_ended(tmp_path):
    """A program that does not end in time is killed, and the caller told."""
    (tmp_path / "program.py").write_text("import time\ntime.sleep(60)")
    with pytest.raises(subprocess.TimeoutExpired):
        run_python(["program.py"], tmp_path, {}, timeout=0.2)


ASKS = """
import os, subprocess, sys
from tests.support.stem import python

process = python(["program.py"], sys.argv[1], dict(os.environ), subprocess.PIPE)
print(process.pid, flush=True)
process.wait()
"""


def test_ends_with_the_process_that_has_asked_for_it(tmp_path):
    """Whoever has started a server may be killed; the server does not stay behind."""
    (tmp_path / "program.py").write_text("import time\ntime.sleep(60)")
    command = [sys.executable, "-c", ASKS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as asks:
        pid = int(asks.stdout.readline())
        os.kill(pid, 0)
        asks.kill()
    wait_for(lambda: not is_alive(pid), "the process to end")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("error", [OSError("not implemented"), AttributeError("no such thing")])
def test_an_old_system_has_none(monkeypatch, error):
    def pidfd_open(pid):
        raise error

    assert can_watch_processes()
    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    assert not can_watch_processes()


def test_without_a_stem_it_is_a_fresh_python(tmp_path, monkeypatch):
    """Where nothing is warm, `python` starts one as everybody does."""
    monkeypatch.delenv(ADDRESS)
    process = python(["-V"], tmp_path, {}, subprocess.PIPE)
    assert process.communicate()[0] == f"Python {sys.version.split()[0]}\n"
