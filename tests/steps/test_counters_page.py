"""The page's experiment with three counters, in a real Chromium, without a server's help: the check is the server."""

import re

import pytest
import pytest_asyncio

from tests.support.browser import expect
from tests.support.puppet import SOCKETS
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Nothing here depends on the consumer: one card of each page is enough.
COUNTING = {"gs2": {"/ws/sc/count/": KEPT}, "gs3": {"/ws/ac/count/": KEPT}}
# When the second and the last number of each of three counts to 3 come, in seconds, and what is made of it.
VERDICTS = {
    ((1, 2), (1, 3), (1.9, 9)): "Side by side: 2.0 s for the first, 9.0 s for all three.",
    ((1, 2), (1, 3), (2, 9)): "Partly side by side: 2.0 s for the first, 9.0 s for all three."
    " Is there more than one server process?",
    ((3, 4), (1, 2), (2, 3)): "One after another: 2.0 s for the first, 4.0 s for all three.",
    ((1, 2), (1.9, 3), (3, 4)): "Partly side by side: 2.0 s for the first, 4.0 s for all three."
    " Is there more than one server process?",
    ((1, 2), (2, 3), (2.9, 4)): "Partly side by side: 2.0 s for the first, 4.0 s for all three."
    " Is there more than one server process?",
}


class Card:
    """The experiment on the page; its time stands still unless `wait` is called."""

    def __init__(self, page, path):
        self.page = page
        self.root = page.locator(f'.counters[data-path="{path}"]')
        self.verdict = self.root.locator(".verdict")

    async def begin(self, last):
        """Open three sockets that are to count to `last`."""
        await self.page.evaluate("window.sockets.length = 0")
        await self.root.get_by_label("Count to").fill(str(last))
        await self.root.locator("form").evaluate("(form) => form.requestSubmit()")

    async def open_all(self):
        await self.page.evaluate("sockets.forEach((socket) => socket.open())")

    async def wait(self, seconds):
        await self.page.clock.run_for(round(seconds * 1000))

    async def drawn(self):
        """Return until when the lanes are drawn, and how long the scale is, in seconds."""
        style = "(lanes) => ['--now', '--span'].map((name) => Number(lanes.style.getPropertyValue(name)))"
        return await self.root.locator(".lanes").evaluate(style)


@pytest_asyncio.fixture(loop_scope="session")
async def card(new_page, server, case):
    # A window that nobody gets after us: its clock is ours.
    page = await new_page(locale="en-GB")
    await page.clock.install(time=0)
    await page.add_init_script(SOCKETS)
    await page.goto(server.url("/", "http"))
    await page.clock.pause_at(10_000)
    return Card(page, case.route)


@check("wire", **COUNTING)
async def test_the_experiment_tells_what_it_does(card):
    """All three open before they are told the number; the lanes are drawn as time goes by, to the pace of the first."""
    await card.begin(5)
    await expect(card.verdict).to_have_text("Opening three sockets…")
    await card.page.evaluate("sockets[0].open(); sockets[1].open()")
    assert await card.page.evaluate("sockets.map((socket) => socket.sent)") == [[], [], []]
    await card.page.evaluate("sockets[2].open()")
    await expect(card.verdict).to_have_text("All three are open and told “5”.")
    assert await card.page.evaluate("sockets.map((socket) => socket.sent)") == [["5"], ["5"], ["5"]]
    lines = card.root.locator(".lanes li p")
    await expect(card.root.locator(".lanes li")).to_have_text([f"socket {number} waiting" for number in (1, 2, 3)])
    box = await card.root.locator(".track").first.bounding_box()
    assert box["width"] > 100, f"{box} is no room for numbers"
    assert box["height"] > 20, f"{box} is no room for numbers"
    # Numbers without their places would only be noise in a screen reader.
    await expect(card.root.locator('.track[aria-hidden="true"]')).to_have_count(3)
    await card.wait(2)
    now, span = await card.drawn()
    assert 1.8 < now <= 2, "the lanes are drawn as time goes by"
    assert span == 15, "before the first number a second is taken for each"
    await card.page.evaluate("sockets[0].hear('1')")
    await card.wait(1)
    await card.page.evaluate("sockets[0].hear('2')")
    await expect(lines.first).to_have_text("socket 1 first number after 2.0 s, last after 3.0 s")
    await card.wait(0.1)
    assert (await card.drawn())[1] == 30, "three counts of five numbers, two seconds each"
    await expect(card.root.locator(".span")).to_have_text("30.0 s")


@check("wire", **COUNTING)
async def test_the_experiment_judges(card):
    """Side by side, one after another, or neither: each in words, with the figures."""
    for counts, verdict in VERDICTS.items():
        await card.begin(3)
        await card.open_all()
        now = 0
        # The first number tells nothing yet: all of them come at once.
        numbers = [(at, who, text) for who, count in enumerate(counts) for text, at in enumerate((0, *count), 1)]
        for at, who, text in sorted(numbers):
            await card.wait(at - now)
            await card.page.evaluate(f"sockets[{who}].hear('{text}')")
            now = at
        await expect(card.verdict).to_have_text(verdict)
        await expect(card.root.locator(".lanes li")).to_have_count(3)
        assert await card.page.evaluate("sockets.map((socket) => socket.closes)") == [[1000]] * 3
    drawn = await card.drawn()
    await card.wait(1)
    assert await card.drawn() == drawn, "it goes on drawing after the end"


@check("wire", **COUNTING)
async def test_the_experiment_says_why_it_ended(card):
    """A handshake that fails, a socket that is closed, an error: each ends it, and is told by the socket's number."""
    await card.begin(5)
    await card.page.evaluate("sockets[1].end(1006)")
    await expect(card.verdict).to_have_text(
        "Socket 2 was not accepted. Is the server running, or does a sync counter still keep its thread?"
    )
    await card.begin(5)
    await card.open_all()
    await card.page.evaluate("sockets[2].end(1011)")
    await expect(card.verdict).to_have_text(
        re.compile(r"^Ended early: socket 3 was closed with code 1011: the server failed.*\.$")
    )
    # And anew: what was told before must not be taken for this run's.
    await card.begin(5)
    await card.page.evaluate("sockets[0].end(1006)")
    await expect(card.verdict).to_have_text(re.compile("^Socket 1 was not accepted"))
    await card.begin(5)
    await card.open_all()
    await card.page.evaluate("sockets[0].hear('error: a number from 1 to 100')")
    await expect(card.verdict).to_have_text("Socket 1 got “error: a number from 1 to 100”")


@check("wire", **COUNTING)
async def test_one_experiment_at_a_time(card):
    """While it runs it cannot be begun again; of many numbers the lanes leave out the figures; one has no order."""
    await card.begin(1)
    assert await card.page.evaluate("sockets.length") == 0
    for last, is_many in ((5, False), (6, True)):
        await card.begin(last)
        await card.root.locator("form").evaluate("(form) => form.requestSubmit()")
        assert await card.page.evaluate("sockets.length") == 3
        assert await card.root.locator(".lanes.many").count() == is_many
        await card.root.get_by_role("button", name="Stop").click()
        await expect(card.verdict).to_have_text("Stopped: the three sockets are closed.")
