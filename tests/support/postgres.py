"""A PostgreSQL server of the suite's own, on a free port, in a temporary folder."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.server import free_port
from tests.support.waiting import wait_for

HOW_TO_INSTALL = (
    "no PostgreSQL server found; install one (Debian: apt install postgresql, macOS: brew install postgresql), "
    "or name one that runs in DATABASE_URL"
)
# It holds nothing that has to outlive a power cut.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def find_postgres():
    """Return the folder of PostgreSQL's programs, the newest one, or None."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    # Debian keeps them out of the PATH.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def other_user():
    """Return Popen's arguments that make another user of root: PostgreSQL refuses to run as root."""
    if getattr(os, "geteuid", lambda: 1)() != 0:
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


class Postgres:
    """One server, empty at first; it can be stopped and started again. `with` waits until it answers, and ends it."""

    def __init__(self, programs):
        """Begin to make the server; `programs` is the folder of initdb and postgres."""
        self.programs = programs
        self.user = other_user()
        self.folder = tempfile.mkdtemp(prefix="postgres-")
        if self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])
        self.log = Path(self.folder, "log").open("w+b")  # noqa: SIM115  (open as long as the server)
        self.port = free_port()
        self.process = self._run("initdb", "--auth=trust", "--username=workbook", "--no-sync", "--no-locale", "-EUTF8")
        self.is_made = False

    @property
    def url(self):
        return f"postgresql://workbook@127.0.0.1:{self.port}/postgres"

    def start(self):
        """Start it and wait until it answers."""
        if not self.is_made:
            assert self.process.wait() == 0, f"initdb failed:\n{self.output()}"
            self.is_made = True
        options = (f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *QUICK)
        self.process = self._run("postgres", *(word for option in options for word in ("-c", option)))
        wait_for(self._answers, lambda: f"PostgreSQL to answer on port {self.port}; it said:\n{self.output()}")

    def _run(self, program, *arguments):
        return subprocess.Popen(
            [self.programs / program, "-D", Path(self.folder, "data"), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            **self.user,
        )

    def _answers(self):
        assert self.process.poll() is None, f"PostgreSQL ended:\n{self.output()}"
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url).close()
            return True

    def output(self):
        return Path(self.folder, "log").read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """Stop it at once; clients lose their connections, and what was committed stays."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.is_made else signal.SIGTERM)
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()
        self.log.close()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def new_database(server_url):
    """Make a database in the server at `server_url`; yield the URL of it, and drop it at the end."""
    import psycopg

    name = f"workbook_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
