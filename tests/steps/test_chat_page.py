"""gs4 and on: the chat's page, in a real Chromium, with two tabs and three."""

import itertools
import re
from urllib.parse import quote, unquote, urlsplit

import pytest

from tests.steps.conftest import ANYBODY
from tests.steps.test_layers import route_in
from tests.steps.test_page import NAMES, Panel, expect_contrast, reached_by_tab
from tests.support.browser import expect
from tests.support.redis import Redis
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.tasks import KEPT, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CHAT = {"gs4": {"/chat/": 6}} | {step: {"/chat/": KEPT} for step in ("gs5", "gs6", "gs7")}
COMING_BACK = CHAT | {"gs4": {"/chat/": 10}}
CAME_BACK = 20_000  # milliseconds, for a page that tries again with growing pauses
HTML = "<img src=x onerror=\"document.title='broken'\">"


class Tab:
    """A page with a chat room in it."""

    def __init__(self, page):
        self.page = page
        self.name = None
        self.field = page.locator("main form input")
        self.log = page.locator("output#chat-log")
        self.state = page.locator("main [role=status]").first

    async def open(self, address):
        await self.page.goto(address)
        await expect(self.field).to_be_focused()
        return self

    async def beside(self):
        """Return a second tab of the same browser, so of the same user; nothing is open in it yet."""
        tab = Tab(await self.page.context.new_page())
        tab.name = self.name
        return tab

    async def become(self, visitor):
        """Be logged in as a Visitor is."""
        self.name = visitor.name
        cookies = [{"name": name, "value": value, "url": visitor.origin} for name, value in visitor.cookies.items()]
        await self.page.context.add_cookies(cookies)

    async def fill_in(self, **fields):
        """Fill in these fields of a form, and press Enter in the last one."""
        for name, text in fields.items():
            field = self.page.locator(f"input[name={name}]")
            await field.fill(text)
        await field.press("Enter")

    async def is_at(self, path):
        """Wait until the page's address has this path, however it is quoted: a slash in a name need not be."""
        await wait_until(
            lambda: unquote(urlsplit(self.page.url).path) == path,
            lambda: f"{path} to be the address of {self.page.url}",
        )

    async def is_in(self, within=None):
        """Wait until what is written is sent."""
        await expect(self.state).to_contain_text("connected", timeout=within)

    async def write(self, text):
        # A page that has come over its socket may still have to be drawn, and gets its focus then.
        await expect(self.field).to_be_focused()
        # One key, and the rest at once, as a phone's keyboard gives a word: a key for each letter takes long.
        await self.page.keyboard.type(text[:1])
        await self.page.keyboard.insert_text(text[1:])
        await self.page.keyboard.press("Enter")

    async def shows(self, text, within=None):
        await expect(self.log).to_contain_text(text, timeout=within)

    async def lines(self):
        return [line for line in (await self.log.inner_text()).splitlines() if line.strip()]


@pytest.fixture
def new_window(new_page):
    """A coroutine function that returns a Tab in a window of its own, that of nobody."""

    async def new_window(**options):
        return Tab(await new_page(**options))

    return new_window


@pytest.fixture
def new_tab(new_window, user_for, user_at):
    """A coroutine function that returns a Tab of somebody who may write: from gs6 on, of a user."""

    async def new_tab(user=ANYBODY, at=None, **options):
        """`user` is a name, for this check alone; `at` is the server, if it is one of the check's own."""
        tab = await new_window(**options)
        visitor = await (user_at(at) if at else user_for(user))
        if visitor:
            await tab.become(visitor)
        return tab

    return new_tab


@pytest.fixture
def sync(case):
    """The query with which a room's page talks to a sync consumer, where the step has one for it."""
    return "?via=wsc" if case.step == "gs7" else "?via=sc"


@pytest.fixture
def enter(new_tab, server, room):
    """A coroutine function that returns a Tab that is connected to a room, this check's own if nothing is said."""

    async def enter(group=room, query="", user=ANYBODY):
        tab = await (await new_tab(user)).open(server.url(f"/chat/{quote(group, safe='')}/{query}", "http"))
        await tab.is_in()
        return tab

    return enter


