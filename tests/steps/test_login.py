"""From gs6 on: signing up, logging in and out through the pages, and what that means for open connections."""

import asyncio
import contextlib
import threading

import pytest

from tests.steps.conftest import LOCK_TIMEOUT
from tests.steps.test_users import expect_turned_out
from tests.support.chat import Member
from tests.support.client import Refused
from tests.support.project import run_settings
from tests.support.redis import Redis
from tests.support.server import expect_no_trouble
from tests.support.visitor import PASSWORD, TOKEN, visitor_of
from tests.tasks import GENERIC, KEPT, check

WAYS = ("process", "wire")
NOT_LOGGED_IN = 4401
PAGES = {"gs6": {"/ws/ac/": 1}, "gs7": {"/ws/ajwc/": KEPT}}
ORIGIN = {"gs6": {"/ws/ac/": 3}, "gs7": {"/ws/ajwc/": KEPT}}
LOG_OUT = {"gs6": {"/ws/ac/": 7}, "gs7": dict.fromkeys(GENERIC, KEPT)}


NO_USER = "the head of /chat/ has no log-out, or not the user's name"
NO_TOKEN = "the head of /chat/ has no form for the log-out with a {% csrf_token %}"


async def is_logged_in(visitor, name=None):
    """Return whether the head of the page knows the visitor by this name, or by the visitor's own."""
    page = (await visitor.get("/chat/")).body
    return "/accounts/logout/" in page and (visitor.name if name is None else name) in page


async def see_the_log_out(visitor):
    """Look at /chat/: whoever is logged in has the token of the form there for the posts that follow."""
    assert TOKEN.search((await visitor.get("/chat/")).body), NO_TOKEN


@check(*WAYS, **PAGES)
async def test_signing_up_logs_in(new_visitor):
    """Who signs up is logged in at once, and is led to the rooms."""
    visitor = new_visitor()
    response = await visitor.sign_up()
    assert response.header("location") == "/chat/"
    assert await is_logged_in(visitor), NO_USER


@check(*WAYS, **PAGES)
async def test_logging_in(new_visitor):
    """Who has signed up before logs in with name and password, and is led to the rooms."""
    first, later = new_visitor(), new_visitor()
    await first.sign_up()
    response = await later.log_in(first.name)
    assert (response.status, response.header("location")) == (302, "/chat/")
    assert await is_logged_in(later), NO_USER


@check(*WAYS, **PAGES)
async def test_a_wrong_password_is_refused(new_visitor):
    """A wrong password, or a user that does not exist: the form says so, the same for both, and nobody is logged in."""
    first = new_visitor()
    await first.sign_up()
    pages = []
    for name, password in ((first.name, "wrong"), ("nobody-of-that-name", PASSWORD), (first.name, ""), ("\0", "\0")):
        visitor = new_visitor()
        response = await visitor.log_in(name, password)
        assert response.status == 200
        assert "error" in response.body
        pages.append(response.body)
        assert not await is_logged_in(visitor, "")
    assert "correct username and password" in pages[0]
    assert "correct username and password" in pages[1]


@check("process", **PAGES)
@pytest.mark.parametrize(
    "fields",
    [
        {"password1": "12345678", "password2": "12345678"},
        {"password1": "short", "password2": "short"},
        {"password2": "another one"},
        {"username": ""},
        {"username": "a b"},
        {"username": "<b>"},
        {"username": "x" * 151},
        {"username": "a\0b"},
    ],
    ids=lambda fields: ascii(next(iter(fields.values()))[:8]),
)
async def test_bad_sign_ups_are_refused(new_visitor, room, fields):
    """A weak password, two that differ, a name that is none: the form says what is wrong, and makes no user."""
    visitor = new_visitor()
    await visitor.get("/accounts/signup/")
    good = {"username": room, "password1": PASSWORD, "password2": PASSWORD}
    response = await visitor.post("/accounts/signup/", **good | fields)
    assert response.status == 200
    assert "error" in response.body
    assert not await is_logged_in(visitor, "")
    assert (await new_visitor().log_in(room)).status == 200, "a user was made all the same"


