"""What a check can ask for: its case, the project, clients, servers, a browser."""

import asyncio
import contextlib
import functools
import importlib
import logging
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from urllib.parse import quote

import pytest
import pytest_asyncio
from channels.layers import channel_layers, get_channel_layer

from tests.support import migrated
from tests.support.browser import Windows, find_chromium, open_browser, told_of, watch
from tests.support.chat import Member
from tests.support.client import ProcessClient, WireClient
from tests.support.comparing import compared
from tests.support.lonely import LonelySocket
from tests.support.postgres import HOW_TO_INSTALL as HOW_TO_INSTALL_POSTGRES
from tests.support.postgres import Postgres, find_postgres, new_database
from tests.support.project import PROJECT
from tests.support.redis import HOW_TO_INSTALL, Redis, find_redis
from tests.support.server import (
    COMMANDS,
    DATABASES,
    DEPLOYED,
    PATIENT_DAPHNE,
    ROOT,
    Database,
    Server,
    SqliteDatabase,
    expect_no_trouble,
    own_environment,
)
from tests.support.stem import fresh_python
from tests.support.tab import Tab
from tests.support.timeline import LogLane, Timeline, open_consumers
from tests.support.verdicts import cannot_check
from tests.support.visitor import visitor_in_process, visitor_of
from tests.support.waiting import wait_for
from tests.tasks import WITH_DATABASE, WITH_USERS, case_of

# Seconds; the steps' own second would be too long to wait for. On the wire, and in a page, small differences drown.
COUNT_INTERVAL = {"process": 0.02, "wire": 0.05}

# The server of each way in that goes through one.
SERVERS = {"wire": "shared_server", "redis": "shared_redis_server", "postgres": "shared_postgres_server"}

# Fixtures of checks that start servers for themselves.
OWN_SERVERS = {"serve", "browser", "idle_socket"}

# Seconds that SQLite waits for a lock; its own five would be too long to wait for.
LOCK_TIMEOUT = 0.3

# What the checks store has to outlive no power cut, and a busy disk takes most of a second to be sure of it.
NO_FSYNC = "; PRAGMA synchronous=OFF"

# A user of whom nothing is known but that nobody else is the same.
ANYBODY = object()

# Slow is right for passwords; a check needs a new user each time.
HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A settings module that a server of the suite uses: the step's own, but quicker.
QUICK_SETTINGS = """\
import os

from {step}.settings import *

COUNT_INTERVAL = {interval}
HEARTBEAT = float(os.environ.get("HEARTBEAT", 12))
PASSWORD_HASHERS = {hashers}
MESSAGES_PER_SECOND = float(os.environ.get("MESSAGES_PER_SECOND", "inf"))
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    options = DATABASES["default"].setdefault("OPTIONS", {{}})
    options["timeout"] = {timeout}
    options["init_command"] = options.get("init_command", "") + {no_fsync!r}
"""


@pytest.hookimpl(wrapper=True)
def pytest_assertrepr_compare(op, left, right):
    """Say what there is, and what there should be: pytest cuts the middle out of both, and says that they are equal."""
    told = yield
    return [[compared(op, left, right), *(told[0][1:] if told else ())]]


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
    timeline = Timeline()
    handler = LogLane(timeline)
    logging.getLogger().addHandler(handler)
    yield timeline
    logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
def quick_counters(settings):
    """Counters in process do not wait a whole second either, passwords are hashed at once, and nobody is too fast."""
    settings.COUNT_INTERVAL = COUNT_INTERVAL["process"]
    settings.PASSWORD_HASHERS = HASHERS
    settings.MESSAGES_PER_SECOND = float("inf")


@pytest.fixture(scope="session")
def start_recorded(request, project, tmp_path_factory):
    """A function that starts a daphne with a recorder around the project; all are stopped at the end.

    Its `database` is another server's, or the URL of one that is still to be migrated; without, an SQLite file.
    `options` are daphne's.
    """
    step = request.config.option.step
    started = []

    def start_recorded(database=None, options="", **environment):
        folder = tmp_path_factory.mktemp("server")
        events = folder / "events"
        events.touch()
        (folder / "quick_settings.py").write_text(
            QUICK_SETTINGS.format(
                step=step,
                interval=COUNT_INTERVAL["wire"],
                timeout=LOCK_TIMEOUT,
                hashers=HASHERS,
                no_fsync=NO_FSYNC,
            ),
            encoding="utf-8",
        )
        if isinstance(database, str):
            database = Database(project, database, folder)
        elif step in WITH_DATABASE:
            database = database or SqliteDatabase(project, folder)
        server = RecordedServer(
            project,
            "daphne",
            f"{options} tests.support.recorder:application",
            PYTHONPATH=os.pathsep.join([str(folder), str(ROOT)]),
            DJANGO_SETTINGS_MODULE="quick_settings",
            RECORDED_APPLICATION=f"{step}.asgi",
            RECORDED_EVENTS=str(events),
            database=database,
            **environment,
        )
        started.append(server)
        return server

    yield start_recorded
    for server in started:
        server.stop()


