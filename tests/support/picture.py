"""Takes the pictures in README.md: `python -m tests.support.picture`."""

import asyncio

from tests.support.browser import find_chromium, open_browser
from tests.support.server import ROOT, Server

FOLDER = ROOT / "notes" / "images"
SIZE = {"width": 720, "height": 1180}


async def take(browser, url, scheme):
    page = await browser.new_page(viewport=SIZE, color_scheme=scheme)
    await page.goto(url)
    panel, counters = page.locator(".panel"), page.locator(".counters")
    await panel.get_by_role("button", name="Connect").click()
    await panel.locator('[data-state="open"]').wait_for()
    for how in ("text", "bytes"):
        await panel.get_by_label("Message").fill("hello")
        await panel.locator(f'button[value="{how}"]').click()
    await counters.get_by_role("button", name="Open three counters").click()
    await counters.locator(".verdict", has_text="One after another").wait_for()
    await page.screenshot(path=FOLDER / f"gs2-{scheme}.png", full_page=True)
    await page.close()


async def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Server(ROOT / "gs2_sync_consumer", "daphne", "gs2.asgi:application") as server:
        async with open_browser(find_chromium()) as browser:
            for scheme in ("light", "dark"):
                await take(browser, server.url("/", "http"), scheme)


if __name__ == "__main__":
    asyncio.run(main())
