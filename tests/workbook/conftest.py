"""A workbook of its own for each test: the real command, small steps, only the programs that it may find."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

from tests.support.proof import ask, checker, finished  # noqa: F401
from tests.workbook.warm_command import WarmCommand
from workbook import environment
from workbook.network import try_to_bind
from workbook.pythons import marker_path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("sh", "git", "make")
SETTINGS = "CHANNEL_LAYERS = {}\n"
# A step's manage.py that tells how it was called, instead of serving.
MANAGE = 'import os\nimport sys\n\nprint(sys.argv[1:], os.environ.get("ALLOWED_HOSTS"))\n'


class Workbook:
    """A small workbook at `root`, whose path has a space, with the real command and the real Makefile.

    warm: the WarmCommand that makes the calls; without it they are made from cold.
    """

    def __init__(self, folder, warm=None):
        self.warm = warm
        self.root = folder / "a workbook"
        self.programs = folder / "programs"
        self.home = folder / "home"
        for path in (self.root, self.programs, self.home):
            path.mkdir()
        (self.root / "workbook").symlink_to(ROOT / "workbook")
        (self.root / "Makefile").symlink_to(ROOT / "Makefile")
        (self.root / ".gitignore").write_text("/.venv/\n__pycache__/\ndb.sqlite3*\n")
        self.write("requirements.txt", "")
        self.write("requirements-tests.txt", "")
        self.write("requirements-mutation.txt", "")
        for name in PROGRAMS:
            if path := shutil.which(name):
                (self.programs / name).symlink_to(path)
        (self.programs / "python3").symlink_to(sys._base_executable)
        self.port = try_to_bind("127.0.0.1", 0)
        self.env = {
            "PATH": str(self.programs),
            "HOME": str(self.home),
            "PORT": str(self.port),
        }

    def write(self, path, text):
        """Write text, or bytes, into the file at path under root. Returns its path."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def add_step(self, folder, **files):
        """Add a step that can be run; files: more text by path, dots and slashes as they are."""
        name = folder.partition("_")[0]
        for path, text in {"manage.py": MANAGE, f"{name}/settings.py": SETTINGS, **files}.items():
            self.write(f"{folder}/{path}", text)
        return self.root / folder

    def add_real_step(self, folder):
        """Add a copy of a finished step."""
        ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*")
        return shutil.copytree(ROOT / folder, self.root / folder, ignore=ignored)

    def add_program(self, name, script):
        """Put an executable with that shell script on the PATH."""
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def make_ready(self):
        """Give it a .venv as an installation would, with the packages of the Python that runs the tests."""
        folder = self.root / ".venv"
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
        site = next(folder.glob("lib/*/site-packages"))
        (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
        files = [self.root / name for name in environment.REQUIREMENTS["mutation"]]
        # As environment.identity has it told by that Python, without starting it.
        identity = f"python {sys.version_info[0]} {sys.version_info[1]} {folder}"
        lines = [identity, *map(environment.fingerprint, files)]
        Path(marker_path(self.root)).write_text("\n".join(lines))

    def start(self, *words, **more):
        """Start `python -m workbook words`. Returns the process, its output in one pipe."""
        return self.popen([sys._base_executable, "-W", "error", "-m", "workbook", *words], **more)

    def popen(self, command, **more):
        env = {**self.env, **more.pop("env", {})}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.root, env=env, start_new_session=True, **{**streams, **more})

    def call(self, *words, **env):
        """Call the command with these words, warm where that is possible. Returns the finished process."""
        if not self.warm:
            return self.call_from_cold(*words, **env)
        done = self.warm.call(self.root, words, {**self.env, **env})
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def call_from_cold(self, *words, **env):
        """Call `python -m workbook words`. Returns the finished process."""
        return self.finish([sys._base_executable, "-W", "error", "-m", "workbook", *words], env)

    def make(self, *words, **env):
        """Call `make words`; skip the test where there is no make."""
        if not shutil.which("make"):
            pytest.skip("needs make")
        return self.finish(["make", *words], env)

    def finish(self, command, env, cwd=None):
        """Run command to its end, which is no traceback. Returns the finished process."""
        done = subprocess.run(
            command, cwd=cwd or self.root, env={**self.env, **env}, capture_output=True, text=True, timeout=50
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(autouse=True)
def called_by_nobody(monkeypatch):
    """What the Makefile or a shell said to the call that runs the tests is not meant for the code under test."""
    for name in (
        "WORKBOOK_FACE",
        "MAKEFLAGS",
        "MAKELEVEL",
        "ARGS",
        "PORT",
        "HOST",
        "SINCE",
        "FROM",
        "BACK",
        "QUICK",
        "JSON",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def uv():
    """The path of a uv: one that is installed, or the one among the packages of the tests."""
    return shutil.which("uv") or shutil.which("uv", path=sysconfig.get_path("scripts")) or pytest.skip("needs uv")


@pytest.fixture(scope="session")
def warm_command(tmp_path_factory):
    """A WarmCommand, or None where there is no fork."""
    if not hasattr(os, "fork"):
        yield None
        return
    with WarmCommand(tmp_path_factory.mktemp("warm_command")) as warm:
        yield warm


@pytest.fixture
def book(tmp_path, warm_command):
    """A Workbook without steps and without .venv."""
    return Workbook(tmp_path, warm_command)


@pytest.fixture
def ready(book):
    """A Workbook with one step, gs1_basic, and a finished .venv."""
    book.add_step("gs1_basic")
    book.make_ready()
    return book


@pytest.fixture
def steps(book):
    """A Workbook with the steps gs1_basic, gs2_middle and gs10_last."""
    for folder in ("gs1_basic", "gs2_middle", "gs10_last"):
        book.add_step(folder)
    return book


@pytest.fixture
def started():
    """A list for processes that have to be gone after the test."""
    processes = []
    yield processes
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def wait_for(is_so, what, within=10):
    """Return the first true value of is_so(); fail with what was waited for after `within` seconds."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if value := is_so():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {within} s for {what}")


def is_alive(pid):
    """Return whether there is a process pid (a zombie is none)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")