class RecordedServer(Server):
    """A server whose recorder tells what its consumers see."""

    @property
    def events(self):
        """The file that the recorder writes."""
        return self.environment["RECORDED_EVENTS"]

    def start(self):
        self.started = time.time()
        super().start()

    def stop(self):
        try:
            # A sync handler that still runs when its daphne is stopped would keep it from ending.
            wait_for(self._has_no_consumers, "all consumers to end after their clients had left")
        except AssertionError:
            self.kill()
            raise
        return super().stop()

    def _has_no_consumers(self):
        # With a server that was killed, its consumers have ended too.
        return self.process.poll() is not None or open_consumers(self.events, since=self.started) == 0


@pytest.fixture(scope="session")
def shared_server(start_recorded):
    """A daphne that serves the project to all checks on the wire; `server` waits until it is ready."""
    return start_recorded()


@pytest.fixture(scope="session")
def redis_program():
    """The path of a Redis server's program."""
    return find_redis() or cannot_check(HOW_TO_INSTALL)


@pytest.fixture(scope="session")
def redis_server(redis_program):
    """A Redis that is there for all checks, and is never stopped before the end."""
    with Redis(redis_program) as redis:
        yield redis


@pytest.fixture(scope="session")
def shared_redis_server(start_recorded, redis_server):
    """The same as `shared_server`, with Redis behind its channel layer; it gives a handshake a minute.

    daphne's own 5 seconds would turn a crowd away where the machine is slow or busy, for no fault of the step.
    """
    return start_recorded(options=PATIENT_DAPHNE, REDIS_URL=redis_server.url)


@pytest.fixture(scope="session")
def postgres():
    """The URL of a PostgreSQL server: the one in DATABASE_URL, or one of the suite's own."""
    url = os.environ.get("DATABASE_URL", "")
    if url.startswith("postgres"):
        yield url
        return
    programs = find_postgres() or cannot_check(HOW_TO_INSTALL_POSTGRES)
    with Postgres(programs) as server:
        yield server.url


@pytest.fixture(scope="session")
def shared_postgres_server(start_recorded, postgres):
    """The same as `shared_server`, with PostgreSQL for its data."""
    with new_database(postgres) as url:
        server = start_recorded(url)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def alone(project, tmp_path_factory):
    """A folder that holds a copy of the project and nothing else, as a learner would take it away."""
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*")
    return shutil.copytree(project, tmp_path_factory.mktemp("alone") / project.name, ignore=ignored)


@pytest.fixture(scope="session")
def servers(request, alone, migration):
    """The copy under each kind of server, by kind; all but runserver as in production, without DEBUG."""
    application = f"{request.config.option.step}.asgi:application"
    servers = {
        kind: Server(alone, kind, application, python=fresh_python, **({} if kind == "runserver" else DEPLOYED))
        for kind in COMMANDS
    }
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def migration(alone):
    """The process of `manage.py migrate` in the copy, with warnings as errors."""
    migration = start_python(alone, "-W", "error", "manage.py", "migrate")
    yield migration
    # Not every check reads what it printed.
    migration.stdout.close()
    migration.stderr.close()


@pytest.fixture(scope="session")
def asgi_import(request, project):
    """The process that imports asgi.py in a fresh interpreter; see watch_import.py for what it prints."""
    return start_python(project, str(ROOT / "tests/support/watch_import.py"), f"{request.config.option.step}.asgi")