@check("wire", **CHAT)
async def test_a_name_leads_to_its_room(new_tab, server):
    """In /chat/ the field has the focus, and Enter goes to /chat/<group>/, whatever the name is."""
    tab = await new_tab()
    for group in ("hall", "Café ☕ a/b", "50% <b>? #1 %41", "🎉" * 100):
        await tab.open(server.url("/chat/", "http"))
        await tab.write(group)
        await tab.is_at(f"/chat/{group}/")
        await expect(tab.page.locator("body")).to_contain_text(group)
        await tab.is_in()
        await tab.write("hello")
        await tab.shows("hello")


@check("wire", **CHAT)
async def test_what_can_be_no_address_is_not_tried(new_tab, server):
    """A name that an address cannot carry leads nowhere, and the page stays."""
    tab = await new_tab()
    for group in ("", "  ", ".", ".."):
        await tab.open(server.url("/chat/", "http"))
        await tab.write(group)
        await expect(tab.field).to_be_visible()
        await expect(tab.page).to_have_url(re.compile(r"/chat/(\?.*)?$"))


@check("wire", **CHAT)
async def test_three_tabs_talk(enter, sync):
    """The field has the focus, Enter sends, and all tabs show one line a message, whichever consumer they use."""
    ann, bob, cid = await enter(), await enter(query=sync), await enter(query="?via=nonsense")
    for tab, text in ((ann, "hello from ann"), (bob, "hello from bob"), (cid, "hello from cid")):
        await tab.page.bring_to_front()
        await tab.write(text)
        for other in (ann, bob, cid):
            await other.shows(text)
    for tab in (ann, bob, cid):
        said = [line for line in await tab.lines() if "hello from" in line]
        assert len(said) == 3, f"expected one line for each message, got {await tab.lines()}"
        await expect(tab.field).to_have_value("")


@check("wire", **CHAT)
async def test_the_page_talks_to_its_own_room(new_tab, server, case, sync):
    """The page opens the socket of its own room, whatever the name is, on the route that `?via=` names."""
    room = "Café ☕ a/../b"
    usual, other = route_in(case.step, "/ws/ac/"), route_in(case.step, "/ws/sc/")
    page = (await new_tab()).page
    for query, route in (("", usual), (sync, other), ("?via=nonsense", usual)):
        async with page.expect_websocket() as socket:
            await page.goto(server.url(f"/chat/{quote(room, safe='')}/{query}", "http"))
        path = unquote(urlsplit((await socket.value).url).path)
        assert path == f"{route}{room}/", f"with {query!r} the page opens {path}"


@check("wire", **CHAT)
async def test_own_messages_are_marked(enter):
    """What I said looks different from what others said."""
    ann, bob = await enter(), await enter()
    await bob.write("from bob")
    await ann.shows("from bob")
    await ann.page.bring_to_front()
    await ann.write("from ann")
    await ann.shows("from ann")
    looks = []
    for tab in (ann, bob):
        await tab.shows("from ann")
        line = tab.log.locator("> *", has_text="from ann")
        looks.append((await line.get_attribute("class"), (await line.inner_text()).replace("from ann", "")))
    (own_class, own_words), (other_class, other_words) = looks
    assert own_class != other_class, "my line looks like another's"
    assert own_words != other_words, "who cannot see colours cannot tell my line from another's"


@check("wire", **CHAT)
async def test_coming_and_going_is_shown(enter):
    """The room's first tab is shown who comes and who goes, in lines of their own."""
    ann = await enter()
    before = len(await ann.lines())
    bob = await enter()
    await expect(ann.log.locator("> *")).to_have_count(before + 1)
    await bob.page.close()
    await expect(ann.log.locator("> *")).to_have_count(before + 2)


