"""From gs6 on: the pages of people who have names, in a real Chromium, with a browser of each one's own."""

import asyncio
import re
import uuid
from urllib.parse import quote

import pytest

from tests.steps.conftest import ANYBODY
from tests.steps.test_chat_page import (
    CAME_BACK,
    HTML,
    SHORT_PAUSES,
    can_be_used_by_keyboard,
    enter,  # noqa: F401  (a fixture, like the two below)
    new_tab,  # noqa: F401
    new_window,  # noqa: F401
)
from tests.steps.test_page import CONTRAST, ONE_GENERIC, Panel
from tests.support.browser import expect
from tests.support.commands import run
from tests.support.server import Server
from tests.support.visitor import PASSWORD
from tests.tasks import KEPT, WITH_USERS, check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def task(number):
    """Return the cases of a check of the pages that belongs to the task `number` of gs6, and is kept from then on."""
    return {step: {"/chat/": number if step == "gs6" else KEPT} for step in WITH_USERS}


USERS = task(KEPT)
# Through no form: Django's own would refuse such a name.
MAKE_USER = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_user({name!r}, password={password!r})
"""
ACCOUNT_PAGES = ["/accounts/login/", "/accounts/signup/"]


def who_is_here(tab):
    """Return the names in the tab's list of who is here."""
    return tab.page.get_by_role("list", name=re.compile("here", re.IGNORECASE)).get_by_role("listitem")


async def shows_users(tab, *users, within=None):
    """Wait until the tab's list shows just these tabs' users."""
    names = [re.compile(rf"^{re.escape(name)}\b") for name in sorted(user.name for user in users)]
    await expect(who_is_here(tab)).to_have_text(names, timeout=within)


async def manage(server, *words):
    """Run a command of the project with the server's settings and database."""
    await asyncio.to_thread(run, ["manage.py", *words], server.project, server.environment)


@pytest.fixture
def address(server, room):
    """The address of this check's own room."""
    return server.url(f"/chat/{quote(room)}/", "http")


@check("wire", **task(5))
async def test_who_is_here_is_shown(enter, address):  # noqa: F811
    """A list shows who is here. Two tabs of a user are one, and the user is there as long as one of them is."""
    ann, bob = await enter(), await enter()
    for tab in (ann, bob):
        await shows_users(tab, ann, bob)
    lines = bob.log.locator("> *")
    before = await lines.count()
    second = await (await ann.beside()).open(address)
    await second.is_in()
    await shows_users(second, ann, bob)
    await ann.page.close()
    await bob.write("still here?")
    await second.shows("still here?")
    await shows_users(bob, ann, bob)
    await expect(lines).to_have_count(before + 1)
    await second.page.close()
    await shows_users(bob, bob)
    await expect(lines).to_have_count(before + 2)


@check("wire", **task(5))
async def test_the_own_name_is_marked(enter):  # noqa: F811
    """In the list of who is here I find myself; a user's messages are the own ones in all tabs of that user."""
    ann, bob = await enter(), await enter()
    await shows_users(ann, ann, bob)
    marked = [text for text in await who_is_here(ann).all_inner_texts() if "you" in text]
    assert marked == [text for text in await who_is_here(ann).all_inner_texts() if text.startswith(ann.name)]
    second = await (await ann.beside()).open(ann.page.url)
    await second.is_in()
    await second.write("from my second tab")
    classes = []
    for tab in (ann, second, bob):
        await tab.shows("from my second tab")
        classes.append(await tab.log.locator("> *", has_text="from my second tab").get_attribute("class"))
    assert classes[0] == classes[1] != classes[2]


@check("wire", **task(5))
async def test_a_guest_listens(enter, new_window, address):  # noqa: F811
    """Who is not logged in hears all, has no field, and is led to the log-in and back into this room."""
    ann = await enter()
    guest = await new_window()
    await guest.page.goto(address)
    await guest.is_in()
    await shows_users(guest, ann)
    await ann.write("who is listening?")
    await guest.shows("who is listening?")
    await expect(guest.field).to_be_hidden()
    await expect(ann.log).not_to_contain_text("has come")
    await guest.page.locator("main").get_by_role("link", name="sign up").click()
    guest.name = f"guest-{uuid.uuid4().hex[:8]}"
    await guest.fill_in(username=guest.name, password1=PASSWORD, password2=PASSWORD)
    await expect(guest.page).to_have_url(address)
    await guest.is_in()
    await expect(guest.field).to_be_focused()
    await shows_users(ann, ann, guest)
    await guest.write("I was")
    await ann.shows("I was")


