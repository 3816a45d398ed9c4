"""From gs5 on: the chat's page shows what is kept, each message once, also when it was away."""

import asyncio
import contextlib
import re
import sqlite3
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.steps.test_chat_page import CAME_BACK, HTML, enter, new_tab, new_window, sync  # noqa: F401  (four are fixtures)
from tests.support.browser import expect
from tests.support.chat import Member
from tests.support.client import WireClient
from tests.support.visitor import visitor_of
from tests.tasks import KEPT, WITH_USERS, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHAT = {step: {"/chat/": KEPT} for step in ("gs5", "gs6", "gs7")}


@pytest_asyncio.fixture(loop_scope="session")
async def bob(server, case, room, timeline):
    """A member of the room who talks without a page, which is quicker."""
    visitor = visitor_of(server)
    if case.step in WITH_USERS:
        await visitor.sign_up()
    route = "/ws/ajwc/" if case.step == "gs7" else "/ws/ac/"
    bob = Member(WireClient(server, f"{route}{room}/", timeline, cookie=visitor.cookie), visitor)
    await bob.enter()
    yield bob
    await bob.client.discard()


async def said(tab):
    """Return the numbers of the messages "message N." that the tab shows, from top to bottom."""
    return [int(number) for number in re.findall(r"message (\d+)\.", await tab.log.inner_text())]


@check("wire", **CHAT)
async def test_who_comes_later_reads_what_was_said(enter, sync):  # noqa: F811
    """A new tab shows what was said before it came, oldest first, and nothing of it as HTML."""
    ann = await enter()
    for text in ("message 1.", HTML, "message 2."):
        await ann.write(text)
        await ann.shows(text)
    await ann.page.close()
    for query in ("", sync):
        tab = await enter(query=query)
        await tab.shows("message 2.")
        await tab.shows(HTML)
        assert await said(tab) == [1, 2]
        await expect(tab.page.locator("img")).to_have_count(0)
    await tab.write("message 3.")
    await tab.shows("message 3.")
    assert await said(tab) == [1, 2, 3]


@check("wire", **CHAT)
async def test_the_time_is_the_readers(enter, new_tab, server, room):  # noqa: F811
    """Each message has a time: written as the reader's zone has it, and in UTC for programs."""
    ann = await enter()
    await ann.write("what time is it?")
    await ann.shows("what time is it?")
    shown = {}
    for zone in ("UTC", "Asia/Tokyo"):
        tab = await new_tab(timezone_id=zone, locale="en-GB")
        await tab.open(server.url(f"/chat/{room}/", "http"))
        await tab.shows("what time is it?")
        time = tab.log.locator("time")
        shown[zone] = (await time.get_attribute("datetime"), await time.inner_text())
    assert shown["UTC"][0] == shown["Asia/Tokyo"][0]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*(\+00:00|Z)$", shown["UTC"][0])
    hours = {zone: int(re.search(r"(\d\d):\d\d", text)[1]) for zone, (_, text) in shown.items()}
    assert (hours["UTC"] + 9) % 24 == hours["Asia/Tokyo"], shown


@check("wire", **CHAT)
@pytest.mark.proof
async def test_a_killed_server_costs_no_message(new_tab, sync, start_recorded, room):  # noqa: F811
    """The server killed in a conversation: the tabs come back by themselves, with every message once, in order."""
    server = start_recorded()
    server.wait()
    tabs = []
    for query in ("", sync):
        tab = await (await new_tab(at=server)).open(server.url(f"/chat/{quote(room)}/{query}", "http"))
        await tab.is_in()
        tabs.append(tab)
    ann, bob = tabs
    await ann.page.bring_to_front()
    for number in range(1, 6):
        await ann.write(f"message {number}.")
    await bob.shows("message 5.")
    server.kill()
    for tab in tabs:
        await expect(tab.state).to_contain_text("reconnecting")
    server.start()
    server.wait()
    for tab in tabs:
        await tab.is_in(CAME_BACK)
    for number in (6, 7):
        await ann.write(f"message {number}.")
        for tab in tabs:
            await tab.shows(f"message {number}.")
    for tab in tabs:
        assert await said(tab) == [1, 2, 3, 4, 5, 6, 7]
    server.kill()


