"""From gs5 on: the chat's page shows what is kept, each message once, also when it was away."""

import asyncio
import re
from urllib.parse import quote

import pytest

from tests.steps.test_chat_page import CAME_BACK, HTML, Tab, enter, new_tab  # noqa: F401  (two are fixtures)
from tests.support.browser import expect
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHAT = {"gs5": {"/chat/": KEPT}}


async def said(tab):
    """Return the numbers of the messages "message N." that the tab shows, from top to bottom."""
    return [int(number) for number in re.findall(r"message (\d+)\.", await tab.log.inner_text())]


@check("wire", "postgres", **CHAT)
async def test_who_comes_later_reads_what_was_said(enter, room):  # noqa: F811
    """A new tab shows what was said before it came, oldest first, and nothing of it as HTML."""
    ann = await enter()
    for text in ("message 1.", HTML, "message 2."):
        await ann.write(text)
        await ann.shows(text)
    await ann.page.close()
    for query in ("", "?via=sc"):
        tab = await enter(query=query)
        await tab.shows("message 2.")
        await tab.shows(HTML)
        assert await said(tab) == [1, 2]
        await expect(tab.page.locator("img")).to_have_count(0)
    await tab.write("message 3.")
    await tab.shows("message 3.")
    assert await said(tab) == [1, 2, 3]


@check("wire", **CHAT)
async def test_the_time_is_the_readers(enter, browser, server, room):  # noqa: F811
    """Each message has a time: written as the reader's zone has it, and in UTC for programs."""
    ann = await enter()
    await ann.write("what time is it?")
    await ann.shows("what time is it?")
    shown = {}
    for zone in ("UTC", "Asia/Tokyo"):
        context = await browser.new_context(timezone_id=zone, locale="en-GB")
        tab = await Tab(await context.new_page()).open(server.url(f"/chat/{room}/", "http"))
        await tab.shows("what time is it?")
        time = tab.log.locator("time")
        shown[zone] = (await time.get_attribute("datetime"), await time.inner_text())
        await context.close()
    assert shown["UTC"][0] == shown["Asia/Tokyo"][0]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*(\+00:00|Z)$", shown["UTC"][0])
    hours = {zone: int(re.search(r"(\d\d):\d\d", text)[1]) for zone, (_, text) in shown.items()}
    assert (hours["UTC"] + 9) % 24 == hours["Asia/Tokyo"], shown


@check("wire", "postgres", **CHAT)
async def test_a_killed_server_costs_no_message(new_tab, start_recorded, request, case, room):  # noqa: F811
    """The server killed in a conversation: the tabs come back by themselves, with every message once, in order."""
    from tests.support.postgres import new_database

    if case.way == "postgres":
        with new_database(request.getfixturevalue("postgres")) as url:
            await talk_through_a_kill(new_tab, start_recorded(database_url=url), room)
    else:
        await talk_through_a_kill(new_tab, start_recorded(), room)


async def talk_through_a_kill(new_tab, server, room):  # noqa: F811
    server.wait()
    tabs = []
    for query in ("", "?via=sc"):
        tab = await (await new_tab()).open(server.url(f"/chat/{quote(room)}/{query}", "http"))
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
async def test_what_was_missed_comes_once(new_tab, server, room):  # noqa: F811
    """A tab that was cut off asks for what came after its last message when it comes back, and shows all once."""
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
    await tab.write("message 1.")
    await tab.shows("message 1.")
    bob = await (await new_tab()).open(server.url(f"/chat/{room}/", "http"))
    await bob.is_in()
    may_connect.clear()
    await sockets[0].close(code=4013)
    await expect(tab.state).to_contain_text("reconnecting")
    for number in (2, 3):
        await bob.write(f"message {number}.")
        await bob.shows(f"message {number}.")
    may_connect.set()
    await tab.shows("message 3.", CAME_BACK)
    assert await said(tab) == [1, 2, 3]
    assert "after" not in sockets[0].url
    assert re.search(r"\?after=\d+$", sockets[-1].url), sockets[-1].url
