"""The step's page, in a real Chromium: what a newcomer sees and does."""

import itertools
import re
import time

import pytest
import pytest_asyncio

from tests.steps.conftest import COUNT_INTERVAL
from tests.support.browser import expect
from tests.support.puppet import OPENING, SOCKETS
from tests.support.server import Server
from tests.tasks import EVERY_STEP, KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ANSWERING = {"gs2": {"/ws/sc/": KEPT}, "gs3": {"/ws/ac/": KEPT}}
CHATTING = {step: {"/ws/sc/": KEPT, "/ws/ac/": KEPT} for step in ("gs4", "gs5")}
ASYNC_ONLY = {"gs6": {"/ws/ac/lobby/": KEPT}}
GENERIC = {"gs7": {f"/ws/{via}/lobby/": KEPT for via in ("wsc", "awsc", "jwc", "ajwc")}}
# What does not depend on the consumer is checked with one.
ONE_GENERIC = {"gs7": {"/ws/wsc/lobby/": KEPT}}
ALL = {step: {"/ws/sc/": KEPT} for step in EVERY_STEP} | ASYNC_ONLY | ONE_GENERIC
# What the page says that a close code means.
MEANINGS = {
    1000: "normal end",
    1001: "going away",
    1005: "without a code",
    1006: "lost",
    1009: "too big",
    1011: "the server failed",
    4321: "does not know",
}
OWN_MEANINGS = {
    4000: ("bye", {"gs1", "gs2", "gs3"}),
    4013: ("try again later", {"gs4", "gs5", "gs6", "gs7"}),
    4401: ("not logged in", {"gs6", "gs7"}),
    4403: ("private", {"gs6", "gs7"}),
    4406: ("subprotocol", {"gs7"}),
}
# As Firefox after a reload: it keeps what was disabled, and a connection was open. Deferred scripts run after this.
RELOADED = """
  document.addEventListener(
    "readystatechange",
    () => {
      for (const button of document.querySelectorAll(".connect")) button.disabled = true;
      for (const button of document.querySelectorAll(".close, form button")) button.disabled = false;
    },
    { once: true },
  );
"""
# What comes, as JavaScript, and how the page shows it: whole as long as it is short.
SHOWN = {
    "''": "(empty)",
    "'x'.repeat(300)": "x" * 300,
    "'x'.repeat(301)": "x" * 300 + "… (301 characters)",
    "'😀'.repeat(1001)": "😀" * 300 + "… (1,001 characters)",
    "new ArrayBuffer(0)": "(empty)",
    "new Uint8Array([7]).buffer": "07 · 1 byte",
    "new Uint8Array([1, 10, 255]).buffer": "01 0a ff · 3 bytes",
    "new Uint8Array(48).buffer": " ".join(["00"] * 48) + " · 48 bytes",
    "new Uint8Array(49).buffer": " ".join(["00"] * 48) + " … · 49 bytes",
    "new Uint8Array(2000).buffer": " ".join(["00"] * 48) + " … · 2,000 bytes",
}
KEPT_IN_THE_LOG = 200
# A line of the log: the time to the millisecond, and the rest.
LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} (.*)", re.DOTALL)
# What a counter of the experiment tells of itself.
LANE = re.compile(r"socket (\d) first number after (\d+\.\d) s, last after (\d+\.\d) s")
HTML = "<img src=x onerror=\"document.title='broken'\">"

# The contrast of an element's text with what is behind it, by the formula of WCAG 2.
CONTRAST = """
(element) => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = rgb(color).map((v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
  const background = behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)";
  const [a, b] = [light(getComputedStyle(element).color), light(background)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}
"""


async def expect_contrast(locator):
    """Assert that the text of each element that can be seen stands out from its ground."""
    visible = "all.filter((element) => element.checkVisibility() && element.textContent.trim())"
    contrasts = await locator.evaluate_all(f"(all) => {visible}.map((e) => [({CONTRAST})(e), e.textContent])")
    assert len(contrasts) > 5
    for contrast, text in contrasts:
        assert contrast >= 4.5, f"{text!r} has a contrast of {contrast:.1f} to 1"


# Each control's name, and its HTML.
NAMES = "(all) => all.map((e) => [e.textContent.trim() || e.labels?.[0]?.textContent.trim(), e.outerHTML])"


