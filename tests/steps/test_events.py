"""gs7: a room's messages as server-sent events, over plain HTTP."""

import asyncio
import contextlib
import time
from urllib.parse import quote

import pytest
import pytest_asyncio
from asgiref.testing import ApplicationCommunicator
from redis.exceptions import RedisError

from tests.support.client import PATIENCE
from tests.support.commands import manage
from tests.support.events import EventStream
from tests.support.waiting import wait_until
from tests.tasks import check

EVENTS = {"gs7": {"/ws/ajwc/": 9}}


@pytest_asyncio.fixture
async def listen(server, room, timeline):
    """A coroutine function that returns the EventStream of a room, as the user of a tab or as nobody."""
    streams = []

    async def listen(group=room, tab=None, query="", at=server, path=None, **headers):
        if tab:
            headers["Cookie"] = tab.user.cookie
        path = path or f"/events/?room={quote(group, safe='')}{query}"
        streams.append(EventStream(at, path, timeline, **headers))
        return await streams[-1].open()

    yield listen
    for stream in streams:
        await stream.leave()


@pytest.fixture
def make_private(project, server):
    """A coroutine function that makes a room private, with the users of these tabs as its members."""

    async def make_private(room, *tabs):
        names = [tab.name for tab in tabs]
        url = server.environment["DATABASE_URL"]
        await asyncio.to_thread(manage, project, "private", room, *names, DATABASE_URL=url)

    return make_private


@check("wire", "redis", **EVENTS)
async def test_messages_are_events(tab, listen):
    """The room's messages come as text/event-stream: what was said before, then each when it is said, with its id."""
    ann = await tab("ann")
    said = [await ann.tell("before"), await ann.tell("naïve ☂ \r\n two lines")]
    stream = await listen()
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    # Neither a browser nor a proxy keeps anything of it.
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    await stream.comment()
    said.append(await ann.tell("now"))
    assert [await stream.next() for _ in said] == said
    assert not stream.comments, "it beats before its time"
    assert stream.ids == [str(message["id"]) for message in said]


@check("wire", **EVENTS)
async def test_no_room_is_the_lobby(tab, listen):
    """Who names no room hears the lobby."""
    ann = await tab("ann", "lobby")
    stream = await listen(path="/events/")
    await stream.comment()
    said = await ann.tell("in the lobby")
    while await stream.next() != said:
        pass


@check("wire", **EVENTS)
async def test_it_goes_on_after_the_last_id(tab, listen):
    """A client that comes back says Last-Event-ID, and gets all that came after it; ?after= says the same."""
    ann = await tab("ann")
    said = [await ann.tell(f"message {number}") for number in range(55)]
    for more in ({"Last-Event-ID": str(said[0]["id"])}, {"query": f"&after={said[0]['id']}"}):
        stream = await listen(**more)
        assert [await stream.next() for _ in said[1:]] == said[1:]
    assert await (await listen()).next() == said[5], "without an id it begins with the last 50"


@check("wire", **EVENTS)
@pytest.mark.parametrize("odd", ["x", "-1", "9" * 30, "1.5"])
async def test_an_odd_id_does_no_harm(tab, listen, odd):
    """A Last-Event-ID that is none shows the last messages."""
    ann = await tab("ann")
    said = await ann.tell("hello")
    assert await (await listen(**{"Last-Event-ID": odd})).next() == said


@check("wire", **EVENTS)
async def test_joining_while_others_talk(tab, listen):
    """A stream that begins in the middle of a conversation gets every message once, in the order of the ids."""
    ann = await tab("ann")
    streams, said = [], []
    for number in range(20):
        opening = asyncio.create_task(listen())
        said += [await ann.tell(f"message {number} {part}") for part in "abc"]
        streams.append(await opening)
    last = str((await ann.tell("the end"))["id"])
    ids = [str(message["id"]) for message in said] + [last]
    for stream in streams:
        while last not in stream.ids:
            await stream.next()
        assert stream.ids == ids[-len(stream.ids) :]


@check("wire", **EVENTS)
async def test_only_this_rooms_messages(tab, listen, room):
    """Other rooms' messages do not come, and nobody's typing, joining or leaving."""
    ann, bob = await tab("ann"), await tab("bob", f"{room} two")
    stream = await listen()
    await stream.comment()
    await bob.tell("elsewhere")
    await ann.send({"typing": True})
    await (await tab("cid")).client.leave()
    said = await ann.tell("here")
    assert await stream.next() == said


@check("wire", "redis", **EVENTS)
async def test_private_messages_are_for_both(tab, listen, room):
    """Private messages come to the two whose they are, only those of this room, and not to who comes later."""
    ann, bob, cid = await tab("ann"), await tab("bob"), await tab("cid")
    both, others = [await listen(tab=ann), await listen(tab=bob)], [await listen(tab=cid), await listen()]
    for stream in (*both, *others):
        await stream.comment()
    elsewhere = await tab("ann", f"{room} two")
    await elsewhere.tell("private, elsewhere", to=bob.name)
    await ann.hear("message")
    private = await ann.tell("private, here", to=bob.name)
    public = await ann.tell("for all")
    for stream in both:
        assert [await stream.next(), await stream.next()] == [private, public]
    for stream in (*others, await listen(tab=cid), await listen()):
        assert await stream.next() == public


@check("wire", **EVENTS)
async def test_a_private_room_is_for_members(tab, listen, make_private, room):
    """A private room: 401 for who is not logged in, 403 for who is no member, in words; members get the messages."""
    ann, bob = await tab("ann"), await tab("bob")
    said = await ann.tell("for members")
    await make_private(room, ann)
    for one, status in ((None, 401), (bob, 403)):
        refused = await listen(tab=one)
        assert refused.status == status
        assert refused.headers["content-type"].startswith("text/plain")
        assert "private" in await refused.body()
    assert await (await listen(tab=ann)).next() == said


