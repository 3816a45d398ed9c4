"""What a check can ask for: its case, the project, clients, servers, a browser."""

import asyncio
import contextlib
import importlib
import os
import shutil
import subprocess
import sys

import pytest
import pytest_asyncio

from tests.support.browser import find_chromium, open_browser
from tests.support.client import ProcessClient, WireClient
from tests.support.postgres import HOW_TO_INSTALL, Postgres, find_postgres, new_database
from tests.support.server import COMMANDS, ROOT, TROUBLE, Server, own_environment, sqlite_url
from tests.support.timeline import Timeline
from tests.support.verdicts import PROJECT, cannot_check
from tests.tasks import WITH_DATABASE, case_of

# Seconds; the steps' own second would be too long to wait for. On the wire, and in a page, small differences drown.
COUNT_INTERVAL = {"process": 0.02, "wire": 0.05}

# Seconds that SQLite waits for a lock; its own five would be too long to wait for.
LOCK_TIMEOUT = 0.3

# A settings module that a server of the suite uses: the step's own, but quicker.
QUICK_SETTINGS = """\
from {step}.settings import *

COUNT_INTERVAL = {interval}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"].setdefault("OPTIONS", {{}})["timeout"] = {timeout}
"""


@pytest.fixture(autouse=True)
def case(request):
    """The Case that this check is about."""
    return request.param


@pytest.fixture(scope="session")
def project(request):
    """The folder of the project under test."""
    return request.config.stash[PROJECT]


@pytest.fixture
def timeline():
    return Timeline()


@pytest.fixture(autouse=True)
def quick_counters(settings):
    """Counters in process do not wait a whole second either."""
    settings.COUNT_INTERVAL = COUNT_INTERVAL["process"]


@pytest.fixture(scope="session")
def new_server(request, project, tmp_path_factory):
    """A function that starts a daphne with a recorder around the project; keyword arguments become its environment."""
    step = request.config.option.step
    servers = []

    def new_server(**environment):
        folder = tmp_path_factory.mktemp("server")
        events = folder / "events"
        events.touch()
        (folder / "quick_settings.py").write_text(
            QUICK_SETTINGS.format(step=step, interval=COUNT_INTERVAL["wire"], timeout=LOCK_TIMEOUT), encoding="utf-8"
        )
        if step in WITH_DATABASE:
            environment = {"DATABASE_URL": sqlite_url(folder)} | environment
        server = RecordedServer(
            project,
            "daphne",
            "tests.support.recorder:application",
            PYTHONPATH=os.pathsep.join([str(folder), str(ROOT)]),
            DJANGO_SETTINGS_MODULE="quick_settings",
            RECORDED_APPLICATION=f"{step}.asgi",
            RECORDED_EVENTS=str(events),
            **environment,
        )
        servers.append(server)
        return server

    yield new_server
    for server in servers:
        server.stop()


class RecordedServer(Server):
    """A server whose recorder tells what its consumers see; where there is a database, it is migrated meanwhile."""

    def start(self):
        super().start()
        self.migration = None
        if "DATABASE_URL" in self.environment:
            self.migration = start_python(self.project, "manage.py", "migrate", "--verbosity=0", **self.environment)

    def wait(self):
        super().wait()
        errors = self.migrated()
        assert not errors, f"the database was not made:\n{errors}"

    def migrated(self):
        """Wait until the database is migrated; return the errors."""
        migration, self.migration = self.migration, None
        return migration.communicate(timeout=20)[1] if migration else ""

    def stop(self):
        self.migrated()
        return super().stop()

    @property
    def events(self):
        """The file that the recorder writes."""
        return self.environment["RECORDED_EVENTS"]


@pytest.fixture(scope="session")
def shared_server(new_server):
    """A daphne that serves the project to all checks on the wire; `server` waits until it is ready."""
    return new_server()


@pytest.fixture(scope="session")
def postgres():
    """The URL of a PostgreSQL server: the one in DATABASE_URL, or one of the suite's own."""
    if url := os.environ.get("DATABASE_URL", ""):
        if not url.startswith("postgres"):
            cannot_check("DATABASE_URL names no PostgreSQL")
        yield url
        return
    programs = find_postgres()
    if programs is None:
        cannot_check(HOW_TO_INSTALL)
    with Postgres(programs) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_server(new_server, postgres):
    """A daphne that keeps its data in PostgreSQL."""
    with new_database(postgres) as url:
        server = new_server(DATABASE_URL=url)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def alone(project, tmp_path_factory):
    """A folder that holds a copy of the project and nothing else, as a learner would take it away."""
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*")
    return shutil.copytree(project, tmp_path_factory.mktemp("alone") / project.name, ignore=ignored)