async def reached_by_tab(page, controls, presses):
    """Press Tab so often; return which of `controls`, an array in JavaScript, had the focus, by their numbers."""
    await page.evaluate(
        f"""() => {{
          window.reached = [];
          document.addEventListener("focusin", (event) => reached.push({controls}.indexOf(event.target)));
        }}"""
    )
    for _ in range(presses):
        await page.keyboard.press("Tab")
    return set(await page.evaluate("reached"))


class Panel:
    """One socket on the page."""

    def __init__(self, page, path):
        self.root = page.locator(f'.panel[data-path="{path}"]')
        self.state = self.root.locator("[data-state]")
        self.frames = self.root.locator(".frames li")

    async def connect(self):
        await self.root.locator("button.connect").click()
        await self.expect_state("open")

    async def expect_state(self, state, within=None):
        await expect(self.state).to_have_attribute("data-state", state, timeout=within)

    async def send(self, text, how="text"):
        await self.root.get_by_label("Message").fill(text)
        await self.root.locator(f'button[value="{how}"]').click()

    async def tone(self):
        """Return the colour of the dot beside the state."""
        return await self.state.evaluate("(state) => getComputedStyle(state, '::before').borderTopColor")

    async def expect_last(self, direction, kind, payload):
        last = self.frames.last
        await expect(last.locator(".payload")).to_have_text(payload)
        await expect(last).to_have_attribute("data-direction", direction)
        await expect(last).to_have_attribute("data-kind", kind)


@pytest.fixture
def panel(page, case):
    return Panel(page, case.route)


@pytest.fixture
def open_puppet(new_page, server, case):
    """A coroutine function that returns the panel of a page that talks to no server: its socket does what we say.

    It takes what new_page takes.
    """

    async def open_puppet(**options):
        page = await new_page(**options)
        await page.add_init_script(OPENING)
        await page.goto(server.url("/", "http"))
        return Panel(page, case.route)

    return open_puppet


@pytest_asyncio.fixture(loop_scope="session")
async def puppet(open_puppet):
    return await open_puppet()


@check("wire", gs1={"/ws/sc/": KEPT})
async def test_the_page_shows_the_wait(new_page, server, case):
    """The page says that the server has got websocket.connect and nobody answered, how long, and what happens then."""
    # A window that nobody gets after us: its clock is ours.
    page = await new_page(locale="en-GB")
    await page.clock.install()
    await page.goto(server.url("/", "http"))
    panel = Panel(page, case.route)
    # It is the wait that counts, not how long the page has been there.
    await page.clock.run_for(60_000)
    await page.get_by_role("button", name="Open the WebSocket").click()
    await panel.expect_state("connecting")
    await expect(panel.root.locator(".clock")).to_have_text(re.compile(r"^\d+\.\d s$"))
    await expect(panel.root).to_contain_text("websocket.connect")
    await expect(panel.root).to_contain_text("Nobody has answered")
    await panel.expect_state("closed", within=10_000)
    await expect(panel.state).to_contain_text("1006")
    await expect(panel.root).to_contain_text("gs2")
    took = re.search(r"(\d+\.\d) s", await panel.root.locator(".hint").text_content())
    # Roughly: a clock that is ours goes slower on a busy machine.
    assert 1 < float(took[1]) < 30, f"the server waits for five seconds, the page says {took[1]}"
    await page.clock.run_for(1000)
    await expect(panel.root.locator(".clock")).to_be_empty()


@check("wire", gs1={"/ws/sc/": KEPT})
async def test_the_wait_can_be_given_up(page, panel):
    """Who does not want to wait gives up, and can try again."""
    for _ in range(2):
        await page.get_by_role("button", name="Open the WebSocket").click()
        await panel.expect_state("connecting")
        await panel.root.get_by_role("button", name="Close").click()
        await panel.expect_state("closed")
        await expect(panel.root.locator(".hint")).to_have_text(
            re.compile(r"^You gave up after \d+\.\d s, before the server")
        )