@check("process", **PAGES)
async def test_a_name_is_one_users(new_visitor):
    """A name that somebody has is refused, in small letters and capitals alike."""
    first = new_visitor()
    await first.sign_up()
    for name in (first.name, first.name.upper()):
        visitor = new_visitor()
        await visitor.get("/accounts/signup/")
        response = await visitor.post("/accounts/signup/", username=name, password1=PASSWORD, password2=PASSWORD)
        assert response.status == 200, f"{name!r} was given away twice"


@check("process", **PAGES)
async def test_a_name_is_given_once(new_visitor, room):
    """The sign-up sent twice at once, by a double click or by two people: one user is made, and nothing fails."""
    # Who has clicked twice may be led on twice; of two people one is told that the name is taken.
    for name, passwords, right in (
        (room, (PASSWORD, PASSWORD), ([200, 302], [302, 302])),
        (f"{room}-2", (PASSWORD, f"{PASSWORD}, too"), ([200, 302],)),
    ):
        visitors, responses = await sign_up_at_once(new_visitor, name, passwords)
        statuses = sorted(response.status for response in responses)
        said = "one of the two is to get a redirect, the other the form again, but the answers were HTTP"
        assert statuses in right, f"{said} {statuses[0]} and {statuses[1]}"
        for visitor, response in zip(visitors, responses, strict=True):
            assert await is_logged_in(visitor, name) == (response.status == 302), NO_USER
            assert response.status == 302 or "error" in response.body


async def sign_up_at_once(new_visitor, name, passwords):
    """Sign up with one name from so many browsers, each with its password; return the visitors and the responses."""
    visitors = [new_visitor() for _ in passwords]
    for visitor in visitors:
        await visitor.get("/accounts/signup/")
    fields = [{"username": name, "password1": password, "password2": password} for password in passwords]
    with all_at_once(len(visitors)):
        posts = [visitor.post("/accounts/signup/", **each) for visitor, each in zip(visitors, fields, strict=True)]
        return visitors, await asyncio.gather(*posts)


@contextlib.contextmanager
def all_at_once(number):
    """Let so many new users be saved in the same moment."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.db.models.signals import pre_save

    barrier = threading.Barrier(number, timeout=2)

    def meet(instance, **event):
        # In a transaction the others may wait for us at the database, and not longer than its lock lets them.
        within = LOCK_TIMEOUT / 3 if connection.in_atomic_block else None
        # The log-in saves a user once more. Who comes alone goes on alone.
        if instance._state.adding:
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(within)

    pre_save.connect(meet, get_user_model())
    try:
        yield
    finally:
        pre_save.disconnect(meet, get_user_model())


@check("process", **PAGES)
async def test_nobody_becomes_somebody_else(new_visitor):
    """Who is logged in is led on by both forms, and stays who they are: open connections would still be that user's."""
    visitor, other = new_visitor(), new_visitor()
    await visitor.sign_up()
    await other.sign_up()
    await see_the_log_out(other)
    fields = {"username": f"{visitor.name}-2", "password1": PASSWORD, "password2": PASSWORD}
    for response in (
        await other.post("/accounts/login/", username=visitor.name, password=PASSWORD),
        await other.post("/accounts/signup/", **fields),
        await other.get("/accounts/signup/?next=/chat/hall/"),
    ):
        assert response.status == 302
        assert response.header("location").startswith("/chat/")
    assert await is_logged_in(other), NO_USER


@check("process", **PAGES)
async def test_next_leads_back(new_visitor):
    """?next= leads back to the room from which somebody came, after the log-in and after the sign-up."""
    visitor, again = new_visitor(), new_visitor()
    query = "?next=/chat/Caf%25C3%25A9%2520a/"
    assert (await visitor.sign_up(query=query)).header("location") == "/chat/Caf%C3%A9%20a/"
    assert (await again.log_in(visitor.name, query=query)).header("location") == "/chat/Caf%C3%A9%20a/"