@check("wire", **task(2))
@pytest.mark.parametrize("group", ["Café ☕ a/b", "50% <b>? #1 %41&next=/", "//example.org/"], ids=ascii)
async def test_the_log_in_leads_back(new_window, user_for, server, group):  # noqa: F811
    """From whatever room one comes, after the log-in one is there again."""
    user = await user_for(ANYBODY)
    guest = await new_window()
    address = server.url(f"/chat/{quote(group, safe='')}/", "http")
    await guest.page.goto(address)
    await guest.page.locator("main").get_by_role("link", name="log in").click()
    await guest.fill_in(username=user.name, password=PASSWORD)
    await expect(guest.page.locator("h1")).to_have_text(group)
    await guest.is_in()
    await expect(guest.state).to_contain_text(user.name)


@check("wire", **task(7))
async def test_logging_out_ends_every_tab(enter, address):  # noqa: F811
    """Log out in one tab: the other one says so, does not try again, and leads to the log-in. Others stay."""
    ann, bob = await enter(user="ann"), await enter()
    second = await ann.beside()
    await second.page.add_init_script(SHORT_PAUSES)
    await second.open(address)
    await second.is_in()
    await second.page.keyboard.type("half a sen")
    await ann.page.get_by_role("button", name="Log out").click()
    await expect(second.state).to_contain_text("not logged in")
    await expect(second.page.locator("main")).to_contain_text("logged out")
    await expect(second.field).to_be_visible()
    await expect(second.field).to_have_value("half a sen")
    await expect(second.page.get_by_role("button", name="Log out")).to_be_hidden()
    assert await second.page.evaluate("window.pauses") == [], "the page tries again, which cannot help"
    await shows_users(bob, bob)
    await bob.write("ann?")
    await bob.shows("ann?")
    await expect(second.log).not_to_contain_text("ann?")
    await second.page.locator("main").get_by_role("link", name="log in").click()
    await second.fill_in(username=ann.name, password=PASSWORD)
    await expect(second.page).to_have_url(address)
    await second.is_in()
    await second.shows("ann?")


@check("wire", **task(4))
async def test_a_private_room_says_who_may_enter(enter, new_window, server, address, room):  # noqa: F811
    """A private room: who is not logged in and who is no member is told which, with no second try; members talk."""
    ann = await enter("elsewhere")
    await manage(server, "private", room, ann.name)
    bob = await enter("elsewhere")
    guest = await new_window()
    for tab, state in ((guest, "not logged in"), (bob, "no member")):
        await tab.page.add_init_script(SHORT_PAUSES)
        await tab.page.goto(address)
        await expect(tab.state).to_contain_text(state)
        await expect(tab.page.locator("main p:visible", has_text="private").first).to_be_visible()
        await expect(tab.field).to_be_hidden()
        await expect(tab.page.locator("main").get_by_text("Nothing has been said")).to_be_hidden()
        assert await tab.page.evaluate("window.pauses") == [], "the page tries again, which cannot help"
    await ann.open(address)
    await ann.is_in()
    await ann.write("among ourselves")
    await ann.shows("among ourselves")
    await guest.page.locator("main").get_by_role("link", name="log in").click()
    await guest.fill_in(username=ann.name, password=PASSWORD)
    await guest.shows("among ourselves")
    for tab, listed in ((ann, 1), (bob, 0)):
        await tab.page.goto(server.url("/chat/", "http"))
        await expect(tab.page.get_by_role("link", name=room, exact=True)).to_have_count(listed)


@check("wire", **task(1))
async def test_a_wrong_sign_up_is_told_in_words(new_window, server):  # noqa: F811
    """A bad password gets Django's own words, and the name that was typed stays."""
    tab = await new_window()
    name = f"user-{uuid.uuid4().hex[:8]}"
    await tab.page.goto(server.url("/accounts/signup/?next=/chat/hall/", "http"))
    for password, again, words in (
        ("x7", "x7", "too short"),
        ("password", "password", "too common"),
        (PASSWORD, "another one", "didn’t match"),
        (name, name, "too similar"),
    ):
        await tab.fill_in(username=name, password1=password, password2=again)
        await expect(tab.page.locator("main")).to_contain_text(words)
        await expect(tab.page.locator("input[name=username]")).to_have_value(name)
    await tab.fill_in(username=name, password1=PASSWORD, password2=PASSWORD)
    await expect(tab.page).to_have_url(server.url("/chat/hall/", "http"))
    await tab.is_in()
    await expect(tab.page.locator("body")).to_contain_text(name)