@check("wire", gs1={"/ws/sc/": KEPT})
async def test_what_is_refused_at_once_is_told_apart(new_page, server, case):
    """A handshake that fails at once is not one that nobody answers, and not one that was given up before."""
    page = await new_page(locale="en-GB")
    await page.clock.install(time=0)
    await page.add_init_script(SOCKETS)
    await page.goto(server.url("/", "http"))
    await page.clock.pause_at(60_000)
    panel = Panel(page, case.route)
    connect, close = (panel.root.locator(f"button.{name}") for name in ("connect", "close"))
    for seconds, hint in (
        (0, r"^You gave up after 0\.0 s, before"),
        (0.9, r"^The handshake failed after 0\.9 s\. Is the server"),
        (1.1, r"^The handshake was given up after 1\.1 s, because nobody answered"),
    ):
        await connect.click()
        if not seconds:
            await close.click()
        await page.clock.run_for(round(seconds * 1000))
        await page.evaluate("sockets.at(-1).end(1006)")
        await expect(panel.root.locator(".hint")).to_have_text(re.compile(hint))


@check("wire", **ALL)
async def test_after_a_reload_it_begins_anew(new_page, server, case):
    """After a reload nothing is connected: the socket can be opened, and there is none to close."""
    page = await new_page()
    await page.add_init_script(RELOADED)
    await page.goto(server.url("/", "http"))
    root = Panel(page, case.route).root
    await expect(root.locator("button.connect")).to_be_enabled()
    await expect(root.locator("button.close")).to_be_disabled()


@check("wire", **ANSWERING)
async def test_it_talks(panel):
    """Text and bytes go out and come back, each with direction, time and payload."""
    await panel.connect()
    await panel.root.get_by_label("Message").fill("hello")
    await panel.root.get_by_label("Message").press("Enter")
    await panel.expect_last("received", "text", "Message from server: hello")
    await panel.send("aé", how="bytes")
    await panel.expect_last("received", "binary", "61 c3 a9 · 3 bytes")
    await expect(panel.root.locator(".spoken")).to_have_text("received: 61 c3 a9 · 3 bytes")
    lines = [LINE.fullmatch(text) for text in await panel.frames.all_text_contents()]
    assert [line and line[1] for line in lines[1:]] == [
        "· event open the server has accepted",
        "→ sent text hello",
        "← received text Message from server: hello",
        "→ sent bytes 61 c3 a9 · 3 bytes",
        "← received bytes 61 c3 a9 · 3 bytes",
    ]
    looks = await panel.frames.locator("time, span.direction, span.kind, span.payload").count()
    assert looks == 4 * len(lines), "each line has a time, a direction, a kind and a payload, which look different"
    kinds = await panel.frames.evaluate_all("(all) => all.map(({ dataset }) => [dataset.direction, dataset.kind])")
    assert kinds[:3] == [["event", "handshake"], ["event", "open"], ["sent", "text"]]
    assert kinds[4] == ["sent", "binary"]
    await panel.root.locator(".clear").click()
    await expect(panel.frames).to_have_count(0)


@check("wire", **{step: routes for step, routes in ALL.items() if step != "gs1"})
async def test_what_is_sent_says_what_it_is(puppet):
    """The log tells text from bytes; both can be sent."""
    await puppet.connect()
    await puppet.send("aé")
    await puppet.expect_last("sent", "text", "aé")
    await puppet.send("aé", how="bytes")
    await puppet.expect_last("sent", "binary", "61 c3 a9 · 3 bytes")


@check("wire", **ANSWERING)
async def test_the_next_word_replaces_the_last_one(panel):
    """Enter leaves the word that was sent chosen: who types on writes another one, who presses Enter sends it again."""
    await panel.connect()
    message = panel.root.get_by_label("Message")
    await message.fill("one")
    await message.press("Enter")
    await message.press("Enter")
    await panel.root.page.keyboard.type("two")
    await message.press("Enter")
    await panel.expect_last("received", "text", "Message from server: two")
    sent = panel.root.locator('.frames li[data-direction="sent"] .payload')
    assert await sent.all_text_contents() == ["one", "one", "two"]