@check("process", **PAGES)
@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)", "http:///evil"]
)
async def test_next_leads_to_no_other_host(new_visitor, address):
    """?next= leads to no other host: whoever makes such a link is not helped."""
    from urllib.parse import quote

    visitor, again = new_visitor(), new_visitor()
    query = f"?next={quote(address, safe='')}"
    assert (await visitor.sign_up(query=query)).header("location") == "/chat/"
    assert (await again.log_in(visitor.name, query=query)).header("location") == "/chat/"
    assert (await again.get(f"/accounts/login/{query}")).header("location") in (None, "/chat/")


@check(*WAYS, **PAGES)
@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/", "/accounts/logout/"])
async def test_a_form_without_its_token_is_refused(new_visitor, path):
    """A POST without the form's CSRF token is refused with 403, to whatever form, and changes nothing."""
    visitor, other = new_visitor(), new_visitor()
    await visitor.sign_up()
    other.token = visitor.token = ""
    fields = {"username": visitor.name, "password": PASSWORD, "password1": PASSWORD, "password2": PASSWORD}
    for somebody in (visitor, other):
        assert (await somebody.post(path, **fields)).status == 403
    assert "sessionid" not in other.cookies
    assert visitor.name in (await visitor.get("/chat/")).body, "the visitor is logged in no more"


@check("process", **PAGES)
async def test_a_form_on_a_foreign_page_is_refused(new_visitor):
    """A POST that comes from the page of another host is refused, token or not."""
    visitor = new_visitor()
    await visitor.sign_up()
    await visitor.get("/chat/")
    visitor.origin = "https://evil.example"
    assert (await visitor.post("/accounts/logout/")).status == 403


@check(*WAYS, **PAGES)
async def test_logging_out_takes_a_post(new_visitor):
    """A link cannot log anybody out: GET is refused. The form does, and leads to the rooms."""
    visitor = new_visitor()
    await visitor.sign_up()
    assert (await visitor.get("/accounts/logout/")).status == 405
    assert await is_logged_in(visitor), NO_USER
    await see_the_log_out(visitor)
    response = await visitor.log_out()
    assert (response.status, response.header("location")) == (302, "/chat/")
    assert not await is_logged_in(visitor, "")


@check(*WAYS, **PAGES)
async def test_an_old_session_is_nobody(new_visitor):
    """After the log-out the session's cookie is worth nothing, to whomever it is known."""
    visitor, thief = new_visitor(), new_visitor()
    await visitor.sign_up()
    thief.cookies = dict(visitor.cookies)
    assert await is_logged_in(thief, visitor.name)
    await visitor.log_out()
    assert not await is_logged_in(thief, "")


@check("process", "wire", "redis", **LOG_OUT)
async def test_logging_out_ends_all_connections(join, room):
    """Who logs out is turned out with 4401, in all tabs, in all rooms; the others stay, and are told of it."""
    ann = await join(user="ann")
    tabs = [await join(user="bob"), await join(user="bob"), await join(f"{room} too", user="bob")]
    bystander = await join(f"{room} too")
    assert (await ann.news()) == {"event": "join", "from": tabs[0].name}
    await tabs[0].user.log_out()
    for tab in tabs:
        await expect_turned_out(tab, NOT_LOGGED_IN)
        await tab.client.ended()
    assert (await ann.news()) == {"event": "leave", "from": tabs[0].name}
    await ann.hears_only()
    await bystander.hears_only()


@check("process", "wire", **LOG_OUT)
async def test_logging_out_ends_the_other_devices_too(join, new_visitor, new_client, room, case):
    """Who logs out in one browser is turned out in the others."""
    bob = await join(user="bob")
    other = new_visitor()
    await other.log_in(bob.name)
    tab = Member(new_client(f"{case.route}{room}/", cookie=other.cookie))
    await tab.enter()
    await other.log_out()
    for member in (bob, tab):
        await expect_turned_out(member, NOT_LOGGED_IN)