@check("wire", **EVENTS)
async def test_logging_out_ends_the_stream(tab, listen):
    """Logging out ends that user's streams, too, and nobody else's."""
    ann, bob = await tab("ann"), await tab("bob")
    stream, other = await listen(tab=ann), await listen(tab=bob)
    for one in (stream, other):
        await one.comment()
    await ann.user.log_out()
    assert not [line for line in await stream.rest() if line.startswith("data")]
    said = await bob.tell("still here")
    assert await other.next() == said


@check("redis", **EVENTS)
async def test_no_membership_is_left(tab, listen, redis_server, room):
    """When the client leaves, so does its channel, from every group."""
    ann = await tab("ann", f"{room} two")
    before = redis_server.groups()
    streams = [await listen(tab=ann), await listen()]
    for stream in streams:
        await stream.comment()
    assert redis_server.groups() > before
    for stream in streams:
        await stream.leave()
    await wait_until(lambda: redis_server.groups() <= before, "the channels to leave their groups", within=2)


@check("wire", **EVENTS)
async def test_a_name_that_no_room_can_have(listen):
    """A name that no database would keep is no room: 404."""
    for name in ("x" * 301, "a\0b"):
        assert (await listen(name)).status == 404


@pytest.fixture
def lively_server(start_recorded, server):
    """A server with the same database, on which a heart beats often."""
    lively = start_recorded(server.database, HEARTBEAT="0.2")
    lively.wait()
    yield lively
    lively.stop()


@check("wire", **EVENTS)
@pytest.mark.waits
async def test_each_heartbeat_keeps_it_alive(tab, listen, lively_server, make_private, room):
    """While nothing is said a comment comes now and then, and who is no member any more is told nothing more."""
    ann, bob = await tab("ann"), await tab("bob")
    # From before it: what comes while the other one opens waits to be read.
    began = time.monotonic()
    stream, other = [await listen(tab=one, at=lively_server) for one in (ann, bob)]
    for _ in range(8):
        await stream.comment()
    assert time.monotonic() - began > 1, "a heart that beats every 0.2 s needs more than a second for 8"
    await make_private(room, ann)
    await other.rest()
    await stream.comment()


@check("wire", **EVENTS)
async def test_each_heartbeat_asks_for_the_session(tab, listen, lively_server):
    """Whose session is gone, though nobody has told this server, is told nothing more from the next heartbeat on."""
    ann, bob = await tab("ann"), await tab("bob")
    stream, other = [await listen(tab=one, at=lively_server) for one in (ann, bob)]
    # At the other server, and the layer in memory carries the event to no third one.
    await ann.user.log_out()
    await stream.rest()
    await other.comment()


class OpenResponse:
    """A stream of events in process, where one can see what it leaves behind."""

    def __init__(self, application, room):
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/events/",
            "query_string": f"room={room}".encode(),
            "headers": [(b"host", b"localhost")],
        }
        self.http = ApplicationCommunicator(application, scope)

    async def begin(self):
        await self.http.send_input({"type": "http.request"})
        assert (await self.http.receive_output(PATIENCE))["status"] == 200
        first = await self.text()
        assert first.startswith(":"), f"the stream begins with {first!r}, and not with a comment"
        return self

    async def text(self):
        """Return what comes next; "" when nothing does, because the response has ended."""
        return (await self.http.receive_output(PATIENCE)).get("body", b"").decode()

    async def leave(self):
        """Go, as a client does, and wait until the application knows."""
        # Whoever has waited for more in vain has cancelled it.
        with contextlib.suppress(asyncio.CancelledError):
            await self.http.send_input({"type": "http.disconnect"})
            await self.http.wait(PATIENCE)


@pytest_asyncio.fixture
async def begin(application, room):
    """A coroutine function that returns the OpenResponse of a room's stream, of which the first line has come."""
    responses = []

    async def begin():
        responses.append(OpenResponse(application, room))
        return await responses[-1].begin()

    yield begin
    for response in responses:
        await response.leave()


@check("process", **EVENTS)
async def test_nothing_of_it_is_left(begin, layer):
    """When the client goes, nobody waits for events any more, and the channel is in no group."""
    before = asyncio.all_tasks()
    response = await begin()
    assert layer.groups, "the stream is open, and the layer has nobody in any group"
    await response.leave()
    await wait_until(lambda: asyncio.all_tasks() == before, "its tasks to end")
    left = [group for group, channels in layer.groups.items() if channels]
    assert not left, f"it has gone, and is still in the group {' and '.join(left)}"


@check("process", **EVENTS)
async def test_a_layer_that_forgets_is_reminded(begin, layer, settings):
    """A channel layer that has lost its groups, as Redis does that was started anew, has them back at a heartbeat."""
    settings.HEARTBEAT = 0.1
    await begin()
    before = {group: set(channels) for group, channels in layer.groups.items()}
    assert before, "the stream is open, and the layer has nobody in any group"
    layer.groups.clear()
    await wait_until(
        lambda: {group: set(them) for group, them in layer.groups.items()} == before, "all groups to be joined again"
    )


@check("process", **EVENTS)
async def test_without_a_layer_it_ends(begin, layer, monkeypatch):
    """When Redis does not answer any more the response ends, without an exception: the client asks again by itself."""

    async def fail(*arguments):
        raise RedisError

    response = await begin()
    for method in ("receive", "group_discard"):
        monkeypatch.setattr(layer, method, fail)
    # It waits already, until something comes.
    for group in layer.groups:
        await layer.group_send(group, {"type": "room.frame", "id": None, "text": ""})
    assert await response.text() == ""
    await response.http.wait(PATIENCE)