@check("wire", **task(1))
async def test_a_wrong_log_in_is_told_in_words(new_window, user_for, server):  # noqa: F811
    """A wrong password gets Django's own words."""
    user = await user_for(ANYBODY)
    tab = await new_window()
    await tab.page.goto(server.url("/accounts/login/", "http"))
    await tab.fill_in(username=user.name, password="wrong")
    await expect(tab.page.locator("main")).to_contain_text("correct username and password")
    await expect(tab.page.locator("input[name=username]")).to_have_value(user.name)


@check("wire", **USERS)
async def test_a_name_is_never_html(enter, new_window, server):  # noqa: F811
    """A user's name and a room's are text everywhere: in the list, in lines, in the head, in the links."""
    name = HTML.replace("<img", f"<img id={uuid.uuid4().hex[:8]}")
    await manage(server, "shell", "-c", MAKE_USER.format(name=name, password=PASSWORD))
    ann = await enter(HTML)
    bob = await new_window()
    bob.name = name
    address = server.url(f"/chat/{quote(HTML, safe='')}/", "http")
    await bob.page.goto(address)
    await bob.page.locator("main").get_by_role("link", name="log in").click()
    await bob.fill_in(username=name, password=PASSWORD)
    await bob.is_in()
    await bob.write("it is me")
    await ann.shows(name)
    for tab in (ann, bob):
        await tab.shows("it is me")
        await expect(who_is_here(tab)).to_have_count(2)
        await expect(who_is_here(tab).filter(has_text=name)).to_have_count(1)
        await expect(tab.page.locator("img")).to_have_count(0)
        await expect(tab.page.locator("h1")).to_have_text(HTML)
        assert await tab.page.title() != "broken"
    for path in ("/", "/chat/"):
        await bob.page.goto(server.url(path, "http"))
        await expect(bob.page.locator("body")).to_contain_text(name)
        await expect(bob.page.locator("img")).to_have_count(0)


@check(**USERS)
@pytest.mark.proof
async def test_they_all_come_back_after_the_server(new_tab, project, case, room):  # noqa: F811
    """Server stopped and started: each tab is back by itself, as the same user, and each user is there once."""
    with Server(project, "daphne", f"{case.step}.asgi:application") as server:
        address = server.url(f"/chat/{room}/", "http")
        ann, bob = [await (await new_tab(at=server)).open(address) for _ in range(2)]
        second = await (await ann.beside()).open(address)
        for tab in (ann, bob, second):
            await shows_users(tab, ann, bob)
        server.stop()
        for tab in (ann, bob, second):
            await expect(tab.state).to_contain_text("reconnecting")
        server.start()
        server.wait()
        for tab in (ann, bob, second):
            await tab.is_in(CAME_BACK)
            await expect(tab.state).to_contain_text(tab.name)
        for tab in (ann, bob, second):
            await shows_users(tab, ann, bob, within=CAME_BACK)
        await second.write("hello again")
        for tab in (ann, bob, second):
            await tab.shows("hello again")
        assert "Traceback" not in server.output()


@check("wire", gs6={"/ws/ac/lobby/": 2}, **ONE_GENERIC)
async def test_the_panel_shows_who_is_asked(new_window, new_tab, server, case):  # noqa: F811
    """In the step's page: who is not logged in may not send; a user's name is the session's, whatever "from" says."""
    guest, ann = await new_window(), await new_tab()
    for tab in (guest, ann):
        await tab.page.goto(server.url("/", "http"))
        panel = Panel(tab.page, case.route)
        await panel.connect()
        await panel.send('{"msg": "hello", "from": "somebody else"}')
        expected = f'"from": "{tab.name}"' if tab.name else "login_required"
        await expect(panel.frames.last.locator(".payload")).to_contain_text(expected)
        # Not those in the history: others have been in the lobby before.
        messages = panel.frames.locator(".payload", has_text=re.compile(r'^\{"event": "message"'))
        await expect(messages).to_have_count(1 if tab.name else 0)


