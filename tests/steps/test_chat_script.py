"""gs4 and on: what the chat's page makes of each frame, in a real Chromium. Here the check is the server."""

import json
import re

import pytest
import pytest_asyncio

from tests.steps.test_chat_page import new_tab, new_window  # noqa: F401  (fixtures)
from tests.support.browser import expect
from tests.support.puppet import SOCKETS
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHAT = {step: {"/chat/": KEPT} for step in ("gs4", "gs5", "gs6", "gs7")}
STORED = {step: routes for step, routes in CHAT.items() if step != "gs4"}
NOON = "2026-03-02T12:00:00+00:00"
KEPT_IN_THE_LOG = 500
NO_CHANCE = "Math.random = () => 0.5;"  # in the pauses between two tries
# Of each line what kind it is, how it looks, who and what stands in it.
LINES = """
  (lines) => lines.map((line) => [
    line.dataset.kind,
    line.className,
    ...[...line.children].map((each) => `${each.className || each.localName}: ${each.textContent}`),
  ])
"""
# How far the log is scrolled from its end, in pixels.
FROM_END = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight"


class Chat:
    """The chat of a room's page, whose sockets and time are the check's."""

    def __init__(self, tab):
        self.page = tab.page
        self.root = self.page.locator(".chat")
        self.state = self.root.locator("[data-state]")
        self.log = self.root.locator("#chat-log")
        self.field = self.root.locator("input[name=message]")
        self.to = self.root.locator("select[name=to]")
        self.button = self.root.get_by_role("button", name="Send")
        self.hint = self.root.locator("#hint")

    async def hear(self, *frames):
        """Let the page hear these frames."""
        await self.page.evaluate("(texts) => sockets.at(-1).hear(...texts)", [*map(json.dumps, frames)])

    async def welcome(self, name="ann", group="hall"):
        await self.hear({"event": "welcome", "from": name, "group": group})

    async def end(self, code):
        """Let the connection end with this close code."""
        await self.page.evaluate(f"sockets.at(-1).end({code})")

    async def end_and_come_back(self, *, name="ann"):
        """Let the connection be lost, and the page come back."""
        await self.end(1006)
        await self.wait(375)
        await self.welcome(name)

    async def wait(self, milliseconds):
        await self.page.clock.run_for(milliseconds)

    async def say(self, text):
        await self.field.fill(text)
        await self.field.press("Enter")

    async def sent(self):
        """Return the messages that the page has sent through its present socket."""
        return await self.page.evaluate("sockets.at(-1).sent.map(JSON.parse).filter(({ typing }) => !typing)")

    async def sockets(self):
        """Return how many sockets the page has opened."""
        return await self.page.evaluate("sockets.length")

    async def lines(self):
        return await self.log.locator("> *").evaluate_all(LINES)

    async def said(self):
        """Return who said what, from top to bottom."""
        return [": ".join(part.split(": ", 1)[-1] for part in line[2:4]) for line in await self.lines()]

    async def expect_state(self, state, words, hint):
        await expect(self.state).to_have_attribute("data-state", state)
        await expect(self.state).to_have_text(words)
        await expect(self.hint).to_have_text(hint)


def message(number, text=None, name="bob", at=NOON, **fields):
    """Return the frame of a message; gs4 knows no numbers and no times, and does not mind."""
    return {"event": "message", "id": number, "at": at, "from": name, "msg": text or f"message {number}.", **fields}


@pytest.fixture
def open_chat(new_tab, server):  # noqa: F811
    """A coroutine function that returns the Chat of a page that is not connected yet."""

    async def open_chat(**options):
        # A window that nobody gets after us: its clock is ours.
        tab = await new_tab(locale="en-GB", timezone_id="UTC", **options)
        await tab.page.clock.install(time=NOON)
        await tab.page.add_init_script(SOCKETS + NO_CHANCE)
        await tab.page.goto(server.url("/chat/hall/", "http"))
        await tab.page.clock.pause_at("2026-03-02T12:01:00+00:00")
        return Chat(tab)

    return open_chat


@pytest_asyncio.fixture(loop_scope="session")
async def chat(open_chat):
    chat = await open_chat()
    await chat.welcome()
    return chat