@check("wire", **CHAT)
async def test_an_empty_room_says_what_to_do(enter):
    """While nothing was said, the page says what one can do; then it stops saying so."""
    ann = await enter()
    empty = ann.page.locator("main").get_by_text(re.compile("second (tab|browser)"))
    await expect(empty).to_be_visible()
    await ann.write("hello")
    await ann.shows("hello")
    await expect(empty).to_be_hidden()


@check("wire", **CHAT)
async def test_text_is_never_html_in_a_chat(enter):
    """Neither a message nor a room's name becomes HTML."""
    ann, bob = await enter(HTML), await enter(HTML)
    await bob.write(HTML)
    for tab in (ann, bob):
        await tab.shows(HTML)
        await expect(tab.page.locator("img")).to_have_count(0)
        await expect(tab.page.locator("h1")).to_contain_text("<img")
        assert await tab.page.title() != "broken"


@check("wire", **CHAT)
@pytest.mark.parametrize("path", ["/chat/", "/chat/hall/"])
async def test_no_script_stands_in_the_page(server, path):
    """Scripts and styles are files of their own, so that a strict content security policy would hold."""
    status, _, body = server.get(path)
    assert status == 200, f"{path} got HTTP {status}"
    page = body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "an inline script"
    assert not re.search(r"<style|<[^>]*\s(?:style|on\w+)=", page), "an inline style or handler"


@check("wire", **CHAT)
async def test_nothing_is_lost_of_what_is_typed_too_long(enter):
    """What is longer than a message may be is not sent by halves: the field takes no more than 2,000 characters."""
    ann = await enter()
    await ann.field.fill("x" * 2000)
    await ann.page.keyboard.type("yz")
    await ann.page.keyboard.press("Enter")
    await ann.shows("x" * 2000)
    assert "y" not in (await ann.lines())[-1].removeprefix("you")


@check(**COMING_BACK)
@pytest.mark.proof
async def test_the_page_comes_back_after_the_server(new_tab, sync, project, case):
    """Server stopped: the page says "reconnecting". Started: it is back by itself, and what was typed is there."""
    with Server(project, "daphne", f"{case.step}.asgi:application") as server:
        ann = await (await new_tab(at=server)).open(server.url(f"/chat/hall/{sync}", "http"))
        await ann.is_in()
        bob = await (await new_tab(at=server)).open(server.url("/chat/hall/", "http"))
        await bob.is_in()
        await expect(ann.log.locator("> *")).not_to_have_count(0)
        server.stop()
        for tab in (ann, bob):
            await expect(tab.state).to_contain_text("reconnecting")
        await bob.write("typed meanwhile")
        await expect(bob.field).to_have_value("typed meanwhile")
        server.start()
        server.wait()
        for tab in (ann, bob):
            await tab.is_in(CAME_BACK)
        await bob.page.keyboard.press("Enter")
        for tab in (bob, ann):
            await tab.shows("typed meanwhile")


@check(**COMING_BACK)
@pytest.mark.proof
async def test_the_page_comes_back_after_redis(new_tab, sync, project, case, redis_program):
    """Redis stopped: the page says "reconnecting". Started: it is back by itself, and messages flow again."""
    with (
        Redis(redis_program) as redis,
        Server(project, "daphne", f"{case.step}.asgi:application", REDIS_URL=redis.url) as server,
    ):
        ann = await (await new_tab(at=server)).open(server.url(f"/chat/hall/{sync}", "http"))
        await ann.is_in()
        bob = await (await new_tab(at=server)).open(server.url("/chat/hall/", "http"))
        await bob.is_in()
        await expect(ann.log.locator("> *")).not_to_have_count(0)
        redis.stop()
        for tab in (ann, bob):
            await expect(tab.state).to_contain_text("reconnecting")
        redis.start()
        for tab in (ann, bob):
            await tab.is_in(CAME_BACK)
        await bob.write("hello again")
        for tab in (bob, ann):
            await tab.shows("hello again")
        assert "Traceback" not in server.output()