@check("process", **LOG_OUT)
async def test_a_log_out_of_nobody(new_visitor):
    """Who logs out in two tabs is nobody at the second: it leads to the rooms all the same."""
    visitor = new_visitor()
    await visitor.sign_up()
    await visitor.log_out()
    response = await visitor.post("/accounts/logout/")
    assert (response.status, response.header("location")) == (302, "/chat/")


@check("process", **LOG_OUT)
async def test_what_was_on_its_way_is_not_said(join):
    """After the log-out nothing is said in that user's name any more."""
    ann, bob = await join(user="ann"), await join(user="bob")
    await ann.news()
    # Whether a consumer that is busy is told of the log-out first, or reads what is said after it, nobody can say.
    await bob.say("alive")
    for member in (ann, bob):
        await member.hear("message", msg="alive")
    await bob.user.log_out()
    await bob.say("from the grave")
    await expect_turned_out(bob, NOT_LOGGED_IN)
    await bob.client.ended()
    assert (await ann.news()) == {"event": "leave", "from": bob.name}
    await ann.hears_only()


@check("redis", **LOG_OUT)
async def test_the_log_out_reaches_other_servers(join, start_recorded, server, redis_server, new_client):
    """Who logs out at one server is turned out at the others."""
    bob = await join(user="bob")
    other = start_recorded(server.database, REDIS_URL=redis_server.url)
    await asyncio.to_thread(other.wait)
    visitor = visitor_of(other)
    visitor.cookies = dict(bob.user.cookies)
    assert (await visitor.log_out()).status == 302
    await expect_turned_out(bob, NOT_LOGGED_IN)
    other.kill()


@check("wire", "redis", **ORIGIN)
@pytest.mark.parametrize("origin", [None, "http://evil.example", "http://127.0.0.1.evil.example", "null"])
async def test_a_foreign_origin_is_refused(new_client, user_for, origin):
    """A page of another host, or no page at all, gets HTTP 403, however well its user is logged in here."""
    user = await user_for("ann")
    with pytest.raises(Refused) as refused:
        await new_client(cookie=user.cookie, origin=origin).connect()
    assert refused.value.status == 403


@check("process", **ORIGIN)
@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://localhost:8000", "https://127.0.0.1", "http://[::1]:80"]
)
async def test_the_own_origin_is_let_in(new_client, origin):
    """The pages of this server are let in, on whatever port."""
    assert (await Member(new_client(origin=origin)).enter())["from"] is None


@check("process", **ORIGIN)
@pytest.mark.parametrize("origin", [None, "http://evil.example", "http://localhost.evil.example"])
async def test_a_foreign_origin_does_not_get_through(new_client, origin):
    """Not even the handshake of a foreign page reaches the chat."""
    with pytest.raises(Refused):
        await new_client(origin=origin).connect()


@check(gs6=1, gs7=KEPT)
def test_the_origins_of_forms_follow_the_hosts(case, monkeypatch):
    """CSRF_TRUSTED_ORIGINS follows from ALLOWED_HOSTS: where a proxy speaks HTTPS, the forms still work."""
    monkeypatch.setenv("ALLOWED_HOSTS", "chat.example.org,.example.com")
    settings = run_settings(case.step)
    assert set(settings["CSRF_TRUSTED_ORIGINS"]) >= {"https://chat.example.org", "https://*.example.com"}


@check("redis", **LOG_OUT)
async def test_logging_out_without_redis(start_recorded, redis_program):
    """While Redis is away one can log out all the same: the connections have ended by themselves."""
    with Redis(redis_program) as redis:
        server = start_recorded(REDIS_URL=redis.url)
        await asyncio.to_thread(server.wait)
        visitor = visitor_of(server)
        await visitor.sign_up()
        redis.stop()
        response = await visitor.log_out()
        assert (response.status, response.header("location")) == (302, "/chat/")
        assert visitor.name not in (await visitor.get("/chat/")).body
        expect_no_trouble(server.output())
        server.kill()