@check("wire", **ANSWERING)
async def test_what_cannot_go_is_not_sent(new_page, server, case):
    """Enter sends nothing, and the log says nothing of it, when there is no socket yet or it is about to close."""
    page = await new_page()
    for script in (OPENING, RELOADED):
        await page.add_init_script(script)
    await page.goto(server.url("/", "http"))
    panel = Panel(page, case.route)
    await panel.send("too soon")
    await panel.root.locator("button.connect").evaluate("(button) => (button.disabled = false)")
    await panel.connect()
    await page.evaluate("sockets[0].readyState = WebSocket.CLOSING")
    await panel.send("too late")
    await page.evaluate("sockets[0].end(1000)")
    await panel.expect_last("event", "close", re.compile("^1000"))
    await expect(panel.root.locator('.frames li[data-direction="sent"]')).to_have_count(0)


@check("wire", **ANSWERING)
async def test_text_is_never_html(page, panel):
    """Text from a socket is shown as text."""
    await panel.connect()
    await panel.send(HTML)
    await panel.expect_last("received", "text", f"Message from server: {HTML}")
    await expect(page.locator(".panel img")).to_have_count(0)
    assert "broken" not in await page.title()


@check("wire", **ANSWERING)
async def test_the_close_code_is_explained(panel):
    """After "bye" the page says 4000 and what that means; it can connect again."""
    await panel.connect()
    await panel.root.get_by_role("button", name="Send bye").click()
    await panel.expect_state("closed")
    await expect(panel.state).to_contain_text("4000")
    await expect(panel.root.locator(".hint")).to_contain_text("bye")
    # The button that she pressed cannot be pressed any more: the keyboard goes on beside it.
    await expect(panel.root.locator("button.connect")).to_be_focused()
    await panel.connect()
    await panel.send("again")
    await panel.expect_last("received", "text", "Message from server: again")
    message = panel.root.get_by_label("Message")
    await message.fill("bye")
    await message.press("Enter")
    await panel.expect_state("closed")
    # Who writes goes on writing where she was.
    await expect(message).to_be_focused()


@check("wire", **ALL)
async def test_each_close_code_has_its_meaning(puppet, case):
    """The page says in words what the codes of the protocol and the step's own mean, and of others that it cannot."""
    own = {code: meaning for code, (meaning, steps) in OWN_MEANINGS.items() if case.step in steps}
    tones = {}
    for code, meaning in (MEANINGS | own).items():
        await puppet.connect()
        # Some of them no server can send: they say that there was no close frame, or none with a code.
        await puppet.root.page.evaluate(f"sockets.at(-1).end({code})")
        await expect(puppet.root.locator(".hint")).to_have_text(re.compile(f"^{code}: .*{meaning}"))
        await puppet.expect_last("event", "close", re.compile(f"^{code} · .*{meaning}"))
        tones.setdefault(await puppet.tone(), set()).add(code)
    as_it_should_be = {1000, 4000} & (MEANINGS | own).keys()
    assert as_it_should_be in tones.values(), f"an end that was wanted looks like no other: {tones}"
    assert len(tones) == 2


@check("wire", **ALL)
async def test_the_log_tells_how_it_began_and_ended(puppet, case):
    """The log begins with the handshake and its address, and ends with the close and the reason that came with it."""
    await puppet.connect()
    first = puppet.frames.first
    await expect(first).to_have_attribute("data-direction", "event")
    await expect(first).to_have_attribute("data-kind", "handshake")
    await expect(first.locator(".payload")).to_have_text(re.compile(f"ws://.*{re.escape(case.route)}$"))
    await puppet.root.get_by_role("button", name="Close").click()
    await puppet.expect_state("closing")
    await puppet.root.page.evaluate('sockets[0].end(1000, "good night")')
    await puppet.expect_last("event", "close", re.compile(r"^1000 · .* \(“good night”\)$"))


@check("wire", **ALL)
async def test_what_comes_can_be_read(open_puppet):
    """The log shows text as text and bytes as numbers, of long ones the beginning and how long they are.

    Numbers are written as in the lesson, whatever language the browser speaks.
    """
    puppet = await open_puppet(locale="de-DE")
    await puppet.connect()
    for data, shown in SHOWN.items():
        await puppet.root.page.evaluate(f"sockets[0].hear({data})")
        is_text = data.startswith("'")
        await puppet.expect_last("received", "text" if is_text else "binary", shown)
        await expect(puppet.frames.last).to_contain_text(f"← received {'text' if is_text else 'bytes'}")
    await puppet.root.page.clock.set_fixed_time("2026-01-02T03:04:05.007")
    await puppet.root.page.evaluate('sockets[0].hear("at seven thousandths")')
    await expect(puppet.frames.last).to_have_text(
        re.compile(r"^\d\d:\d\d:05\.007 ← received text at seven thousandths$")
    )