@check("wire", **CHAT)
async def test_it_says_whether_it_is_connected(chat):
    """Connected as whom, and what Enter does; lost with which code, and when the next try comes: it does come then."""
    await chat.expect_state("open", "connected as ann", "Enter sends.")
    await chat.end(1006)
    await chat.expect_state(
        "connecting",
        "reconnecting…",
        "The connection ended with 1006, lost or never accepted, without a close frame (is the server running? see its "
        "terminal): next try in 0.4 s. What you type stays.",
    )
    for pause in (375, 750, 1500, 3000, 6000, 7500, 7500):
        before = await chat.sockets()
        await chat.wait(pause - 1)
        assert await chat.sockets() == before, f"the next try should come after {pause} ms"
        await chat.wait(1)
        assert await chat.sockets() == before + 1, f"the next try should come after {pause} ms"
        await chat.end(1001)
    await expect(chat.hint).to_contain_text("next try in 7.5 s")
    await chat.wait(7500)
    await chat.welcome()
    await chat.expect_state("open", "connected as ann", "Enter sends.")
    await chat.end(1001)
    await expect(chat.hint).to_contain_text("next try in 0.4 s")


@check("wire", **CHAT)
async def test_a_first_try_that_fails_is_not_the_last(open_chat):
    """A page that finds no server tries again, after no longer a pause than one that has lost it."""
    chat = await open_chat()
    await chat.end(1006)
    await expect(chat.hint).to_contain_text("next try in 0.4 s")


@check("wire", **CHAT)
async def test_each_frame_has_its_line(chat):
    """Who said it and what, whether it is mine; who came and went; notices and errors. Other events are left alone."""
    await chat.hear(
        {"event": "from a later version"},
        message(1, "hello"),
        message(2, "hi", name="ann"),
        {"event": "join", "from": "cid"},
        {"event": "leave", "from": "cid"},
        {"event": "notice", "msg": "we close"},
        {"event": "error", "code": "no_msg", "detail": "no such key"},
    )
    assert [[part for part in line if not part.startswith("time:")] for line in await chat.lines()] == [
        ["message", "line", "who: bob", "said: hello"],
        ["message", "line own", "who: you", "said: hi"],
        ["join", "line", "who: cid", "said: has come"],
        ["leave", "line", "who: cid", "said: has gone"],
        ["notice", "line", "who: notice", "said: we close"],
        ["error", "line", "who: not sent", "said: no such key"],
    ]
    await expect(chat.log.locator("> *").first).to_have_text(re.compile("^bob hello( 12:00)?$"))


@check("wire", **CHAT)
async def test_the_log_does_not_grow_without_end(chat):
    """The last 500 lines are kept."""
    await chat.hear(*(message(number) for number in range(1, KEPT_IN_THE_LOG + 1)))
    lines = chat.log.locator("> *")
    await expect(lines).to_have_count(KEPT_IN_THE_LOG)
    await chat.hear(message(KEPT_IN_THE_LOG + 1), message(KEPT_IN_THE_LOG + 2))
    await expect(lines).to_have_count(KEPT_IN_THE_LOG)
    await expect(lines.first).to_contain_text("message 3.")
    await expect(lines.last).to_contain_text(f"message {KEPT_IN_THE_LOG + 2}.")


@check("wire", **CHAT)
async def test_the_log_follows_who_reads_at_its_end(chat):
    """The newest line is in sight, unless one has scrolled up to read."""
    await chat.hear(*(message(number) for number in range(1, 60)))
    assert await chat.log.evaluate(FROM_END) < 1
    await chat.log.evaluate("(log) => (log.scrollTop -= 100)")
    before = await chat.log.evaluate("(log) => log.scrollTop")
    assert before > 100, "there is nothing to scroll, so this says nothing"
    await chat.hear(message(60))
    assert await chat.log.evaluate("(log) => log.scrollTop") == before
    # A finger seldom stops at the very end.
    await chat.log.evaluate("(log) => (log.scrollTop = log.scrollHeight - log.clientHeight - 30)")
    await chat.hear(message(61))
    assert await chat.log.evaluate(FROM_END) < 1


@check("wire", **CHAT)
async def test_only_what_can_be_sent_is(open_chat):
    """Before the welcome nothing is sent and the text stays; spaces are nothing; what is sent leaves the field free."""
    chat = await open_chat()
    await chat.field.evaluate("(field) => { field.closest('form').hidden = false; }")
    await chat.say("too soon")
    assert await chat.sent() == []
    await expect(chat.field).to_have_value("too soon")
    await chat.welcome()
    await chat.field.fill("  ")
    await chat.button.click()
    assert await chat.sent() == []
    await chat.field.fill("now ")
    await chat.button.click()
    assert await chat.sent() == [{"msg": "now "}]
    await expect(chat.field).to_have_value("")
    await expect(chat.field).to_be_focused()
    await chat.end(1006)
    await chat.say("too late")
    assert await chat.sent() == [{"msg": "now "}]
    await expect(chat.field).to_have_value("too late")