def start_python(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=own_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def idle_socket(request, project, redis_program):
    """A LonelySocket; it is opened when the session begins, so that other checks pass the time."""
    step = request.config.option.step
    socket = LonelySocket(project, step, redis_program, with_user=step in WITH_USERS)
    yield socket
    socket.close()


@pytest.fixture(scope="session")
def own_database(project, tmp_path_factory):
    """The database of the servers that a check starts for itself."""
    folder = tmp_path_factory.mktemp("own")
    DATABASES[project] = SqliteDatabase(project, folder)


@pytest.fixture(scope="session", autouse=True)
def begin_early(request):
    """Processes take a while to start: the checks in process run meanwhile."""
    items = request.session.items
    if request.config.option.step in WITH_DATABASE:
        if any(OWN_SERVERS & set(item.fixturenames) for item in items):
            request.getfixturevalue("own_database")
        # Here, because inside an event loop Django would refuse to make it.
        request.getfixturevalue("database")
    if find_postgres() and any(case_of(item).way == "postgres" for item in items):
        request.getfixturevalue("shared_postgres_server")
    if any(case_of(item).way == "wire" for item in items):
        request.getfixturevalue("shared_server")
    if find_redis() and any(case_of(item).way == "redis" for item in items):
        request.getfixturevalue("shared_redis_server")
    for slow in ("servers", "migration", "asgi_import"):
        if any(slow in item.fixturenames for item in items):
            request.getfixturevalue(slow)
    if find_redis() and any("idle_socket" in item.fixturenames for item in items):
        request.getfixturevalue("idle_socket")


@pytest.fixture
def server(request, case, timeline):
    """The case's shared server; what it prints during this check stands in the timeline and must hold no trouble."""
    server = request.getfixturevalue(SERVERS[case.way])
    server.wait()
    began = timeline.began
    timeline.follow(lambda: [(at, "log", line) for at, line in server.lines if at >= began])
    yield server
    if not request.node.get_closest_marker("traceback"):
        expect_no_trouble(server.output(since=began))


@pytest.fixture(scope="session")
def database(django_db_blocker, project, tmp_path_factory):
    """The database of the checks in process. It is not emptied: each check has rooms of its own."""
    from asgiref.sync import sync_to_async
    from django.db import connection, connections
    from django.test.utils import setup_databases, teardown_databases

    file, names = tmp_path_factory.mktemp("database") / "test.sqlite3", []
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            # A file, as the learner has it, and no patience with locks.
            options = connection.settings_dict.setdefault("OPTIONS", {})
            options["timeout"] = LOCK_TIMEOUT
            options["init_command"] = options.get("init_command", "") + NO_FSYNC
            connection.settings_dict["TEST"]["NAME"] = str(file)
        with migrated.one_at_a_time(project):
            if connection.vendor == "sqlite" and migrated.copy_to(project, file):
                connection.settings_dict["NAME"] = str(file)
            else:
                names = setup_databases(verbosity=0, interactive=False, serialized_aliases=())
                if connection.vendor == "sqlite":
                    connection.close()
                    migrated.keep(project, file)
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

    def new_client(path=case.route, **headers):
        if case.way in SERVERS:
            server = request.getfixturevalue("server")
            client = WireClient(server, path, timeline, server.events, **headers)
        else:
            client = ProcessClient(request.getfixturevalue("application"), path, timeline, **headers)
        clients.append(client)
        return client

    if case.way in SERVERS:
        request.getfixturevalue("server")
    yield new_client
    for client in clients:
        await client.discard()


@pytest.fixture
def connect(new_client):
    """A coroutine function that returns a connected client of this case's route."""

    async def connect():
        return await new_client().connect()

    return connect


@pytest.fixture(autouse=True)
def layer(monkeypatch):
    """The in-memory layer of this check alone, which refuses what Redis would refuse; None without a layer."""
    # Otherwise what one check leaves in its queues is found by the next, on another event loop.
    channel_layers.backends.clear()
    layer = get_channel_layer()
    if layer is not None:
        monkeypatch.setattr(layer, "send", packed(layer.send))
        monkeypatch.setattr(layer, "group_send", packed(layer.group_send))
    yield layer
    channel_layers.backends.clear()


def packed(send):
    """Return the layer's method `send`, which insists on a message that is the same after a trip through Redis."""
    import msgpack

    # By its own name in a warning, when nobody awaits it.
    @functools.wraps(send)
    async def packed_send(target, message):
        returned = msgpack.unpackb(msgpack.packb(message))
        assert returned == message, f"Redis would make {returned} of {message}"
        await send(target, message)

    return packed_send


@pytest.fixture
def room():
    """The name of a room in which nobody was before."""
    return f"room-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def new_visitor(request, case, timeline):
    """A function that returns a Visitor of this case's server, or of the application; nobody knows them yet."""

    def new_visitor():
        if case.way in SERVERS:
            return visitor_of(request.getfixturevalue("server"))
        return visitor_in_process(request.getfixturevalue("application"), timeline.failures)

    return new_visitor


@pytest.fixture(scope="session")
def idle_users():
    """The users that no check needs at the moment, by the way in."""
    return defaultdict(list)


@pytest.fixture
def users_to_forget(case, idle_users):
    """For a check that leaves something waiting for every user: none of them is there for the checks that follow."""
    yield
    idle_users[case.way].clear()


@pytest.fixture
def user_for(case, new_visitor, idle_users):
    """A coroutine function that returns a user who is logged in: for the same name the same one, for none a new one."""
    named, unnamed = {}, []
    # A hundred who sign up in the same moment would wait longer for SQLite than LOCK_TIMEOUT.
    one_by_one = asyncio.Lock()

    async def user_for(name):
        if case.step not in WITH_USERS or name is None:
            return None
        async with one_by_one:
            if name is not ANYBODY:
                return named.get(name) or named.setdefault(name, await signed_up())
            unnamed.append(idle_users[case.way].pop() if idle_users[case.way] else await signed_up())
            return unnamed[-1]

    async def signed_up():
        visitor = new_visitor()
        await (visitor.sign_up() if case.way in SERVERS else visitor.be_signed_up())
        return visitor

    yield user_for
    # Nothing happened to them but that they spoke: the next check can have them.
    idle_users[case.way] += unnamed


@pytest.fixture
def user_at(case):
    """A coroutine function that returns a new user for a server of the check's own; None in steps without users."""

    async def user_at(server):
        if case.step not in WITH_USERS:
            return None
        # Never one from before: where a server was killed, its users are not gone at once.
        visitor = visitor_of(server)
        await visitor.sign_up()
        return visitor

    return user_at


@pytest.fixture
def seat(new_client, user_for, case, room):
    """A coroutine function that returns a Member who is not connected yet."""

    async def seat(group=room, route=case.route, query="", user=ANYBODY, member=Member, subprotocols=None):
        """A member of the class `member` for `group` on `route`.

        In this check's own room, on its own route, and as a user of its own, if nothing else is said. `user` is
        a name, for this check alone, or None for nobody. Steps without users do not ask who it is.
        """
        visitor = await user_for(user)
        path = f"{route}{quote(group, safe='')}/{query}"
        cookie = visitor and visitor.cookie
        return member(new_client(path, cookie=cookie, subprotocols=subprotocols), visitor)

    return seat


@pytest.fixture
def arrive(seat, case):
    """A coroutine function that returns a member who has its welcome and the history; it takes what `seat` takes."""

    async def arrive(*args, **options):
        member = await seat(*args, **options)
        await member.enter()
        if case.step in WITH_DATABASE:
            await member.hear("history")
        return member

    return arrive


@pytest.fixture
def join(arrive, case):
    """The same as `arrive`, but in steps with users the member has been told who is there, too."""

    async def join(*args, **options):
        member = await arrive(*args, **options)
        if case.step in WITH_USERS:
            await member.hear("users")
        return member

    return join


@pytest.fixture
def tab(seat):
    """A coroutine function that returns a Tab of the user of that name, of this check alone; None for nobody."""

    async def tab(user, *args, **options):
        return await (await seat(*args, user=user, member=Tab, **options)).enter()

    return tab


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    """A headless Chromium."""
    path = find_chromium()
    if path is None:
        cannot_check("no Chromium found; install it (Debian: apt install chromium) or set CHROMIUM to its path")
    async with open_browser(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def windows(browser):
    """The windows of the browser, for one check after the other."""
    return Windows(browser)


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(windows, timeline):
    """A coroutine function that returns an empty page in a window of its own; no script of ours may fail in a window.

    It takes what a Playwright context takes.
    """
    errors = []

    def on_error(error):
        errors.append(told_of(error.error))

    async with contextlib.AsyncExitStack() as stack:

        async def new_page(**options):
            window = await stack.enter_async_context(windows.open(**options))
            # What its script fails at in a page that it opens later counts too.
            window.on("weberror", on_error)
            stack.callback(window.remove_listener, "weberror", on_error)
            page = await window.new_page()
            await watch(page, timeline)
            return page

        yield new_page
    assert not errors, f"the page's script failed: {errors[0]}"


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_page, server):
    """The step's page, open."""
    page = await new_page()
    await page.goto(server.url("/", "http"))
    return page