@check("wire", **ALL)
async def test_the_log_is_not_endless(puppet):
    """The log keeps the last 200 lines: a tab that is left open for a day does not grow."""
    await puppet.connect()
    each = "sockets[0].hear(`${number}`)"
    await puppet.root.page.evaluate(f"for (let number = 0; number <= {KEPT_IN_THE_LOG}; number++) {each}")
    await puppet.expect_last("received", "text", str(KEPT_IN_THE_LOG))
    await expect(puppet.frames).to_have_count(KEPT_IN_THE_LOG)
    await expect(puppet.frames.first.locator(".payload")).to_have_text("1")


@check("wire", **ALL)
async def test_who_reads_the_log_is_left_in_peace(puppet):
    """The log follows what comes, unless somebody has scrolled up to read."""
    log = puppet.root.locator(".frames")

    async def comes(text, times=1):
        each = f'sockets[0].hear("{text}")'
        await puppet.root.page.evaluate(f"for (let number = 0; number < {times}; number++) {each}")
        await puppet.expect_last("received", "text", text)

    is_at_end = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2"
    await puppet.connect()
    await comes("one of many", times=60)
    assert await log.evaluate("(log) => log.scrollHeight > log.clientHeight + 100"), "sixty lines need no scrolling"
    assert await log.evaluate(is_at_end), "the log has not followed"
    await log.evaluate("(log) => { log.scrollTop = 50; }")
    await comes("while she reads")
    assert await log.evaluate("(log) => log.scrollTop") == 50, "the log has moved under the reader"
    await log.evaluate("(log) => { log.scrollTop = log.scrollHeight; }")
    await comes("the last one")
    assert await log.evaluate(is_at_end), "the log has not followed again"


@check("wire", **ANSWERING)
async def test_nothing_can_be_sent_unless_it_is_open(panel):
    """The buttons that send are disabled before the connection is open and after it, and the page says why."""
    for connects in (panel.connect, None):
        for how in ("text", "bytes", "bye"):
            await expect(panel.root.locator(f'button[value="{how}"]')).to_be_disabled()
        await expect(panel.root).to_contain_text("not open")
        if connects:
            await connects()
            await expect(panel.root.locator(".reason")).to_have_text("Enter sends as text.")
            await panel.send("bye")
            await panel.expect_state("closed")


@check("wire", **ANSWERING)
async def test_two_tabs_are_apart(page, panel, case):
    """Two tabs have a connection each."""
    other_page = await page.context.new_page()
    await other_page.goto(page.url)
    other = Panel(other_page, case.route)
    await panel.connect()
    await other.connect()
    await panel.send("bye")
    await panel.expect_state("closed")
    await other.send("still here")
    await other.expect_last("received", "text", "Message from server: still here")


@check(
    gs2={"/ws/sc/": KEPT},
    gs3={"/ws/ac/": KEPT},
    gs4={"/ws/ac/": KEPT},
    gs5={"/ws/ac/": KEPT},
    gs7={"/ws/ajwc/lobby/": KEPT},
    **ASYNC_ONLY,
)
@pytest.mark.proof
async def test_the_server_is_stopped_and_started(new_page, project, case):
    """When the server goes the page says so, and when it is back it connects again."""
    with Server(project, "daphne", f"{case.step}.asgi:application") as server:
        page = await new_page()
        await page.goto(server.url("/", "http"))
        panel = Panel(page, case.route)
        await panel.connect()
        server.stop()
        await panel.expect_state("closed")
        await expect(panel.root.locator(".hint")).to_contain_text(re.compile("server", re.IGNORECASE))
        await panel.root.locator("button.connect").click()
        await panel.expect_state("closed")
        await expect(panel.root.locator(".hint")).to_have_text(
            re.compile(r"^The handshake failed after 0\.\d s\. Is the")
        )
        await panel.expect_last("event", "close", re.compile("^1006 "))
        await expect(panel.frames.nth(-2)).to_contain_text("· event error a script is not told why")
        server.start()
        server.wait()
        await panel.connect()