@check("wire", **CHAT)
async def test_what_nobody_has_confirmed_is_told(chat):
    """What was sent and has not come back may be lost with the connection: that is told, once."""
    for text in ("one", "two", "three"):
        await chat.say(text)
    await chat.hear(message(1, "two", name="ann"))
    # Another's message confirms nothing.
    await chat.hear(message(2, "three", name="bob"))
    await chat.end_and_come_back()
    await chat.end(1006)
    lines = await chat.lines()
    assert [line for line in lines if line[0] == "error"] == [
        ["error", "line", "who: lost?", "said: Nobody has confirmed “one”."],
        ["error", "line", "who: lost?", "said: Nobody has confirmed “three”."],
    ]


@check("wire", **STORED)
async def test_the_history_confirms_what_was_sent(chat):
    """What the history shows after a reconnect was not lost: the warning goes. The rest can be said again."""
    await chat.say("one")
    await chat.say("two")
    await chat.end_and_come_back()
    await chat.hear({"event": "history", "messages": [message(1, "two", name="ann")]})
    assert await chat.said() == ["lost?: Nobody has confirmed “one”.", "you: two"]
    await chat.say("one")
    await chat.hear(message(2, "one", name="ann"))
    assert await chat.said() == ["you: two", "you: one"]


@check("wire", **STORED)
async def test_each_message_is_shown_once_in_its_place(chat):
    """A message that comes twice is shown once; one that was overtaken goes to its place, whatever stands between."""
    await chat.hear(
        {"event": "history", "messages": [message(2), message(9)]},
        {"event": "join", "from": "cid"},
        message(11),
        message(10),
        message(9),
        message(1),
        message(2),
    )
    assert await chat.said() == [
        "bob: message 1.",
        "bob: message 2.",
        "bob: message 9.",
        "cid: has come",
        "bob: message 10.",
        "bob: message 11.",
    ]


@check("wire", **STORED)
async def test_what_came_since_is_asked_for(chat):
    """A page that has seen a history asks for what came since, and for the last 50 again; one that has not, for all."""

    async def asked():
        return (await chat.page.evaluate("sockets.at(-1).url")).partition("?")[2]

    assert await asked() == ""
    await chat.hear(message(7))
    await chat.end_and_come_back()
    assert await asked() == "", "the history has not come yet"
    await chat.hear({"event": "history", "messages": []})
    await chat.end_and_come_back()
    assert await asked() == "after=0"
    await chat.hear(*(message(number) for number in range(101, 150)))
    await chat.end_and_come_back()
    assert await asked() == "after=7"
    await chat.hear(message(150))
    await chat.end_and_come_back()
    assert await asked() == "after=101"


@check("wire", **STORED)
async def test_today_needs_no_date(chat):
    """A message of today has its time, an older one its date, too; each as the reader writes it."""
    await chat.hear(message(1, at="2026-03-01T23:59:00+00:00"), message(2, at="2026-03-02T00:00:00+00:00"))
    times = chat.log.locator("time")
    await expect(times).to_have_text(["1 Mar 2026, 23:59", "00:00"])
    await expect(times.first).to_have_attribute("datetime", "2026-03-01T23:59:00+00:00")
    await expect(chat.log.locator("> *").last).to_have_text("bob message 2. 00:00")
    # A line that is none of the conversation's has none.
    await chat.hear({"event": "join", "from": "cid"})
    await expect(times).to_have_count(2)


@check("wire", **STORED)
async def test_what_was_refused_goes_back(chat):
    """What the server refuses is back in the field, unless something else has begun there; then the line holds it."""
    refusal = {"event": "error", "code": "too_many", "detail": "Too fast."}
    await chat.say("one")
    await chat.say("two")
    await chat.hear(refusal)
    await expect(chat.field).to_have_value("two")
    await chat.hear(refusal)
    await expect(chat.field).to_have_value("two")
    # Of nothing that we have said: it is about a frame that no reader has written.
    await chat.hear(refusal)
    assert await chat.said() == [
        "not sent: Too fast.",
        "not sent: Too fast. It was: “one”",
        "not sent: Too fast.",
    ]
    # What may be lost was not refused.
    await chat.say("three")
    await chat.end_and_come_back()
    await chat.hear(refusal)
    assert (await chat.said())[-1] == "not sent: Too fast."
    await expect(chat.field).to_have_value("")
