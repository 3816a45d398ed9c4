"""gs7: its pages in a real Chromium: private messages, typing, notices, and one chat on four consumers."""

import json
import re
import time

import pytest

from tests.steps.test_chat_page import (
    CAME_BACK,
    HTML,
    can_be_used_by_keyboard,
    enter,  # noqa: F401  (a fixture, like the two below)
    new_tab,  # noqa: F401
    new_window,  # noqa: F401
)
from tests.steps.test_page import GENERIC, Panel, expect_contrast
from tests.steps.test_users_page import address, manage, shows_users, who_is_here  # noqa: F401  (one is a fixture)
from tests.support.browser import expect
from tests.support.waiting import wait_until
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Milliseconds: what was typed counts for three seconds.
TYPING_IS_OVER = 6_000
PAGE = {"gs7": {"/chat/": KEPT}}


def recipient(tab):
    """Return the field that says whom the next message is for."""
    return tab.page.locator("main form").get_by_role("combobox", name="To")


async def write_to(tab, name, text):
    """Write a message to one user alone, or to "everyone"."""
    await recipient(tab).select_option(name)
    await tab.field.focus()
    await tab.write(text)


def line_of(tab, text):
    """Return the line of the conversation with this text."""
    return tab.log.locator("> *", has_text=text)


async def ground_of(tab, text):
    """Return the colour behind the line of the conversation with this text."""
    return await line_of(tab, text).evaluate("(line) => getComputedStyle(line).backgroundColor")


def typing_in(tab):
    """Return what the tab says about who is typing, if it says anything."""
    return tab.page.locator("main").get_by_text(re.compile("typing…"))


@check("wire", **PAGE)
async def test_a_private_message_is_for_one_user(enter):  # noqa: F811
    """Bob's two tabs show a message to bob alone, as such; cid's tab does not, nor does it after a reload."""
    ann, bob, cid = await enter(), await enter(), await enter()
    second = await (await bob.beside()).open(bob.page.url)
    await second.is_in()
    await shows_users(ann, ann, bob, cid)
    await write_to(ann, bob.name, f"between us {HTML}")
    for tab, to_whom in ((ann, bob.name), (bob, "you"), (second, "you")):
        await expect(line_of(tab, f"between us {HTML}")).to_contain_text(f"private, to {to_whom}")
        await expect(tab.page.locator("img")).to_have_count(0)
    await write_to(ann, "everyone", "for all")
    await cid.shows("for all")
    await expect(line_of(bob, "for all")).not_to_contain_text("private")
    assert await ground_of(bob, "between us") != await ground_of(bob, "for all"), "it looks like what was for all"
    await cid.page.reload()
    for tab in (bob, cid):
        await expect(tab.log).to_contain_text("for all")
    await expect(cid.log).not_to_contain_text("between us")
    await bob.page.reload()
    await expect(line_of(bob, "between us")).to_contain_text("private, to you")


@check("wire", **PAGE)
async def test_a_reply_is_for_who_has_written(enter):  # noqa: F811
    """Reply answers a private message privately; the same goes for a name in the list of who is here."""
    ann, bob, cid = await enter(), await enter(), await enter()
    await who_is_here(ann).get_by_role("button", name=bob.name).click()
    await expect(ann.field).to_be_focused()
    await ann.write("can you hear me?")
    await line_of(bob, "can you hear me?").get_by_role("button", name="Reply").click()
    await expect(bob.field).to_be_focused()
    await expect(bob.page.locator("main form")).to_contain_text(f"to {ann.name} alone")
    await bob.write("I can.")
    await expect(line_of(ann, "I can.")).to_contain_text("private, to you")
    await cid.write("it is quiet here")
    await cid.shows("it is quiet here")
    assert not re.search("hear me|I can", await cid.log.inner_text())


