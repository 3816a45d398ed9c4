"""gs7: what the page makes of its stream of events, in a real Chromium. Here the check is the server."""

import pytest
import pytest_asyncio

from tests.support.browser import expect
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PAGE = {"gs7": {"/": KEPT}}
# A stream that does what the check says, and knows whether the page has closed it.
SOURCE = """
  window.EventSource = class extends EventTarget {
    static CLOSED = 2;
    readyState = 0;
    isClosed = false;
    constructor(url) {
      super();
      this.url = url;
      window.source = this;
    }
    close() { this.isClosed = true; }
  };
"""


class Stream:
    """The page's stream of events."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".stream")
        self.listen = self.root.get_by_role("button", name="Listen")
        self.stop = self.root.get_by_role("button", name="Stop")

    async def happens(self, event):
        await self.page.evaluate(f"source.dispatchEvent({event})")

    async def expect_state(self, state, words, hint):
        await expect(self.root.locator("[data-state]")).to_have_attribute("data-state", state)
        await expect(self.root.locator("[data-state]")).to_have_text(words)
        await expect(self.root.locator(".hint")).to_have_text(hint)
        # One of the two can be pressed.
        is_on = state in ("connecting", "open")
        await expect(self.listen).to_be_enabled(enabled=not is_on)
        await expect(self.stop).to_be_enabled(enabled=is_on)


@pytest_asyncio.fixture(loop_scope="session")
async def stream(new_page, server):
    page = await new_page()
    await page.add_init_script(SOURCE)
    await page.goto(server.url("/", "http"))
    return Stream(page)


@check("wire", **PAGE)
async def test_the_stream_says_what_it_does(stream):
    """Asked for, begun, ended and asked for again, stopped: each in words; what comes is shown, and can be cleared."""
    await stream.listen.click()
    assert await stream.page.evaluate("source.url") == await stream.root.get_attribute("data-path")
    await stream.expect_state("connecting", "connecting…", "The request is on its way.")
    await stream.happens('new Event("open")')
    await stream.expect_state("open", "listening", "The response has begun. It ends when you stop, or the server does.")
    await stream.happens('new MessageEvent("message", { data: "hello" })')
    line = stream.root.locator(".frames li")
    await expect(line.locator(".payload")).to_have_text("hello")
    await expect(line).to_have_attribute("data-direction", "received")
    await expect(line).to_have_attribute("data-kind", "text")
    await stream.happens('new Event("error")')
    await stream.expect_state(
        "connecting",
        "reconnecting…",
        "The response has ended. The browser asks again, and says which message was its last.",
    )
    await stream.stop.click()
    assert await stream.page.evaluate("source.isClosed")
    await stream.expect_state("idle", "not listening", "Stopped: the browser has closed the connection.")
    await stream.root.locator(".clear").click()
    await expect(line).to_have_count(0)


@check("wire", **PAGE)
async def test_a_refused_stream_is_told_apart(stream):
    """An answer that is no stream ends it: the browser does not ask again, and the page says so."""
    await stream.listen.click()
    await stream.page.evaluate("source.readyState = 2")
    await stream.happens('new Event("error")')
    await stream.expect_state(
        "closed", "refused", "The answer was no event stream. See the server's terminal for its status."
    )