@check("wire", **USERS)
async def test_the_pages_of_users_can_be_read(new_tab, new_window, server, room):  # noqa: F811
    """Wide and narrow, light and dark, for users and guests: nothing runs out of the page, every text stands out."""
    ann, guest = await new_tab(), await new_window()
    name = "a.very.long.name." + uuid.uuid4().hex + "x" * 100
    await guest.page.goto(server.url("/accounts/signup/", "http"))
    await guest.fill_in(username=name, password1="1", password2="1")
    await expect(guest.page.locator("main")).to_contain_text("too short")
    await can_be_read(guest.page)
    await guest.page.goto(server.url("/accounts/login/", "http"))
    await guest.fill_in(username=name, password="1")
    await expect(guest.page.locator("main")).to_contain_text("correct username")
    await can_be_read(guest.page)
    await guest.page.goto(server.url(f"/chat/{room}/", "http"))
    await guest.is_in()
    await can_be_read(guest.page)
    await guest.page.goto(server.url(f"/accounts/signup/?next=/chat/{room}/", "http"))
    await guest.fill_in(username=name, password1=PASSWORD, password2=PASSWORD)
    await guest.is_in()
    await ann.open(server.url(f"/chat/{room}/", "http"))
    await expect(who_is_here(ann)).to_have_count(2)
    await guest.write("short")
    await ann.shows("short")
    for tab in (ann, guest):
        await can_be_read(tab.page)
    await manage(server, "private", room, ann.name)
    await guest.page.reload()
    await expect(guest.state).to_contain_text("no member")
    await can_be_read(guest.page)
    for path in ("/", "/chat/"):
        await ann.page.goto(server.url(path, "http"))
        await can_be_read(ann.page)


async def can_be_read(page):
    """Assert that nothing is wider than the page, and that all text in sight stands out from its ground."""
    for width, scheme in ((1200, "light"), (380, "dark")):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, f"too narrow: {width} px"
        texts = page.locator("h1, h2, p, a, b, label, button:enabled, li, .helptext, .words, #chat-log span")
        seen = await texts.evaluate_all(
            f"(all) => all.filter((e) => e.checkVisibility()).map((e) => [({CONTRAST})(e), e.textContent])"
        )
        assert len(seen) > 5
        for contrast, text in seen:
            assert contrast >= 4.5, f"{text!r} has a contrast of {contrast:.1f} to 1"


@check("wire", **USERS)
async def test_everything_goes_without_a_mouse(new_window, server, room):  # noqa: F811
    """Sign up, write, log out and log in again by keyboard alone; every control has a name and can be reached."""
    tab = await new_window()
    page, keyboard = tab.page, tab.page.keyboard
    tab.name = f"user-{uuid.uuid4().hex[:8]}"
    await page.goto(server.url(f"/chat/{room}/", "http"))
    await tab.is_in()
    await can_be_used_by_keyboard(page)
    await page.reload()
    await tab_to(page, "sign up")
    await keyboard.press("Enter")
    await expect(page.locator("input[name=username]")).to_be_focused()
    for text in (tab.name, PASSWORD):
        await keyboard.type(text)
        await keyboard.press("Tab")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await tab.is_in()
    await expect(tab.field).to_be_focused()
    await tab.write("no mouse here")
    await tab.shows("no mouse here")
    await can_be_used_by_keyboard(page)
    await page.reload()
    await tab_to(page, "log out")
    await keyboard.press("Enter")
    await expect(page.locator("body")).to_contain_text("not logged in")
    for path in ACCOUNT_PAGES:
        await page.goto(server.url(path, "http"))
        await can_be_used_by_keyboard(page)


async def tab_to(page, name):
    """Press Tab until the link or button called `name` has the focus."""
    for _ in range(20):
        await page.keyboard.press("Tab")
        if (await page.evaluate("document.activeElement.textContent")).strip().lower() == name:
            return
    raise AssertionError(f"Tab does not reach {name!r}")


@check("wire", **task(1))
@pytest.mark.parametrize("path", ACCOUNT_PAGES)
async def test_no_script_stands_in_the_account_pages(server, path):
    """Styles are files of their own here too, and the form carries the token against forged requests."""
    status, _, body = server.get(path)
    assert status == 200, f"{path} got HTTP {status}"
    page = body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "an inline script"
    assert not re.search(r"<style|<[^>]*\s(?:style|on\w+)=", page), "an inline style or handler"
    assert "csrfmiddlewaretoken" in page