@check("wire", **CHAT)
@pytest.mark.parametrize("before", [0, 1])
async def test_what_was_missed_comes_once(new_tab, server, bob, room, before):  # noqa: F811
    """A tab that was cut off asks for what came since when it comes back, however much it is, and shows all once."""
    sockets = []
    may_connect = asyncio.Event()
    may_connect.set()

    async def pass_on(socket):
        sockets.append(socket)
        await may_connect.wait()
        socket.connect_to_server()

    tab = await new_tab()
    await tab.page.route_web_socket(re.compile(".*"), pass_on)
    await tab.open(server.url(f"/chat/{room}/", "http"))
    await tab.is_in()
    await say(bob, 1, before)
    await expect(tab.log.locator("time")).to_have_count(before)
    may_connect.clear()
    await sockets[0].close(code=4013)
    await expect(tab.state).to_contain_text("reconnecting")
    await say(bob, before + 1, 55)
    may_connect.set()
    await tab.shows("message 55.", CAME_BACK)
    assert await said(tab) == list(range(1, 56))
    assert "after" not in sockets[0].url
    assert re.search(r"\?after=\d+$", sockets[-1].url), sockets[-1].url


async def say(member, first, last):
    for number in range(first, last + 1):
        await member.say(f"message {number}.")
        await member.hear("message")


@check("wire", **CHAT)
@pytest.mark.parametrize("number", [3, 70])
async def test_what_was_overtaken_is_not_left_out(new_tab, server, bob, room, number):  # noqa: F811
    """A message that the layer lost, or that a later one has overtaken, comes with the next reconnect, in its place."""
    sockets = []

    async def lose_one(socket):
        sockets.append(socket)
        upstream = socket.connect_to_server()
        if len(sockets) == 1:
            upstream.on_message(lambda frame: f'"message {number - 1}."' in frame or socket.send(frame))

    tab = await new_tab()
    await tab.page.route_web_socket(re.compile(".*"), lose_one)
    await tab.open(server.url(f"/chat/{room}/", "http"))
    await tab.is_in()
    await say(bob, 1, number)
    await tab.shows(f"message {number}.")
    assert number - 1 not in await said(tab)
    await sockets[0].close(code=4013)
    await tab.shows(f"message {number - 1}.", CAME_BACK)
    assert await said(tab) == list(range(1, number + 1))


@check("wire", **CHAT)
@pytest.mark.proof
async def test_a_locked_database_costs_no_message(enter, sync, server):  # noqa: F811
    """The database locked: who writes is told so and keeps the text. Unlocked: all is well, each message once."""
    path = server.environment["DATABASE_URL"].removeprefix("sqlite:///")
    ann, bob = await enter(), await enter(query=sync)
    tabs = [ann, bob]
    for number, tab in enumerate(tabs, start=1):
        await tab.page.bring_to_front()
        await tab.write(f"message {number}.")
        for other in tabs:
            await other.shows(f"message {number}.")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        for number, tab in enumerate(tabs, start=3):
            lines = await tab.log.locator("> *").count()
            await tab.page.bring_to_front()
            await tab.write(f"message {number}.")
            await expect(tab.log.locator("> *")).to_have_count(lines + 1)
            await expect(tab.field).to_have_value(f"message {number}.")
            assert await said(tab) == [1, 2]
        connection.execute("ROLLBACK")
    for number, tab in enumerate(tabs, start=3):
        await tab.page.bring_to_front()
        await tab.page.keyboard.press("Enter")
        for other in tabs:
            await other.shows(f"message {number}.")
    cid = await enter()
    await cid.shows("message 4.")
    for tab in (*tabs, cid):
        assert await said(tab) == [1, 2, 3, 4]
