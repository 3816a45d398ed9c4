"""A step served by a real server in a process of its own, on a free port."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

from tests.support import migrated
from tests.support.answers import Status
from tests.support.stem import ADDRESS, python
from tests.support.waiting import wait_for, wait_until

ROOT = Path(__file__).resolve().parents[2]

# {port} and {application} are filled in. All are run by this Python, so that no PATH is needed.
COMMANDS = {
    "runserver": "manage.py runserver --noreload 127.0.0.1:{port}",
    "daphne": "-m daphne --bind 127.0.0.1 --port {port} {application}",
    "uvicorn": "-m uvicorn --host 127.0.0.1 --port {port} {application}",
    "hypercorn": "-m hypercorn --bind 127.0.0.1:{port} {application}",
}
# daphne gives a handshake 5 seconds, which is short where many come at once; so it gives a minute.
PATIENT_DAPHNE = "--websocket_connect_timeout 60"
# The server of several processes, for the steps that can use it.
WORKERS = {"workers": "-m uvicorn --host 127.0.0.1 --port {port} --workers 4 {application}"}

SECONDS_TO_START = 20
SECONDS_TO_END = 5  # after Ctrl-C

# Python says by itself nothing of a ResourceWarning; daphne hides all warnings, the other servers do not. From Python
# 3.13 on it says when a thread has ended with a connection to SQLite, as each does when the server stops.
WARNINGS = "default,ignore:unclosed database:ResourceWarning"

# What no server may ever print, unless a check says that it has to.
TROUBLE = re.compile(r"Traceback|took too long to shut down|never awaited|Exception in|never retrieved|ResourceWarning")

SQLITE_FILE = "db.sqlite3"

# The environment of a server that is deployed.
DEPLOYED = {"DEBUG": "0", "SECRET_KEY": "long-and-random-as-it-should-be-in-production"}


def free_port():
    """Return a TCP port of 127.0.0.1 that is free, and on Linux stays so for our servers until this process ends.

    There a socket that is bound but does not listen keeps the system from giving the port to anybody else, a client's
    outgoing connection included; a server may bind it all the same, if it asks for SO_REUSEADDR as all of ours do.
    """
    with socket.socket() as probe:
        is_linux = sys.platform == "linux"
        if is_linux:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        if is_linux:
            probe.detach()
        return port


def own_environment(**more):
    """Return this process's environment without what pytest or a shell may have set for a Django project."""
    settings = ("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "REDIS_URL", "DATABASE_URL", "PORT", "HOST")
    ours = (ADDRESS, migrated.FOLDER, "DJANGO_SETTINGS_MODULE", "PYTHONPATH", *settings)
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return environment | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def sqlite_url(folder):
    """Return the DATABASE_URL of the SQLite file in `folder`."""
    return f"sqlite:///{folder / SQLITE_FILE}"


class Database:
    """A database that `manage.py migrate` is making for a project; `wait` waits until it is there."""

    def __init__(self, project, url, folder):
        """Begin to make it. `folder` is for the log."""
        self.url = url
        self.log = folder / "migrate.log"
        with self.log.open("w") as log:
            command = ["manage.py", "migrate", "--verbosity=0"]
            self.migration = python(command, project, own_environment(DATABASE_URL=url), log)

    def end(self):
        """Wait until nothing is being made any more, whether it was made or not."""
        self.migration.wait(timeout=30)

    def wait(self):
        status = self.migration.wait(timeout=30)
        assert status == 0, f"`manage.py migrate` failed:\n{self.log.read_text(encoding='utf-8')}"


class SqliteDatabase:
    """An SQLite file in `folder`, as Database makes one: the copy of an original that is made once for a project."""

    originals: ClassVar = {}  # by project: the Database that is copied, and its file

    def __init__(self, project, folder):
        self.project = project
        self.url = sqlite_url(folder)
        self.file = folder / SQLITE_FILE
        self.original = None
        if migrated.copy_to(project, self.file):
            return
        if project not in self.originals:
            original = folder / "original"
            original.mkdir()
            self.originals[project] = Database(project, sqlite_url(original), original), original / SQLITE_FILE
        self.original, self.original_file = self.originals[project]

    def end(self):
        if self.original:
            self.original.end()

    def wait(self):
        if self.original:
            self.original.wait()
        if not self.file.exists():
            migrated.keep(self.project, self.original_file)
            shutil.copyfile(self.original_file, self.file)


# The database of each project folder, for servers that are given none.
DATABASES = {}


class Server:
    """One server. `with` waits until it answers, and ends it; `lines` holds (time, line) of all that it printed."""

    def __init__(self, project, kind="daphne", application=None, database=None, python=python, **environment):
        """Start `kind` (a key of COMMANDS or WORKERS) in the folder `project`, serving `application` (module:name)."""
        self.python = python
        self.project = Path(project)
        self.kind = kind
        self.application = application
        self.database = database or DATABASES.get(self.project)
        if self.database:
            environment["DATABASE_URL"] = self.database.url
        self.environment = own_environment(PYTHONWARNINGS=WARNINGS, **environment)
        self.port = free_port()
        self.start()

    def start(self):
        """Start the process; `wait` waits until it answers."""
        self.lines = []
        command = (COMMANDS | WORKERS)[self.kind].format(port=self.port, application=self.application)
        self.process = self.python(command.split(), self.project, self.environment, subprocess.PIPE)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def wait(self):
        """Wait until it answers; raise AssertionError with its output when it does not."""
        if self.database:
            self.database.wait()
        try:
            wait_for(self._is_ready, f"{self.kind} to answer on port {self.port}", within=SECONDS_TO_START)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}; it printed:\n{self.output()}") from None

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.time(), line.rstrip("\n")))

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} ended with status {self.process.returncode}")
        try:
            self.get("/")
        except OSError:
            return False
        return True

    def get(self, path):
        """Return (status, headers, body as bytes) of a GET."""
        return self.request("GET", path)

    def request(self, method, path, headers=(), body=None):
        """Return (status, headers, body as bytes) of the answer to an HTTP request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Status(response.status), response.headers, response.read()
        finally:
            connection.close()

    def url(self, path, scheme="ws"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def output(self, since=0.0):
        """Return what was printed since the Unix time `since` (seconds)."""
        return "\n".join(line for at, line in self.lines if at >= since)

    async def printed(self, text, times=1, since=0.0, within=10):
        """Wait, at most `within` seconds, until `text` was printed `times` times since the Unix time `since`."""

        def what():
            return f"the server to print {text!r}; it printed:\n{self.output(since)}"

        await wait_until(lambda: self.output(since).count(text) >= times, what, within)

    def stop(self):
        """End the process as Ctrl-C does, wait for it, and return its exit status."""
        if self.database:
            self.database.end()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            workers = children_of(self.process.pid)
            self.process.kill()
            self.process.wait()
            for worker in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            raise AssertionError(f"{self.kind} did not end within {SECONDS_TO_END} s of Ctrl-C") from None
        finally:
            self.let_go()
        return self.process.returncode

    def let_go(self):
        """Close the pipe, when nobody writes into it any more; otherwise closing would wait for them."""
        self.reader.join(timeout=5)
        if not self.reader.is_alive():
            self.process.stdout.close()

    def kill(self):
        """End the process as a power cut would; `start` starts it again on the same port."""
        self.process.kill()
        self.process.wait()
        self.let_go()

    def __enter__(self):
        self.wait()
        return self

    def __exit__(self, *error):
        self.stop()


def children_of(pid):
    """Return the ids of a process's children, as far as the system tells: one that is killed leaves them behind."""
    if Path("/proc/self/task").is_dir():
        told = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    elif shutil.which("pgrep"):
        told = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    else:
        told = ""
    return [int(each) for each in told.split()]


def expect_no_trouble(printed, who="the server"):
    """Insist that a program has printed no traceback, nor anything else that tells of a fault."""
    trouble = TROUBLE.search(printed)
    assert not trouble, f"{who} printed {trouble[0]!r}:\n{printed}"
