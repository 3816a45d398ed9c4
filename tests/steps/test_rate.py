"""gs7: nobody says more in a second than the setting MESSAGES_PER_SECOND allows."""

import asyncio
import contextlib
import uuid
from datetime import datetime
from importlib import import_module

import pytest
import pytest_asyncio

from tests.steps.holding import holding_up, meanwhile
from tests.support.client import WireClient
from tests.support.postgres import new_database
from tests.support.tab import Tab
from tests.tasks import GENERIC, check

# Messages of one user in a second. Not the step's own ten: on a busy machine they take longer than that.
LIMIT = 3
RATE = {"gs7": dict.fromkeys(GENERIC, 5)}


@pytest.fixture(autouse=True)
def few_in_a_second(settings):
    """Elsewhere one may say more in a second than anybody can."""
    settings.MESSAGES_PER_SECOND = LIMIT


@check(gs7=5)
def test_the_limit_is_ten(case):
    """The setting MESSAGES_PER_SECOND is 10."""
    limit = getattr(import_module(f"{case.step}.settings"), "MESSAGES_PER_SECOND", None)
    assert limit == 10, f"the settings say {limit!r}"


@check("process", **RATE)
async def test_more_in_a_second_are_refused(tab):
    """A message that is one too many within a second gets slow_down; it is not stored, and nobody else hears of it."""
    ann, bob = await tab("ann"), await tab("bob")
    for number in range(LIMIT + 3):
        await ann.say(f"message {number}")
    # What the layer brings and what is answered at once overtake each other.
    frames = [await ann.next_of("message", "error") for _ in range(LIMIT + 3)]
    kept = [frame for frame in frames if frame["event"] == "message"]
    assert [frame["msg"] for frame in kept] == [f"message {number}" for number in range(LIMIT)]
    assert [frame["code"] for frame in frames if frame["event"] == "error"] == ["slow_down"] * 3
    assert await bob.heard() == kept
    assert (await tab("cid")).messages[:-1] == kept


@check("process", **RATE)
async def test_the_limit_is_of_the_user(tab, room):
    """All tabs of a user count together, in all rooms; the others may go on."""
    ann, bob = await tab("ann"), await tab("bob")
    tabs = [ann, await tab("ann", f"{room} two"), await tab("ann", f"{room} three")]
    for number in range(LIMIT):
        await tabs[number % 3].tell(f"message {number}")
    for one in tabs:
        await one.say("too much")
        await one.hear_error("slow_down")
    assert [frame["msg"] for frame in await bob.heard()] == ["message 0"]


@check("process", **RATE)
async def test_private_messages_count(tab):
    """A private message is a message: one too many within a second gets slow_down."""
    ann, bob = await tab("ann"), await tab("bob")
    for number in range(LIMIT):
        await ann.tell(f"message {number}", to=bob.name)
    await ann.send({"msg": "too much", "to": bob.name})
    await ann.hear_error("slow_down")
    assert len(await bob.heard()) == LIMIT


@check("process", **RATE)
async def test_errors_do_not_count(tab):
    """What was answered with an error is no message."""
    ann, bob = await tab("ann"), await tab("bob")
    for _ in range(LIMIT + 1):
        await ann.send("no JSON")
        await ann.hear_error("bad_json")
    first = await ann.tell("the first message")
    assert await bob.hear("message") == first


@check("process", gs7={"/ws/wsc/": 5, "/ws/ajwc/": 5})
@pytest.mark.waits
async def test_a_second_later_one_may_speak_again(tab):
    """What was refused does not count: a second after the first one may speak again, however often one tried."""
    ann = await tab("ann")
    first = await ann.tell("the first")
    for _ in range(LIMIT - 1):
        await ann.tell("the next")
    async with asyncio.timeout(3):
        await ann.say("again")
        while (frame := await ann.next())["event"] == "error":
            await asyncio.sleep(0.05)
            await ann.say("again")
    waited = datetime.fromisoformat(frame["at"]) - datetime.fromisoformat(first["at"])
    assert 1 <= waited.total_seconds() < 2


@pytest.fixture
def two_servers(start_recorded, postgres):
    """Two servers at one PostgreSQL, which take one message of a user in a second."""
    with new_database(postgres) as url:
        servers = [start_recorded(url, MESSAGES_PER_SECOND="1")]
        servers[0].wait()
        servers.append(start_recorded(servers[0].database, MESSAGES_PER_SECOND="1"))
        servers[1].wait()
        yield servers
        for server in servers:
            server.kill()


@pytest_asyncio.fixture
async def tab_at(case, timeline):
    """A coroutine function that returns a Tab of this visitor at that server."""
    async with contextlib.AsyncExitStack() as stack:

        async def tab_at(server, visitor, room):
            client = WireClient(server, f"{case.route}{room}/", timeline, server.events, cookie=visitor.cookie)
            stack.push_async_callback(client.discard)
            return await Tab(client, visitor).enter()

        yield tab_at


@check("postgres", gs7={"/ws/ajwc/": 5})
async def test_two_servers_count_together(two_servers, tab_at, user_at, room):
    """Two tabs of a user are on two servers: what one of them is storing counts for the other, in another room, too."""
    import psycopg

    one, other = two_servers
    ann, known = await user_at(one), uuid.uuid4().hex
    tabs = [await tab_at(one, ann, room), await tab_at(other, ann, f"{room}-two")]
    await (await tab_at(one, await user_at(one), room)).tell(known)
    with (
        psycopg.connect(one.environment["DATABASE_URL"], autocommit=True) as connection,
        holding_up(known, connection) as lock,
    ):
        was_answered, answering = await meanwhile(
            lambda: tabs[0].say(f"slow {known}"),
            lambda: answer_to(tabs[1], "too much"),
            "ann's other tab to be answered",
            lock,
            connection,
        )
        answer = await answering
    assert not was_answered or answer["event"] == "error", (
        "while one server was storing a message of ann's, another stored a second one: both had counted none"
    )


async def answer_to(tab, msg):
    """Say this; return the message or the error that comes of it."""
    await tab.say(msg)
    return await tab.next_of("message", "error")
