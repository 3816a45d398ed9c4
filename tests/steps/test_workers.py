"""gs7: one chat on four processes, over Redis."""

import asyncio
import contextlib
import os
import re
import signal

import pytest
import pytest_asyncio

from tests.support.client import Closed, WireClient
from tests.support.server import SECONDS_TO_START, Server, expect_no_trouble
from tests.support.tab import Tab
from tests.support.visitor import visitor_of
from tests.tasks import GENERIC, check

CLIENTS = 200
AT_ONCE = 28  # handshakes
SPEAKERS = 4
EACH = 8  # messages of a speaker, fewer than are allowed in a second
LIMIT = 10  # messages of one user in a second


@pytest.fixture(scope="module")
def workers(request, project, redis_server, own_database):
    """`uvicorn --workers 4` with Redis; it may print no trouble."""
    application = f"{request.config.option.step}.asgi:application"
    with Server(project, "workers", application, REDIS_URL=redis_server.url) as server:
        yield server
    # Of its own socket uvicorn lets go in the last moment, which Python minds.
    expect_no_trouble(server.output().partition("Stopping parent process")[0], "uvicorn")


@pytest_asyncio.fixture
async def come(workers, timeline, room):
    """A coroutine function that returns a Tab at the workers, of a visitor or of nobody."""
    clients = []

    async def come(visitor=None, route="/ws/ajwc/", query=""):
        clients.append(WireClient(workers, f"{route}{room}/{query}", timeline, cookie=visitor and visitor.cookie))
        return await Tab(clients[-1], visitor).enter()

    yield come
    await asyncio.gather(*(client.discard() for client in clients))


async def sign_up(server, number):
    """Return so many new users."""
    visitors = [visitor_of(server) for _ in range(number)]
    for visitor in visitors:
        await visitor.sign_up()
    return visitors


@check(gs7=10)
@pytest.mark.proof
async def test_two_hundred_in_one_room(workers, come):
    """200 clients on four processes: each message reaches all of them once, and those of one sender in their order."""
    visitors = await sign_up(workers, SPEAKERS)
    speakers = [await come(visitor, route) for visitor, route in zip(visitors, GENERIC, strict=True)]
    listeners = []
    while len(listeners) < CLIENTS - SPEAKERS:
        listeners += await asyncio.gather(*(come(route=GENERIC[number % 4]) for number in range(AT_ONCE)))
    everybody = [*speakers, *listeners]
    assert len(everybody) == CLIENTS
    for number in range(EACH):
        for speaker in speakers:
            await speaker.say(str(number))
    heard = [[await tab.next_of("message") for _ in range(SPEAKERS * EACH)] for tab in everybody]
    ids = sorted(message["id"] for message in heard[0])
    for messages in heard:
        assert sorted(message["id"] for message in messages) == ids, "not everybody has heard the same"
        for speaker in speakers:
            assert [message["msg"] for message in messages if message["from"] == speaker.name] == [
                *map(str, range(EACH))
            ]
    last = await (await come((await sign_up(workers, 1))[0])).tell("nothing came twice")
    for tab in everybody:
        assert await tab.next_of("message") == last


@check(gs7=10)
@pytest.mark.proof
async def test_the_limit_is_one_for_all_processes(workers, come):
    """However many processes a user's tabs are on: ten messages in a second are stored, the others get slow_down."""
    visitor, other = await sign_up(workers, 2)
    tabs = [await come(visitor) for _ in range(8)]
    for text in ("one", "two"):
        await asyncio.gather(*(tab.say(text) for tab in tabs))
    refused = 0
    for tab in tabs:
        # A connection's frames are answered in their order: after this answer nothing of the tab is under way.
        await tab.send("no JSON")
        while (await tab.next_of("error"))["code"] == "slow_down":
            refused += 1
    assert refused == 2 * len(tabs) - LIMIT
    assert len((await come(other)).messages) == LIMIT


@check(gs7=10)
@pytest.mark.proof
async def test_a_worker_is_killed(workers, come):
    """One of four workers is killed: clients come back, and all that was acknowledged is kept, once and in order."""
    visitors = await sign_up(workers, 3)
    listeners = [await come() for _ in range(40)]
    texts = [f"message {number}" for number in range(EACH)]
    tabs = [await come(visitor) for visitor in visitors]
    talks = [asyncio.create_task(talk(come, tab, texts)) for tab in tabs]
    while (await listeners[0].next_of("message"))["msg"] != texts[2]:
        pass
    os.kill(processes_of(workers)[0], signal.SIGKILL)
    acknowledged = [message for seen in await asyncio.gather(*talks) for message in seen]
    shown = (await come(query="?after=0")).messages
    for visitor in visitors:
        assert [message["msg"] for message in shown if message["from"] == visitor.name] == texts
    assert len(shown) == len(visitors) * EACH
    assert all(message in shown for message in acknowledged)
    closed = 0
    for tab in listeners:
        with contextlib.suppress(Closed):
            while (await tab.next_of("message"))["id"] != shown[-1]["id"]:
                pass
            continue
        closed += 1
    assert 0 < closed < len(listeners), f"{closed} connections ended with the worker"
    # uvicorn's parent asks each worker whether it is alive, up to 5 s long, before it looks at Ctrl-C: one that still
    # starts does not answer.
    await workers.printed("Application startup complete", times=5, within=SECONDS_TO_START)


async def talk(come, tab, texts):
    """Say one after the other, each until it is acknowledged; come back if the connection ends. Return what came."""
    seen = []
    for text in texts:
        while text not in [message["msg"] for message in seen if message["from"] == tab.name]:
            try:
                await tab.say(text)
                while True:
                    seen.append(await tab.next_of("message"))
                    if (seen[-1]["msg"], seen[-1]["from"]) == (text, tab.name):
                        break
            except Closed:
                tab = await come(tab.user, query="?after=0")
                seen = [*seen, *tab.messages]
    return seen


def processes_of(server):
    """Return the ids of the server's worker processes."""
    return [int(number) for number in re.findall(r"Started server process \[(\d+)\]", server.output())]