# Makes long pauses short, and keeps how long they were to be.
SHORT_PAUSES = """
window.pauses = [];
const wait = window.setTimeout;
window.setTimeout = (call, pause, ...rest) => {
  if (pause < 100) return wait(call, pause, ...rest);
  window.pauses.push(pause);
  return wait(call, 1, ...rest);
};
"""


@check("wire", **COMING_BACK)
async def test_the_pauses_grow_and_differ(new_tab, server):
    """The pauses between two tries grow up to a limit, and are not the same in two pages."""
    heard = []
    for _ in range(2):
        tab = await new_tab()
        await tab.page.add_init_script(SHORT_PAUSES)
        await tab.page.route_web_socket(re.compile(".*"), lambda socket: socket.close(code=4013))
        await tab.page.goto(server.url("/chat/hall/", "http"))
        await tab.page.wait_for_function("window.pauses.length >= 15", polling=50)
        heard.append(await tab.page.evaluate("window.pauses.slice(0, 15)"))
    for pauses in heard:
        assert pauses[0] <= 2000, f"the first pause is {pauses[0]} ms"
        assert max(pauses[-5:]) > 3 * pauses[0], f"the pauses do not grow: {pauses}"
        assert max(pauses) <= 60_000, f"the pauses grow without a limit: {pauses}"
    assert heard[0] != heard[1], "all pages would come back in the same moment"


@check("wire", gs4={"/ws/sc/": KEPT, "/ws/ac/": KEPT}, gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT})
async def test_the_panels_hear_each_other(page, case):
    """Both panels of the step's page are in the lobby: what one sends, the other shows."""
    panels = [Panel(page, path) for path in ("/ws/sc/", "/ws/ac/")]
    for panel in panels:
        await panel.connect()
    sender = Panel(page, case.route)
    await sender.send('{"msg": "hello lobby"}')
    for panel in panels:
        payload = panel.frames.last.locator(".payload")
        await expect(payload).to_contain_text('"msg": "hello lobby"')
    await sender.send("no JSON")
    await expect(sender.frames.last.locator(".payload")).to_contain_text("bad_json")


@check("wire", **CHAT)
async def test_a_chat_can_be_read(enter):
    """Wide and narrow, light and dark: nothing runs out of the page, and every text stands out from its ground."""
    ann = await enter("a long name without any space " + "x" * 100)
    bob = await enter("a long name without any space " + "x" * 100)
    await bob.write("y" * 300)
    await ann.shows("y" * 300)
    await ann.page.bring_to_front()
    await ann.write("short")
    await ann.shows("short")
    for width, scheme in itertools.product((1200, 380), ("light", "dark")):
        await ann.page.set_viewport_size({"width": width, "height": 800})
        await ann.page.emulate_media(color_scheme=scheme)
        assert await ann.page.evaluate("document.documentElement.scrollWidth") <= width, f"too narrow: {width} px"
        assert await ann.log.evaluate("(log) => log.scrollWidth <= log.clientWidth"), "a line runs out of the log"
        await expect_contrast(ann.page.locator("h1, p, a, label, button, #chat-log span, time"))


async def can_be_used_by_keyboard(page):
    """Assert that each link, button and field in sight has a name, and can be reached by Tab."""
    names = await page.evaluate(f"({NAMES})({CONTROLS_IN_SIGHT})")
    reached = await reached_by_tab(page, CONTROLS_IN_SIGHT, 2 * len(names) + 2)
    assert reached >= set(range(len(names))), "some control cannot be reached by Tab"
    assert all(name for name, _ in names), f"a control has no name: {names}"


CONTROLS_IN_SIGHT = """
Array.from(document.querySelectorAll("a, button:enabled, input:enabled, select:enabled"))
  .filter((element) => element.checkVisibility())
"""


@check("wire", **CHAT)
@pytest.mark.parametrize("path", ["/chat/", "/chat/hall/"])
async def test_a_chat_can_be_used_without_a_mouse(new_tab, server, path):
    """Every link, button and field has a name and can be reached by Tab; a screen reader hears the conversation."""
    tab = await (await new_tab()).open(server.url(path, "http"))
    await can_be_used_by_keyboard(tab.page)