@pytest.fixture(scope="session")
def servers(request, alone):
    """The copy under each kind of server, by kind; all but runserver as in production, without DEBUG."""
    application = f"{request.config.option.step}.asgi:application"
    production = {"DEBUG": "0", "SECRET_KEY": "a long and random text, as it should be in production"}
    servers = {
        kind: Server(alone, kind, application, **({} if kind == "runserver" else production)) for kind in COMMANDS
    }
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def migration(alone):
    """The process of `manage.py migrate` in the copy, with warnings as errors."""
    return start_python(alone, "-W", "error", "manage.py", "migrate")


@pytest.fixture(scope="session")
def asgi_import(request, project):
    """The process that imports asgi.py in a fresh interpreter; see watch_import.py for what it prints."""
    return start_python(project, str(ROOT / "tests/support/watch_import.py"), f"{request.config.option.step}.asgi")


def start_python(folder, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=own_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session", autouse=True)
def begin_early(request):
    """Processes take a while to start: the checks in process run meanwhile."""
    items = request.session.items
    if any(case_of(item).way == "postgres" for item in items):
        with contextlib.suppress(pytest.skip.Exception, pytest.fail.Exception):
            request.getfixturevalue("postgres_server")
    if any(case_of(item).way == "wire" for item in items):
        request.getfixturevalue("shared_server")
    for slow in ("servers", "migration", "asgi_import"):
        if any(slow in item.fixturenames for item in items):
            request.getfixturevalue(slow)


@pytest.fixture
def server(request, case, timeline):
    """The shared server, with PostgreSQL where the case says so; it must print no trouble during this check."""
    server = request.getfixturevalue("postgres_server" if case.way == "postgres" else "shared_server")
    server.wait()
    began = timeline.began
    timeline.follow(lambda: [(at, "log", line) for at, line in server.lines if at >= began])
    yield server
    if not request.node.get_closest_marker("traceback"):
        trouble = TROUBLE.search(server.output(since=began))
        assert not trouble, f"the server printed {trouble[0]!r}:\n{server.output(since=began)}"


@pytest.fixture(scope="session")
def database(django_db_blocker, tmp_path_factory):
    """The database of the checks in process. It is not emptied: each check has rooms of its own."""
    from asgiref.sync import sync_to_async
    from django.db import connection, connections
    from django.test.utils import setup_databases, teardown_databases

    if connection.vendor == "sqlite":
        # A file, as the learner has it, and no patience with locks.
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        connection.settings_dict.setdefault("OPTIONS", {})["timeout"] = LOCK_TIMEOUT
    with django_db_blocker.unblock():
        names = setup_databases(verbosity=0, interactive=False)
        yield
        # In the thread of the sync consumers, where they were opened.
        asyncio.run(sync_to_async(connections.close_all)())
        teardown_databases(names, verbosity=0)


@pytest.fixture
def application(request, case):
    """The project's ASGI application, in process."""
    if case.step in WITH_DATABASE:
        request.getfixturevalue("database")
    return importlib.import_module(f"{case.step}.asgi").application


@pytest_asyncio.fixture
async def new_client(request, case, timeline):
    """A function that returns a client of this case's way in, not yet connected; all are gone after the check."""
    clients = []

    def new_client(path=case.route):
        if case.way == "process":
            client = ProcessClient(request.getfixturevalue("application"), path, timeline)
        else:
            server = request.getfixturevalue("server")
            client = WireClient(server, path, timeline, server.events)
        clients.append(client)
        return client

    request.getfixturevalue("application" if case.way == "process" else "server")
    yield new_client
    for client in clients:
        await client.discard()


@pytest.fixture
def connect(new_client):
    """A coroutine function that returns a connected client of this case's route."""

    async def connect():
        return await new_client().connect()

    return connect


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    """A headless Chromium."""
    path = find_chromium()
    if path is None:
        cannot_check("no Chromium found; install it (Debian: apt install chromium) or set CHROMIUM to its path")
    async with open_browser(path) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser, server, timeline):
    """The step's page, open; no script of ours may fail in it."""
    context = await browser.new_context()
    page = await context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: timeline.add("browser", f"{message.type}: {message.text}"))
    page.on("requestfailed", lambda request: timeline.add("browser", f"failed: {request.url}"))
    await page.goto(server.url("/", "http"))
    yield page
    await context.close()
    assert not errors, f"the page's script failed: {errors}"