@check("wire", **PAGE)
async def test_what_is_for_one_never_goes_to_all(enter, address):  # noqa: F811
    """Whoever is written to stays so: after a message, when gone, and through a lost connection. It says whom."""
    sockets = []

    async def pass_on(socket):
        sockets.append(socket)
        socket.connect_to_server()

    ann, bob, cid = await enter("elsewhere"), await enter(), await enter()
    await ann.page.route_web_socket(re.compile(".*"), pass_on)
    await ann.open(address)
    await shows_users(ann, ann, bob, cid)
    await write_to(ann, bob.name, "first secret")
    await bob.shows("first secret")
    await bob.page.goto("about:blank")
    await shows_users(ann, ann, cid)
    await sockets[0].close(code=4013)
    await expect(ann.state).to_contain_text("reconnecting")
    await ann.is_in(CAME_BACK)
    await shows_users(ann, ann, cid)
    await expect(recipient(ann)).to_have_value(bob.name)
    await expect(ann.page.locator("main form")).to_contain_text(f"to {bob.name} alone")
    await ann.write("second secret")
    await ann.shows("second secret")
    await cid.write("still nothing?")
    await cid.shows("still nothing?")
    await expect(cid.log).not_to_contain_text("secret")
    await bob.page.goto(address)
    await bob.shows("second secret")


@check("wire", **PAGE)
async def test_a_private_message_finds_its_reader_elsewhere(enter, server, room):  # noqa: F811
    """In another room bob is shown a private message too, and in which room it was said; his reply finds ann."""
    ann, bob = await enter(), await enter()
    await shows_users(ann, ann, bob)
    await recipient(ann).select_option(bob.name)
    await bob.page.goto(server.url(f"/chat/beside-{room}/", "http"))
    await bob.is_in()
    await ann.field.focus()
    await ann.write("where are you?")
    await expect(line_of(bob, "where are you?")).to_contain_text(f"private, to you, in {room}")
    await expect(line_of(ann, "where are you?")).not_to_contain_text("in room")
    await line_of(bob, "where are you?").get_by_role("button", name="Reply").click()
    await bob.write("next door")
    await expect(line_of(ann, "next door")).to_contain_text(f"private, to you, in beside-{room}")


@check("wire", **PAGE)
async def test_typing_comes_and_goes(enter):  # noqa: F811
    """The others see who is typing, until the message comes or nothing was typed for 3 s."""
    ann, bob, cid = await enter(), await enter(), await enter()
    second = await (await ann.beside()).open(ann.page.url)
    await second.is_in()
    await ann.page.keyboard.type("h")
    await bob.page.keyboard.type("h")
    for tab, others in ((ann, [bob]), (bob, [ann]), (cid, [ann, bob]), (second, [bob])):
        await expect(typing_in(tab)).to_be_visible()
        for other in others:
            await expect(typing_in(tab)).to_contain_text(other.name)
    for tab in (ann, second):
        await expect(typing_in(tab)).not_to_contain_text(ann.name)
    await ann.page.keyboard.press("Enter")
    await cid.shows("h")
    await expect(typing_in(cid)).not_to_contain_text(ann.name)
    for tab in (ann, cid):
        await expect(typing_in(tab)).to_have_count(0, timeout=TYPING_IS_OVER)


@check("wire", **PAGE)
async def test_typing_is_told_now_and_then(enter):  # noqa: F811
    """One typing frame a second is enough, whatever is typed; and none at all while writing to one user alone."""
    ann, bob = await enter("elsewhere"), await enter()
    sent = []
    ann.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    await ann.page.goto(bob.page.url)
    await ann.is_in()
    began = time.monotonic()
    await ann.page.keyboard.type("a sentence of some length", delay=60)
    seconds = time.monotonic() - began
    told = [frame for frame in sent if "typing" in str(frame)]
    assert 1 <= len(told) <= seconds + 1, f"{len(told)} frames in {seconds:.1f} s"
    await ann.page.keyboard.press("Enter")
    sent.clear()
    await shows_users(ann, ann, bob)
    await write_to(ann, bob.name, "not even that I write")
    await bob.shows("not even that I write")
    assert not any("typing" in str(frame) for frame in sent), sent


