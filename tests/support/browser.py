"""A real browser for the pages: Playwright drives a Chromium that is installed on this machine."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from tests.support.timeline import LONGEST_PAYLOAD, shorten

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
# It is to talk to the server under test and to nobody else.
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # All pages of a window in one process: to start one costs as much as to load a page.
    "--renderer-process-limit=1",
)
# Milliseconds that a page may take for what is expected of it, and a control until it can be used.
PATIENCE = {"expected": 5_000, "usable": 30_000}
# A pulse would be drawn sixty times a second, all the while that a check waits.
USUAL = {"viewport": {"width": 1000, "height": 800}, "reduced_motion": "reduce"}


def find_chromium():
    """Return the path of the browser: what $CHROMIUM names, or an installed Chromium, Chrome or Edge, or None."""
    if named := os.environ.get("CHROMIUM"):
        return named
    found = filter(None, map(shutil.which, NAMES))
    return next(found, None) or next((place for place in PLACES if Path(place).exists()), None)


@contextlib.asynccontextmanager
async def open_browser(path):
    """Start the browser at `path`, headless, and close it at the end."""
    from playwright.async_api import async_playwright

    # Chromium's sandbox does not work for root, which is what a container usually runs as.
    as_root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *as_root])
        yield browser
        await browser.close()


class Windows:
    """The windows of a browser, which share no cookies. One that is done with is cleared, and used again."""

    def __init__(self, browser):
        self.browser = browser
        self.idle = []

    @contextlib.asynccontextmanager
    async def open(self, **options):
        """Open a window, a Playwright context, as nobody's yet; `options` are what is unusual about it."""
        if options:
            async with await self._new(**options) as window:
                yield window
            return
        window = self.idle.pop() if self.idle else await self._new_to_keep()
        yield window
        await self._clear(window)
        self.idle.append(window)

    async def _new(self, **options):
        window = await self.browser.new_context(**USUAL | options)
        window.set_default_timeout(PATIENCE["usable"])
        return window

    async def _new_to_keep(self):
        window = await self._new()
        # Always there and always empty, so that the window's process does not end with its last page.
        await window.new_page()
        return window

    async def _clear(self, window):
        empty, *pages = window.pages
        for page in pages:
            await page.close()
        devtools = await window.new_cdp_session(empty)
        await devtools.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
        await devtools.send("Network.clearBrowserCache")
        await devtools.detach()


# A socket that never gets as far as a handshake is not reported by the browser, so the page itself tells.
TELL_SOCKETS = """
  const NativeWebSocket = window.WebSocket;
  window.WebSocket = class WebSocket extends NativeWebSocket {
    constructor(...words) { super(...words); console.debug(`WebSocket ${this.url}`); }
  };
"""


async def watch(page, timeline):
    """Tell the timeline what the page does: addresses, sockets and their frames, the console."""

    def tell(text):
        timeline.add("browser", shorten(text))

    def on_console(message):
        tell(message.text if message.type == "debug" else f"{message.type}: {message.text}")

    def on_socket(socket):
        socket.on("framesent", lambda frame: tell(f"→ {shorten(frame)}"))
        socket.on("framereceived", lambda frame: tell(f"← {shorten(frame)}"))

    def on_error(error):
        # Twice as long as a frame may be: the place comes first.
        timeline.add("browser", shorten(f"script error: {told_of(error)}", 2 * LONGEST_PAYLOAD))

    page.on("pageerror", on_error)
    page.on("console", on_console)
    page.on("requestfailed", lambda request: tell(f"failed: {request.url}"))
    page.on("framenavigated", lambda frame: tell(f"page {frame.url}"))
    page.on("websocket", on_socket)
    await page.add_init_script(TELL_SOCKETS)


def told_of(error):
    """Return where a page's script failed, as far as the browser tells, and at what."""
    place = re.search(r"/static/([^\s?:]+)[^\s:]*:(\d+):\d+", error.stack or "")
    return f"{place[1]}, line {place[2]}: {error.message}" if place else error.message


def expect(locator):
    """Return Playwright's assertions about `locator`, each of which waits until it holds."""
    # Imported late: who leaves the browser out does not wait for Playwright either.
    from playwright.async_api import expect

    expect.set_options(timeout=PATIENCE["expected"])
    return expect(locator)