@check("wire", gs2={"/ws/sc/count/": KEPT}, gs3={"/ws/sc/count/": KEPT, "/ws/ac/count/": KEPT})
async def test_the_page_measures_three_counters(page, case):
    """The page measures that sync counters run one after another, and async ones side by side."""
    card = page.locator(f'.counters[data-path="{case.route}"]')
    last = 12
    await card.get_by_label("Count to").fill(str(last))
    began = time.monotonic()
    await card.get_by_role("button", name="Open three counters").click()
    expected = "One after another" if "/sc/" in case.route else "Side by side"
    await expect(card.locator(".verdict")).to_contain_text(expected)
    took = time.monotonic() - began
    await expect(card.locator(".track i")).to_have_count(3 * last)
    lanes = [LANE.fullmatch(text) for text in await card.locator(".lanes li p").all_text_contents()]
    assert [lane and lane[1] for lane in lanes] == ["1", "2", "3"], "each of the three lanes tells its figures"
    firsts, lasts = ([float(lane[number]) for lane in lanes] for number in (2, 3))
    assert all(first <= last for first, last in zip(firsts, lasts, strict=True)), f"{firsts} comes after {lasts}"
    assert last * COUNT_INTERVAL["wire"] - 0.1 < max(lasts) < took + 0.1, (
        f"it took {took:.1f} s, the page tells {lasts}"
    )
    figures = f"{min(lasts):.1f} s for the first, {max(lasts):.1f} s for all three."
    await expect(card.locator(".verdict")).to_contain_text(figures)
    # The scale has room for three counts one after another, at the pace of the first number, and for no more.
    span = float((await card.locator(".span").text_content()).removesuffix(" s"))
    assert max(lasts) <= span <= max(*lasts, 3 * last * (min(firsts) + 0.05)) + 0.1, f"the scale ends at {span} s"
    drawn_until = await card.locator(".lanes").evaluate("(lanes) => Number(lanes.style.getPropertyValue('--now'))")
    drawn_at = await card.locator(".track i").evaluate_all(
        "(dots) => dots.map((dot) => Number(dot.style.getPropertyValue('--at')))"
    )
    assert 0 < min(drawn_at) < max(drawn_at) <= drawn_until, "a number is drawn where its lane has not come to"


@check("wire", gs2={"/ws/sc/count/": KEPT}, gs3={"/ws/sc/count/": KEPT, "/ws/ac/count/": KEPT})
async def test_the_measurement_can_be_stopped(page, case):
    """Stop ends the measurement, and the next one can begin at once."""
    card = page.locator(f'.counters[data-path="{case.route}"]')
    start, stop = (card.get_by_role("button", name=name) for name in ("Open three counters", "Stop"))
    # On a busy machine a short count is over before the button is pressed; sync ones nobody can stop, so that all that
    # they have to count would come first.
    await card.get_by_label("Count to").fill("12" if "/sc/" in case.route else "60")
    await expect(stop).to_be_disabled()
    await start.click()
    await expect(start).to_be_disabled()
    await stop.click()
    await expect(card.locator(".verdict")).to_contain_text("Stopped")
    await expect(start).to_be_focused()
    await expect(stop).to_be_disabled()
    await card.get_by_label("Count to").fill("2")
    await start.click()
    # Also in a mutation run, which waits less for else: the shared thread has the counts to end that nobody wants.
    await expect(card.locator(".verdict")).to_contain_text("for all three", timeout=5_000)
    await expect(card.locator(".track i")).to_have_count(6)


@check("wire", gs3={"/ws/ac/count/": KEPT})
async def test_the_page_measures_events_in_turn(page):
    """The page measures how long "stop" waits: not at all beside a task, to the end inside the handler."""
    card = page.locator(".turn")
    verdict = card.locator(".verdict")
    beside = card.get_by_role("button", name="Send “3”, then “stop”")
    assert await beside.get_attribute("value") == "3"
    # Counters are quick here: where the machine is busy, three numbers would be over before the "stop" has come.
    await beside.evaluate("(button) => { button.value = '60'; }")
    await beside.click()
    await expect(verdict).to_have_text(re.compile(r"^“60”: stop was answered after 0\.\d s, with “stopped at \d+”\.$"))
    await card.get_by_role("button", name="Send “await 3”, then “stop”").click()
    with_error = re.compile(r"^“await 3”: stop was answered after \d\.\d s, with “(error:.*)”\.$")
    await expect(verdict).to_have_text(with_error)
    error = with_error.fullmatch(await verdict.text_content())[1]
    lines = [LINE.fullmatch(text) for text in await card.locator(".frames li").all_text_contents()]
    assert [line and line[1] for line in lines] == [
        "→ sent text await 3",
        "← received text 1",
        "→ sent text stop",
        "← received text 2",
        "← received text 3",
        f"← received text {error}",
    ]


