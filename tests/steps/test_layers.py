"""gs4 and on: what a channel layer carries from one process to another, and what happens when it cannot."""

import asyncio
import contextlib
import gc
import importlib
import re
import time
import weakref

import pytest
import pytest_asyncio
from channels.layers import InMemoryChannelLayer

from tests.support.chat import Member
from tests.support.client import Closed, ProcessClient, WireClient, no_close
from tests.support.commands import manage, worker
from tests.support.redis import Redis
from tests.support.server import Server, expect_no_trouble, free_port
from tests.support.stem import fresh_python, python
from tests.support.waiting import wait_until
from tests.tasks import KEPT, check

IDLE = 30  # seconds
TRY_AGAIN_LATER = 4013


def route_in(step, route):
    """Return what stands in for the route of gs4's sync or async consumer: gs6 has one chat, gs7 has four."""
    generic = {"/ws/sc/": "/ws/wsc/", "/ws/ac/": "/ws/ajwc/"}
    return {"gs6": "/ws/ac/", "gs7": generic[route]}.get(step, route)


@pytest.fixture
def serve(case, project, timeline):
    """A function that starts a server of this check's own; none may print trouble."""
    with contextlib.ExitStack() as servers:

        def serve(kind="daphne", start=python, **environment):
            server = Server(project, kind, f"{case.step}.asgi:application", python=start, **environment)
            timeline.follow(lambda: [(at, "log", line) for at, line in server.lines])
            servers.callback(lambda: expect_no_trouble(server.output(), kind))
            return servers.enter_context(server)

        yield serve


@pytest_asyncio.fixture
async def visit(case, timeline, user_at, room):
    """A coroutine function that returns a member on any server, in this check's own room; all are gone after it."""
    clients = []

    async def visit(server, route="/ws/ac/"):
        user = await user_at(server)
        path = f"{route_in(case.step, route)}{room}/"
        clients.append(WireClient(server, path, timeline, cookie=user and user.cookie))
        member = Member(clients[-1], user)
        await member.enter()
        return member

    yield visit
    for client in clients:
        await client.discard()


@check(gs4=7, gs5=KEPT, gs6=KEPT, gs7=KEPT)
async def test_in_memory_a_message_stays_in_its_process(visit, serve):
    """Without Redis a message is heard in its own server process and in no other."""
    one, other = serve(), serve()
    ann, bob, cid = await visit(one), await visit(one, "/ws/sc/"), await visit(other)
    await ann.say("hello")
    await ann.hear("message", msg="hello")
    await bob.hear("message", msg="hello")
    await cid.hears_only()


@check(gs4=7, gs5=KEPT, gs6=KEPT, gs7=KEPT)
async def test_with_redis_a_message_crosses(visit, serve, redis_server):
    """With REDIS_URL a message reaches members in another server process, whatever server that is."""
    # One of them is a Python of its own: to that hash() says something else.
    one, other = serve(REDIS_URL=redis_server.url), serve("uvicorn", fresh_python, REDIS_URL=redis_server.url)
    ann, bob = await visit(one), await visit(other, "/ws/sc/")
    assert (await ann.hear("join"))["from"] == bob.name
    await ann.say("hello")
    await bob.hear("message", msg="hello", **{"from": ann.name})
    await bob.say("hello ann")
    await ann.hear("message", msg="hello")
    await ann.hear("message", msg="hello ann")
    await bob.client.leave()
    assert (await ann.hear("leave"))["from"] == bob.name


@check(gs4=8, gs5=KEPT, gs6=KEPT, gs7=KEPT)
def test_announce_in_memory_says_why_it_cannot(project):
    """With the in-memory layer `announce` ends with status 1, and says that it needs Redis."""
    result = manage(project, "announce", "hello", status=1)
    assert re.search("memory", result.stderr, re.IGNORECASE), f"it says: {result.stderr.strip()}"
    assert "REDIS_URL" in result.stderr


