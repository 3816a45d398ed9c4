"""What a check can ask for: its case, the project, clients, servers, a browser."""

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import uuid
from urllib.parse import quote

import pytest
import pytest_asyncio
from channels.layers import channel_layers, get_channel_layer

from tests.support.browser import find_chromium, open_browser
from tests.support.chat import Member
from tests.support.client import ProcessClient, WireClient
from tests.support.lonely import LonelySocket
from tests.support.recorder import ENDED
from tests.support.redis import HOW_TO_INSTALL, Redis, find_redis
from tests.support.server import COMMANDS, ROOT, TROUBLE, Server, own_environment
from tests.support.timeline import Timeline
from tests.support.verdicts import PROJECT, cannot_check
from tests.support.waiting import wait_for
from tests.tasks import case_of

# Seconds; the steps' own second would be too long to wait for. On the wire, and in a page, small differences drown.
COUNT_INTERVAL = {"process": 0.02, "wire": 0.05}

# A settings module that a server of the suite uses: the step's own, but with quicker counters.
QUICK_SETTINGS = "from {step}.settings import *\n\nCOUNT_INTERVAL = {interval}\n"


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
def events(tmp_path_factory):
    """The file in which the shared server's recorder writes what its consumers saw."""
    path = tmp_path_factory.mktemp("server") / "events"
    path.touch()
    return path


@pytest.fixture(scope="session")
def start_recorded(request, project, events):
    """A function that starts a daphne whose recorder writes into `events`; all are stopped at the end."""
    step = request.config.option.step
    (events.parent / "quick_settings.py").write_text(
        QUICK_SETTINGS.format(step=step, interval=COUNT_INTERVAL["wire"]), encoding="utf-8"
    )
    started = []

    def start_recorded(**environment):
        server = Server(
            project,
            "daphne",
            "tests.support.recorder:application",
            PYTHONPATH=os.pathsep.join([str(events.parent), str(ROOT)]),
            DJANGO_SETTINGS_MODULE="quick_settings",
            RECORDED_APPLICATION=f"{step}.asgi",
            RECORDED_EVENTS=str(events),
            **environment,
        )
        started.append(server)
        return server

    yield start_recorded

    def all_ended():
        recorded = events.read_text(encoding="utf-8")
        return recorded.count(ENDED) >= recorded.count("← {'type': 'websocket.connect'}")

    # A sync handler that still runs when its daphne is stopped would keep it from ending.
    with contextlib.suppress(AssertionError):
        wait_for(all_ended, "all consumers to end", within=2)
    for server in started:
        server.stop()


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
    """The same as `shared_server`, with Redis behind its channel layer."""
    return start_recorded(REDIS_URL=redis_server.url)


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
    socket = LonelySocket(project, request.config.option.step, redis_program)
    yield socket
    socket.close()


@pytest.fixture(scope="session", autouse=True)
def begin_early(request):
    """Processes take a while to start: the checks in process run meanwhile."""
    items = request.session.items
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
    server = request.getfixturevalue("shared_redis_server" if case.way == "redis" else "shared_server")
    server.wait()
    began = timeline.began
    timeline.follow(lambda: [(at, "log", line) for at, line in server.lines if at >= began])
    yield server
    if not request.node.get_closest_marker("traceback"):
        trouble = TROUBLE.search(server.output(since=began))
        assert not trouble, f"the server printed {trouble[0]!r}:\n{server.output(since=began)}"


@pytest.fixture
def application(case):
    """The project's ASGI application, in process."""
    return importlib.import_module(f"{case.step}.asgi").application


@pytest_asyncio.fixture
async def new_client(request, case, timeline):
    """A function that returns a client of this case's way in, not yet connected; all are gone after the check."""
    clients = []

    def new_client(path=case.route):
        if case.way in ("wire", "redis"):
            client = WireClient(request.getfixturevalue("server"), path, timeline, request.getfixturevalue("events"))
        else:
            client = ProcessClient(request.getfixturevalue("application"), path, timeline)
        clients.append(client)
        return client

    if case.way in ("wire", "redis"):
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
def join(new_client, case, room):
    """A coroutine function that returns a member who has its welcome."""

    async def join(group=room, route=case.route):
        """Join `group` on `route`, in this check's own room and on its own route if nothing else is said."""
        member = Member(new_client(f"{route}{quote(group, safe='')}/"))
        await member.enter()
        return member

    return join


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