@check("wire", gs3={"/ws/ac/count/": KEPT})
async def test_the_measurement_in_turn_tells_what_goes_wrong(puppet):
    """Before the answer it says what it sends; a socket that is closed ends it, with the code in words."""
    page = puppet.root.page
    verdict = page.locator(".turn .verdict")
    for _ in range(2):
        await page.locator('.turn button[value="3"]').click()
        await expect(verdict).to_have_text("Sending “3”…")
        await page.evaluate("sockets.at(-1).end(1011)")
        await expect(verdict).to_have_text(re.compile(r"^The socket was closed with code 1011: the server failed.*\.$"))


@check("wire", gs3={"/ws/ac/count/": KEPT})
async def test_a_measurement_in_turn_ends_the_one_before(puppet):
    """Whoever begins anew has closed the first socket, and what still comes out of it is not shown."""
    page = puppet.root.page
    button, lines = page.locator('.turn button[value="3"]'), page.locator(".turn .frames li")
    await button.click()
    await expect(lines).to_have_text([re.compile("→ sent text 3$")])
    await button.click()
    await expect(lines).to_have_text([re.compile("→ sent text 3$")])
    await page.evaluate('sockets[0].hear("1")')
    await page.evaluate('sockets[1].hear("no")')
    await expect(page.locator(".turn .verdict")).to_have_text("Got “no”")
    assert await page.evaluate("sockets.map(({ closes }) => closes)") == [[1000], [1000]]
    assert await page.locator('.turn .frames li[data-direction="received"]').count() == 1


@check("wire", **ALL)
async def test_it_can_be_read(page):
    """Wide and narrow, light and dark: nothing runs out of the page, and every text stands out from its ground."""
    for width, scheme in itertools.product((1200, 380), ("light", "dark")):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, f"{width} px is too narrow for it"
        await expect_contrast(page.locator("h1, h2, p, label, button:enabled, .words"))


@check("wire", **ALL)
async def test_it_can_be_used_without_a_mouse(page, panel):
    """Every button and field has a name and can be reached by Tab; a screen reader is told the state."""
    usable = "Array.from(document.querySelectorAll('button:enabled, input:enabled'))"
    controls = await page.evaluate(f"{usable}.length")
    links = await page.locator("a").count()
    reached = await reached_by_tab(page, usable, 2 * controls + links)
    assert reached >= set(range(controls)), "some control cannot be reached by Tab"
    for name, html in await page.locator("button, input").evaluate_all(NAMES):
        assert name, f"{html} has no name"
    await expect(panel.state.locator("[role=status]")).not_to_be_empty()


@check("wire", gs1={"/ws/sc/": KEPT}, **ANSWERING, **CHATTING, **ASYNC_ONLY, **ONE_GENERIC)
@pytest.mark.parametrize(
    ("origin", "socket_origin"),
    [("http://workbook.test:8123", "ws://workbook.test:8123"), ("https://workbook.test", "wss://workbook.test")],
    ids=["http", "https"],
)
async def test_the_socket_follows_the_page(new_page, server, case, origin, socket_origin):
    """A page from https: opens wss:, a page from http: opens ws:, on the host and port that it came from."""
    page = await new_page()
    opened = []

    async def deliver(route):
        status, headers, body = server.get(route.request.url.removeprefix(origin))
        await route.fulfill(status=status, headers={"content-type": headers["content-type"]}, body=body)

    # Answered here, so that no real host of that name and no certificate is needed.
    await page.route(f"{origin}/**", deliver)
    await page.route_web_socket(re.compile(".*"), lambda websocket: opened.append(websocket.url))
    await page.goto(f"{origin}/")
    panel = Panel(page, case.route)
    await panel.root.locator("button.connect").click()
    await panel.expect_state("open")
    assert opened == [socket_origin + case.route]