@check(gs4=8, gs5=KEPT, gs6=KEPT, gs7=KEPT)
def test_announce_without_redis_says_so(project):
    """When Redis does not answer, `announce` says so in a sentence and ends with status 1."""
    result = manage(project, "announce", "hello", status=1, REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    assert "Redis" in result.stderr


@check("redis", gs4={"/ws/ac/": 8}, gs5={"/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
async def test_announce_reaches_everybody(project, redis_server, join, case):
    """`announce TEXT` reaches everyone who is connected, in every room."""
    members = [await join(), await join("another room"), await join(route=route_in(case.step, "/ws/sc/"))]
    await asyncio.to_thread(manage, project, "announce", "hello <all>", REDIS_URL=redis_server.url)
    for member in members:
        await member.hear("notice", msg="hello <all>")


@check("redis", gs4={"/ws/ac/": 8}, gs5={"/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
async def test_announce_reaches_one_group(project, redis_server, join):
    """`announce TEXT --group G` reaches the members of G and nobody else."""
    ann, bob = await join("Café ☕"), await join("another room")
    await asyncio.to_thread(manage, project, "announce", "hello", "--group", "Café ☕", REDIS_URL=redis_server.url)
    await ann.hear("notice", msg="hello")
    await bob.hears_only()


@check("redis", gs4={"/ws/ac/": 9}, gs5={"/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
async def test_the_worker_announces_later(project, redis_server, join, timeline):
    """`runworker announcer` does what `announce --after SECONDS` asks for, each when its own time has come."""
    ann = await join()
    # Both wait in Redis before the worker comes: how long the commands take does not matter then.
    for text, seconds in (("late", "3"), ("soon", "0.1")):
        await asyncio.to_thread(manage, project, "announce", text, "--after", seconds, REDIS_URL=redis_server.url)
    with worker("announcer", project, timeline, REDIS_URL=redis_server.url):
        await ann.hear("notice", msg="soon")
        first = time.monotonic()
        await ann.hear("notice", msg="late")
        assert time.monotonic() - first > 2, "they came together"


@check(gs4=10, gs5=KEPT, gs6=KEPT, gs7=KEPT)
@pytest.mark.parametrize("kind", ["daphne", "uvicorn", "hypercorn"])
@pytest.mark.proof
async def test_redis_goes_and_comes_back(visit, serve, redis_program, kind):
    """Redis stopped: clients are told to come back, pages are served on. Redis started: messages flow again."""
    with Redis(redis_program) as redis:
        server = serve(kind, REDIS_URL=redis.url)
        members = [await visit(server), await visit(server, "/ws/sc/")]
        await members[0].hear("join")
        redis.stop()
        for member in members:
            await expect_told_to_come_back(member)
        with pytest.raises(Closed) as closed:
            await visit(server)
        assert closed.value.code == TRY_AGAIN_LATER, "who comes while Redis is away has to be told why"
        assert server.get("/")[0] == 200
        redis.start()
        back = await come_back_and_talk(visit, server)
        # Again in a moment of rest, and until nobody is connected: a server that ends meanwhile has more to say.
        redis.stop()
        for member in back:
            await expect_told_to_come_back(member)
        assert "Logging error" not in server.output(), server.output()


@check(gs4=10, gs5=KEPT, gs6=KEPT, gs7=KEPT)
async def test_redis_starts_anew_in_a_moment(visit, serve, redis_program):
    """Redis is away for a moment, and knows no group any more: all are told to come back, and messages flow again."""
    with Redis(redis_program) as redis:
        server = serve(REDIS_URL=redis.url)
        members = [await visit(server, route) for route in ("/ws/ac/", "/ws/sc/") * 2]
        await members[-1].hears_only()
        redis.start_anew()
        # Of all at once: the timeline is to show who was told, and who was not.
        await asyncio.gather(*map(expect_told_to_come_back, members))
        await come_back_and_talk(visit, server)
        redis.stop()


@check("process", gs4={"/ws/ac/": KEPT}, gs5={"/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
async def test_nothing_is_kept_of_who_has_gone(application, case, timeline, room):
    """Nothing of a connection is kept when it has ended: a server would grow with each that comes."""

    async def come_and_go():
        client = ProcessClient(application, f"{case.route}{room}/", timeline)
        await client.connect()
        await client.leave()
        await client.ended()
        return weakref.ref(client.communicator.output_queue)

    gone = await come_and_go()
    gc.collect()
    assert gone() is None, "a connection has ended, and what its consumer sends with is still kept somewhere"


async def expect_told_to_come_back(member):
    """Assert that the server closes the connection with the code for it; frames from before may come first."""
    try:
        with pytest.raises(Closed) as closed:
            await member.drain()
    except TimeoutError:
        raise no_close(TRY_AGAIN_LATER) from None
    assert closed.value.code == TRY_AGAIN_LATER, f"closed with {closed.value.code}"


async def come_back_and_talk(visit, server):
    """Return two members, one by each way in, who have come back and heard one of them."""
    # A try that meets a connection from before is turned away once more, as a page would be.
    back = [await come_back(visit, server, route) for route in ("/ws/ac/", "/ws/sc/")]
    await back[0].say("hello again")
    for member in back:
        while (await member.next()).get("msg") != "hello again":
            pass
    return back


async def come_back(visit, server, route):
    """Return a member who tried until it was let in, and heard itself: its welcome did not go through Redis."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(Closed):
            member = await visit(server, route)
            await member.say("am I back?")
            await member.hear("message", msg="am I back?")
            return member
    raise AssertionError("nobody was let in for 10 s after Redis had come back")


@check(gs4=7, gs5=KEPT, gs6=KEPT, gs7=KEPT)
@pytest.mark.proof
@pytest.mark.patient
async def test_an_idle_socket_stays_open(idle_socket):
    """Over Redis, a socket on which nothing happens for 30 s is still open, and still hears."""
    idle_socket.thread.join()
    assert idle_socket.error is None, f"the socket could not be opened: {idle_socket.error}"

    def idled():
        code, seconds = idle_socket.socket.close_code, idle_socket.seconds_open()
        assert code is None, f"closed with code {code}; looked {seconds:.0f} s after it was opened"
        return seconds > IDLE

    await wait_until(idled, "the time to pass", within=IDLE + 5)
    idle_socket.socket.send('{"msg": "still here"}')
    while "still here" not in (frame := idle_socket.socket.recv(timeout=5)):
        assert "history" in frame or "users" in frame, f"on an idle socket came {frame}"
    expect_no_trouble(idle_socket.server.output(), idle_socket.server.kind)


@check(gs4=KEPT)
def test_overflow_shows_the_numbers(project):
    """`overflow` measures what is lost: the 101st message, what group_send drops, what is old, what nobody hears."""
    result = manage(project, "overflow")
    assert result.stdout.splitlines() == [
        "send, and nobody reads: message 101 raises ChannelFull.",
        "group_send, and nobody reads: 150 sent without an error, 100 received, 50 lost.",
        "expiry of 1 s, read after 1.2 s: 1 sent, 0 received.",
        "group_send before the reader has joined: 1 sent, 0 received.",
    ]


class Generous(InMemoryChannelLayer):
    """A channel layer as none is: it keeps more, and longer, and hands what was sent to who joins later."""

    def __init__(self, expiry=None):
        super().__init__()
        self.told = []

    def get_capacity(self, channel):
        return 120 if channel == "reader" else 1000

    async def group_send(self, group, message):
        self.told.append((group, message))
        await super().group_send(group, message)

    async def group_add(self, group, channel):
        await super().group_add(group, channel)
        for told, message in self.told:
            if told == group:
                await self.send(channel, message)


@check(gs4=KEPT)
def test_overflow_does_measure(case, capsys, monkeypatch):
    """With another layer `overflow` tells other numbers."""
    from django.core.management import call_command

    module = importlib.import_module("app.management.commands.overflow")
    monkeypatch.setattr(module, "InMemoryChannelLayer", Generous)
    call_command("overflow")
    assert capsys.readouterr().out.splitlines() == [
        "send, and nobody reads: message 121 raises ChannelFull.",
        "group_send, and nobody reads: 150 sent without an error, 120 received, 30 lost.",
        "expiry of 1 s, read after 1.2 s: 1 sent, 1 received.",
        "group_send before the reader has joined: 1 sent, 1 received.",
    ]