@check("wire", **PAGE)
@pytest.mark.proof
async def test_a_killed_server_tells_no_secret(new_tab, start_recorded, room):  # noqa: F811
    """Too many at once: each is sent, or is told in words and kept. Server killed and back: no word lost or told."""
    server = start_recorded(MESSAGES_PER_SECOND="3")
    server.wait()
    hall = server.url(f"/chat/{room}/", "http")
    ann, bob, cid = tabs = [await new_tab(at=server) for _ in range(3)]
    heard = []
    ann.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(frame)))
    for tab in tabs:
        await tab.open(hall)
    for tab in tabs:
        await shows_users(tab, ann, bob, cid)
    await ann.page.evaluate(SAY_AT_ONCE, 6)
    await ann.page.wait_for_function(ALL_ARE_THERE, arg=6)
    refusal = await wait_until(
        lambda: next((frame for frame in heard if "slow_down" in frame), None), "the server to say slow_down"
    )
    await expect(ann.log).to_contain_text(json.loads(refusal)["detail"])
    back = await ann.field.input_value()
    assert back, "nothing that was refused is back in the field"
    refused = {back, *re.findall(r"“(quick \d\.)”", await ann.log.inner_text())}
    for text in (f"quick {n}." for n in range(1, 7)):
        await expect(line_of(bob, text)).to_have_count(0 if text in refused else 1)
    await ann.field.fill("")
    server.kill()
    for tab in tabs:
        await expect(tab.state).to_contain_text("reconnecting")
    await write_to(ann, bob.name, "typed meanwhile")
    # What comes now is not about the limit, and the second may not be over yet.
    del server.environment["MESSAGES_PER_SECOND"]
    server.start()
    server.wait()
    for tab in tabs:
        await tab.is_in(CAME_BACK)
    await expect(ann.field).to_have_value("typed meanwhile")
    await ann.page.keyboard.press("Enter")
    await expect(line_of(bob, "typed meanwhile")).to_contain_text("private, to you")
    await cid.write("and here?")
    for tab in tabs:
        await tab.shows("and here?")
    await expect(cid.log).not_to_contain_text("meanwhile")
    server.kill()


SAY_AT_ONCE = """
(number) => {
  const form = document.querySelector("main form");
  for (let n = 1; n <= number; n += 1) {
    form.querySelector("input").value = `quick ${n}.`;
    form.requestSubmit();
  }
}
"""

# In the conversation or in the field: each of what was said at once.
ALL_ARE_THERE = """
(number) => {
  const seen = document.querySelector("#chat-log").textContent + document.querySelector("main form input").value;
  return new Set(seen.match(/quick \\d\\./g)).size === number;
}
"""


@check("wire", **PAGE)
async def test_the_latest_is_what_was_refused(new_tab, address):  # noqa: F811
    """An error comes before what was sent earlier is heard back: it is the latest message that is back in the field."""
    sockets = []

    def answer(socket):
        sockets.append(socket)
        for frame in (
            {"event": "welcome", "group": "hall", "from": "ann"},
            {"event": "history", "messages": []},
            {"event": "users", "users": ["ann"]},
        ):
            socket.send(json.dumps(frame))
        refusal = {"event": "error", "code": "slow_down", "detail": "Too many."}
        socket.on_message(lambda frame: socket.send(json.dumps(refusal)) if "two" in frame else None)

    ann = await new_tab()
    await ann.page.route_web_socket(re.compile(".*"), answer)
    await ann.open(address)
    await ann.is_in()
    for text in ("one", "two"):
        await ann.write(text)
    await expect(ann.field).to_have_value("two")
    sockets[0].send(
        json.dumps({"event": "message", "id": 1, "at": "2026-11-21T05:00:00Z", "from": "ann", "msg": "one"})
    )
    await expect(line_of(ann, "one")).to_have_count(1)
    await sockets[0].close(code=4013)
    await expect(ann.state).to_contain_text("reconnecting")
    await expect(ann.log).not_to_contain_text("Nobody has confirmed")


@check("redis", **PAGE)
@pytest.mark.usefixtures("users_to_forget")
async def test_a_notice_stands_out(enter, new_tab, server, address):  # noqa: F811
    """What `notify` sends comes at once, or with the next page, once; it looks like no message, and is no HTML."""
    ann, bob = await enter(), await enter()
    await bob.page.goto("about:blank")
    await ann.write("before")
    await ann.shows("before")
    await manage(server, "notify", f"At six we close {HTML}")
    await bob.page.goto(address)
    for tab in (ann, bob):
        await expect(line_of(tab, f"At six we close {HTML}")).to_have_count(1)
        await expect(tab.page.locator("img")).to_have_count(0)
        await tab.shows("before")
        assert await ground_of(tab, "At six") != await ground_of(tab, "before"), "it looks like a message"
    await bob.page.reload()
    await bob.shows("before")
    await bob.write("after")
    await bob.shows("after")
    await expect(bob.log).not_to_contain_text("At six")


