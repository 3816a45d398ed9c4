"""A Python that has imported what every server imports, and forks into one that runs what it is asked for.

`python -m tests.support.stem SOCKET` listens on the Unix socket of that number until its stdin ends. The suite starts
one for all its processes and leaves its address in their environment, where `python` finds it. What is forked has
loaded no project and no settings, and ends with the process that has asked for it. (The forkserver of multiprocessing
serves one process alone, and imports that one's `__main__` into each child.) Where there is no stem, `python` starts a
Python as everybody does.
"""

import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
import weakref
from pathlib import Path

from tests.support.preloaded import preload

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "WORKBOOK_STEM"


def can_watch_processes():
    """Return whether this system tells of the end of a process as of what can be read: Linux does from 5.3 on."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


CAN_FORK = sys.platform == "linux" and can_watch_processes()

# What a server or a command needs besides. Not the reactor: each process makes one of its own.
OF_SERVERS = (
    "OpenSSL",
    "autobahn.twisted.websocket",
    "channels_redis.core",
    "django.contrib.admin",
    "django.contrib.auth.hashers",
    "django.core.management.commands.migrate",
    "django.db.backends.postgresql.base",
    "redis",
    "tests.support.timeline",
    "twisted.internet.asyncioreactor",
    "twisted.internet.endpoints",
    "twisted.internet.ssl",
    "twisted.web.http",
    "twisted.web.server",
)

TEXT = {"encoding": "utf-8", "errors": "replace"}


def python(words, cwd, env, stdout, stderr=subprocess.STDOUT):
    """Start Python with these words in its command line, warm if there is a stem; returns what is like a Popen.

    `stdout` is a file, or subprocess.PIPE for text; `stderr` a file, or subprocess.STDOUT.
    """
    start = WarmProcess if ADDRESS in os.environ else fresh_python
    return start(words, cwd, env, stdout, stderr)


def fresh_python(words, cwd, env, stdout, stderr=subprocess.STDOUT):
    """Start a new Python; see `python`."""
    return subprocess.Popen([sys.executable, *words], cwd=cwd, env=env, stdout=stdout, stderr=stderr, **TEXT)


def run_python(words, cwd, env, timeout):
    """Run Python to its end, at most `timeout` seconds; return a CompletedProcess with its output as text."""
    with tempfile.TemporaryFile("w+", **TEXT) as stdout, tempfile.TemporaryFile("w+", **TEXT) as stderr:
        process = python(words, cwd, env, stdout, stderr)
        try:
            process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess(words, process.returncode, stdout.read(), stderr.read())


class WarmProcess:
    """A process that the stem has forked for us; the part of Popen that the suite uses."""

    def __init__(self, words, cwd, env, stdout, stderr):
        self.returncode = None
        self.stdout = None
        with socket.socket(socket.AF_UNIX) as connection, contextlib.ExitStack() as until_sent:
            if stdout == subprocess.PIPE:
                reading, stdout = os.pipe()
                until_sent.callback(os.close, stdout)
                self.stdout = open(reading, **TEXT)  # noqa: SIM115  (open as long as its owner wants it)
            stderr = stdout if stderr == subprocess.STDOUT else stderr
            files = [file if isinstance(file, int) else file.fileno() for file in (stdout, stderr)]
            request = json.dumps({"words": list(map(str, words)), "cwd": str(cwd), "env": env})
            connection.connect(os.environ[ADDRESS])
            socket.send_fds(connection, [request.encode() + b"\n"], files)
            descriptor = connection.detach()
        # Open as long as this object is there: several threads may wait for the end.
        weakref.finalize(self, os.close, descriptor)
        self.news = open(descriptor, "rb", closefd=False)  # noqa: SIM115
        self.lock = threading.Lock()
        self.pid = int(self.news.readline())

    def poll(self):
        """Return the exit status, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def wait(self, timeout=None):
        """Wait for its end and return its exit status; raises subprocess.TimeoutExpired after `timeout` seconds."""
        # When it has been read, the stem has closed its end: then too there is something to read, the end.
        if not select.select([self.news], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        with self.lock:
            if self.returncode is None:
                self.returncode = int(self.news.readline())
        return self.returncode

    def send_signal(self, number):
        # The number of a process that has ended may be another one's.
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def stem(folder, environment):
    """Have a stem for this process and those that it starts meanwhile; its address is in `folder`."""
    if not CAN_FORK:
        yield
        return
    address = os.path.join(folder, "stem")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        # Who comes before it is warm waits until it is.
        listener.listen(128)
        number = listener.fileno()
        command = [sys.executable, "-m", __name__, str(number)]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, pass_fds=[number])
    # Not `with`: after Ctrl-C it would not wait for the end.
    try:
        os.environ[ADDRESS] = address
        yield
    finally:
        os.environ.pop(ADDRESS, None)
        # It may still be busy getting warm, and has nothing to tidy up: its children end by themselves.
        process.kill()
        process.wait()
        process.stdin.close()


def main(number):
    """Listen until stdin ends; fork for each request."""
    # Ctrl-C is for who asks. Nobody waits for the processes that wait for the servers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(number)) as listener:
        with warnings.catch_warnings(action="ignore"):
            preload(*OF_SERVERS)
        # Each server has to have one of its own.
        assert "twisted.internet.reactor" not in sys.modules
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            connection = listener.accept()[0]
            if os.fork() == 0:
                listener.close()
                return attend(connection)
            connection.close()


def attend(connection):
    """Fork into what is asked for; tell its number, and its exit status when it has ended."""
    request, files = b"", []
    while not request.endswith(b"\n"):
        more, descriptors, *_ = socket.recv_fds(connection, 65536, 2)
        if not more:
            return
        request += more
        files += descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        connection.close()
        become(json.loads(request), files)
        return
    # From here on only who has asked has the other end, and says nothing more: what comes is the end of that process.
    has_ended = os.pidfd_open(pid)
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(b"%d\n" % pid)
    if connection in select.select([connection, has_ended], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(b"%d\n" % status)


def become(request, files):
    """Be the Python that was asked for. What is raised, SystemExit too, ends the process as it would end any other."""
    for stream, file in enumerate(files, 1):
        os.dup2(file, stream)
    for file in files:
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    words = request["words"]
    if words[0] == "-W":
        _, action, *words = words
        warnings.simplefilter(action)
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if words[0] == "-m":
        _, *sys.argv = words
        sys.path[0] = request["cwd"]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path[0] = request["cwd"]
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