@check("wire", **PAGE)
async def test_a_full_page_can_be_read_and_used(new_tab, server, address):  # noqa: F811
    """With all that can be seen: wide and narrow, light and dark, nothing runs out, and no mouse is needed."""
    ann, bob = await new_tab(), await new_tab()
    for tab in (ann, bob):
        await tab.open(address)
    await shows_users(ann, ann, bob)
    await ann.page.keyboard.press("Shift+Tab")
    await expect(recipient(ann)).to_be_focused()
    await ann.page.keyboard.press("ArrowDown")
    await expect(recipient(ann)).to_have_value(bob.name)
    await ann.page.keyboard.press("Tab")
    await ann.write("x" * 300)
    await write_to(bob, ann.name, "y" * 300)
    await expect(line_of(ann, "yyy")).to_be_visible()
    await write_to(bob, "everyone", "for all")
    await ann.page.evaluate("document.querySelector('main form input').value = '\\ud800'")
    await ann.page.keyboard.press("Enter")
    await ann.shows("not sent")
    await bob.field.focus()
    await bob.page.keyboard.type("hm")
    await expect(typing_in(ann)).to_be_visible()
    for width in (1200, 380):
        await ann.page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            await ann.page.emulate_media(color_scheme=scheme)
            assert await ann.page.evaluate("document.documentElement.scrollWidth") <= width
            assert await ann.log.evaluate("(log) => log.scrollWidth <= log.clientWidth"), "a line runs out"
            await expect_contrast(
                ann.page.locator("h1, h2, p, a, b, label, label span, select, button, li, #chat-log *")
            )
    await can_be_used_by_keyboard(ann.page)


@check("wire", **PAGE)
async def test_the_consumer_can_be_chosen(enter):  # noqa: F811
    """?via= takes one of the four, which the page names; it speaks chat.v1 with each, and all are one room."""
    ann, bob = await enter(), await enter()
    await ann.page.add_init_script(KEEP_SOCKETS)
    for via, name in CONSUMERS.items():
        await ann.page.get_by_role("link", name=name, exact=True).click()
        await ann.is_in()
        assert await ann.page.evaluate("[sockets[0].url.split('/')[4], sockets[0].protocol]") == [via, "chat.v1"]
        await expect(ann.page.get_by_role("navigation").locator("[aria-current]")).to_have_text(name)
        await ann.write(f"through {via}")
        await bob.shows(f"through {via}")


CONSUMERS = {
    "wsc": "WebsocketConsumer",
    "awsc": "AsyncWebsocketConsumer",
    "jwc": "JsonWebsocketConsumer",
    "ajwc": "AsyncJsonWebsocketConsumer",
}
KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...all) { super(...all); sockets.push(this); }
};
"""


@check("wire", **PAGE)
async def test_the_panels_and_the_stream_hear_the_same(new_tab, server, room):  # noqa: F811
    """The step's page has a panel for each consumer, and a stream of events; an unknown subprotocol gets its words."""
    ann = await new_tab()
    await ann.page.goto(server.url("/", "http"))
    panels = [Panel(ann.page, route) for route in GENERIC["gs7"]]
    refused = panels[0].root
    await refused.get_by_label("Subprotocol").select_option("chat.v9")
    await refused.locator("button.connect").click()
    await expect(panels[0].frames.filter(has_text="unknown_subprotocol")).to_contain_text("chat.v1")
    await expect(panels[0].state).to_contain_text("4406")
    await refused.get_by_label("Subprotocol").select_option("chat.v1")
    await panels[1].root.get_by_label("Subprotocol").select_option("")
    for panel in panels:
        await panel.connect()
    for panel, chosen in ((panels[0], ", and chosen chat.v1"), (panels[1], "")):
        accepted = panel.frames.filter(has_text="has accepted").last
        await expect(accepted).to_have_text(re.compile(f" · event open the server has accepted{chosen}$"))
    stream = ann.page.locator(".stream")
    await stream.get_by_role("button", name="Listen").click()
    await expect(stream.locator("[data-state]")).to_have_attribute("data-state", "open")
    # The lobby remembers what was said in it, by an earlier run of this check, too.
    text = f"hello {HTML} {room}"
    await panels[2].send(f'{{"msg": "{text.replace(chr(34), chr(92) + chr(34))}"}}')
    for log in (*(panel.frames for panel in panels), stream.locator(".frames li")):
        await expect(log.filter(has_text=room).filter(has_text='"event": "message"')).to_have_count(1)
    await expect(ann.page.locator("main img")).to_have_count(0)
    await stream.get_by_role("button", name="Stop").click()
    await expect(stream.locator("[data-state]")).to_have_attribute("data-state", "idle")
