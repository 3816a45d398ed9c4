"""From gs6 on: who speaks is a user, and a room can be private."""

import asyncio
import importlib

import pytest

from tests.support.chat import Member
from tests.support.client import Closed, no_close
from tests.support.commands import manage as run_manage
from tests.tasks import GENERIC, KEPT, check

NOT_LOGGED_IN = 4401
NO_MEMBER = 4403
# Seconds; a heart that beats as often as in production would be too long to wait for.
HEARTBEAT = 0.2


def users(gs6):
    return {"gs6": {"/ws/ac/": gs6}, "gs7": dict.fromkeys(GENERIC, KEPT)}


SPEAKING, PRIVATE, BEATING = users(2), users(4), users(6)


@pytest.fixture
def manage(case, request, project):
    """A coroutine function that runs a command of the project; returns (exit status, what it wrote)."""

    async def on_the_wire(*words):
        server = request.getfixturevalue("server")
        url = server.environment["DATABASE_URL"]
        done = await asyncio.to_thread(run_manage, project, *words, status=None, DATABASE_URL=url)
        return done.returncode, done.stdout + done.stderr

    async def in_process(*words):
        request.getfixturevalue("application")
        return await asyncio.to_thread(call, *words)

    return in_process if case.way == "process" else on_the_wire


def call(*words):
    """Run a management command in this process, against the database of the checks."""
    from io import StringIO

    from django.core.management import CommandError, call_command
    from django.db import connection

    out = StringIO()
    try:
        call_command(*words, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    finally:
        connection.close()
    return 0, out.getvalue()


async def change_user(name, **fields):
    """Change these fields of a user in the database of this process; with none, delete the user."""
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.filter(username=name)
    await (user.aupdate(**fields) if fields else user.adelete())


async def expect_turned_out(member, code, within=5):
    """Assert that the server closes the connection with this code; frames from before may come first."""
    try:
        async with asyncio.timeout(within):
            await member.drain()
    except TimeoutError:
        raise no_close(code) from None
    except Closed as closed:
        closed_with = closed.code
    assert closed_with == code, f"expected the close code {code}, got {closed_with}"


@check("process", "wire", "redis", "postgres", **SPEAKING)
async def test_from_is_the_users_name(arrive):
    """Who speaks is named after the user who is logged in: in the welcome, to the others, and in messages."""
    ann, bob = await arrive(user="ann"), await arrive(user="bob")
    assert (ann.name, bob.name) == (ann.user.name, bob.user.name)
    assert (await ann.news()) == {"event": "join", "from": bob.user.name}
    await bob.say("hello")
    for member in (ann, bob):
        await member.hear("message", msg="hello", **{"from": bob.user.name})


@check("process", **SPEAKING)
@pytest.mark.parametrize("field", ["from", "sender", "user", "username", "name"])
async def test_nobody_speaks_for_others(arrive, field):
    """Whatever a client sends along, its messages come from its own user."""
    ann, bob = await arrive(user="ann"), await arrive(user="bob")
    await bob.send({"msg": "I am ann", field: ann.user.name})
    for member in (ann, bob):
        await member.hear("message", msg="I am ann", **{"from": bob.user.name})


@check("process", "wire", **SPEAKING)
async def test_two_tabs_have_one_name(arrive):
    """Two connections of a user speak under one name, and each hears what the other says."""
    one, other = await arrive(user="ann"), await arrive(user="ann")
    assert one.name == other.name
    await one.say("from one")
    for member in (one, other):
        await member.hear("message", msg="from one", **{"from": one.name})


@check("process", "wire", "redis", **SPEAKING)
async def test_who_is_not_logged_in_listens(arrive):
    """Who is not logged in has no name, hears all that is said in an open room, and is shown its history."""
    ann = await arrive()
    await ann.say("before")
    await ann.hear("message")
    guest = await arrive(user=None)
    assert guest.name is None
    await ann.say("after")
    await guest.hear("message", msg="after")


@check("process", "wire", "redis", **SPEAKING)
async def test_who_is_not_logged_in_cannot_speak(arrive):
    """Sending without a log-in gets the error login_required, again and again; nothing is stored or sent."""
    ann, guest = await arrive(), await arrive(user=None)
    for _ in range(3):
        await guest.say("from nobody")
        await guest.hear_error("login_required")
    await guest.send("no JSON")
    await guest.hear_error("bad_json", "login_required")
    await ann.hears_only()
    await guest.hear("message")
    late = await arrive(user=None)
    await late.hears_only()


@check("wire", **SPEAKING)
async def test_a_forged_session_is_nobody(new_client, case):
    """A cookie that no log-in has given is nobody's, whatever stands in it."""
    for value in ("x" * 32, "../../etc/passwd", "x" * 4000, '"', "\xe9", "%00"):
        guest = Member(new_client(case.route, cookie=f"sessionid={value}; csrftoken={value}"))
        assert (await guest.enter())["from"] is None


@check("process", "wire", "redis", "postgres", **PRIVATE)
async def test_a_private_room_is_for_its_members(arrive, seat, room, manage):
    """Of a private room, others hear nothing: the connection is accepted, and closed with 4401 or 4403."""
    ann = await arrive(user="ann")
    await ann.say("for members only")
    await ann.hear("message")
    bob, guest = await seat(user="bob"), await seat(user=None)
    status, said = await manage("private", room, ann.user.name)
    assert status == 0, said
    for member, code in ((bob, NO_MEMBER), (guest, NOT_LOGGED_IN)):
        await member.client.connect()
        await member.client.expect_close(code)
    assert (await (await arrive(user="ann")).user.get("/chat/")).body.count(room) > 0
    await ann.hears_only()


@check("process", **PRIVATE)
async def test_who_is_refused_is_told_to_nobody(arrive, seat, room, manage):
    """The members of a private room are not told of those who were not let in; these speak to nobody."""
    ann = await arrive(user="ann")
    await manage("private", room, ann.user.name)
    bob = await seat(user="bob")
    await bob.client.connect()
    await bob.say("let me in")
    await bob.client.expect_close(NO_MEMBER)
    await bob.client.ended()
    await ann.say("is that all?")
    frame = await ann.news()
    assert (frame["event"], frame.get("msg")) == ("message", "is that all?")


@check("process", "wire", "postgres", **PRIVATE)
async def test_a_private_room_is_listed_for_its_members(arrive, new_visitor, room, manage):
    """GET /chat/ lists a private room for its members alone. Its page is for everybody, and holds nothing of it."""
    another = room.replace("room", "hall")
    ann, bob = await arrive(user="ann"), await arrive(another, user="bob")
    for member in (ann, bob):
        await member.say("for members only")
        await member.hear("message")
    await manage("private", room, ann.user.name)
    nobody = new_visitor()
    for visitor, rooms in ((ann.user, {room, another}), (bob.user, {another}), (nobody, {another})):
        page = await visitor.get("/chat/")
        assert page.status == 200
        assert {name for name in (room, another) if name in page.body} == rooms
    for visitor in (bob.user, nobody):
        page = await visitor.get(f"/chat/{room}/")
        assert page.status == 200
        assert "for members only" not in page.body
        assert ann.user.name not in page.body


@check("process", **PRIVATE)
async def test_private_sets_exactly_these_members(arrive, seat, room, manage):
    """`private ROOM USER …` makes the room if it is new, and sets its members; with --open everybody may come in."""
    ann, bob = await arrive("another room", user="ann"), await arrive("another room", user="bob")
    for members, others in ((["ann", "bob"], []), (["bob"], ["ann"]), ([], ["ann", "bob"])):
        names = {"ann": ann.user.name, "bob": bob.user.name}
        status, said = await manage("private", room, *(names[label] for label in members))
        assert status == 0, said
        for label in members:
            await arrive(user=label)
        for label in others:
            refused = await seat(user=label)
            await refused.client.connect()
            await refused.client.expect_close(NO_MEMBER)
    status, said = await manage("private", room, "--open")
    assert status == 0, said
    for label in ("ann", "bob", None):
        await arrive(user=label)


@check("process", "wire", **PRIVATE)
async def test_private_without_such_a_user_says_so(arrive, room, manage):
    """`private` with a user that does not exist says which, ends with status 1, and has changed nothing."""
    ann = await arrive(user="ann")
    status, said = await manage("private", room, ann.user.name, "nobody-of-that-name")
    assert status == 1
    assert "nobody-of-that-name" in said
    assert ann.user.name not in said
    await arrive(user=None)


@check("process", **PRIVATE)
@pytest.mark.parametrize("name", ["", "x" * 301, "a\0b"], ids=ascii)
async def test_private_refuses_what_is_no_name(manage, name):
    """`private` refuses a name that no room can have, and says so."""
    status, said = await manage("private", name)
    assert status == 1, f"with the name {name[:20]!r}, `private` ended with status {status}, not 1"
    assert said.strip(), f"`private` refused the name {name[:20]!r} without a word"


@check("process", **PRIVATE)
async def test_private_opens_a_room_without_members(arrive, room, manage):
    """`private ROOM USER … --open` is refused, and says so: an open room has no members."""
    ann = await arrive("another room", user="ann")
    status, said = await manage("private", room, ann.user.name, "--open")
    assert status == 1, f"`private ROOM USER --open` ended with status {status}, not 1"
    assert said.strip(), "`private ROOM USER --open` was refused without a word"


@check("process", **PRIVATE)
async def test_the_admin_makes_a_room_private(arrive, seat, room, database):
    """The admin's form of a room has its members, and makes it private."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    ann = await arrive(user="ann")
    await ann.say("hello")
    await ann.hear("message")
    bob = await seat(user="bob")

    def edit():
        from django.apps import apps
        from django.db import connection

        users = get_user_model().objects
        client = Client(headers={"host": "localhost"})
        client.force_login(users.filter(is_superuser=True).first() or users.create_superuser("the-admin"))
        model = next(model for model in apps.get_app_config("app").get_models() if model.__name__ == "Room")
        pk = model.objects.get(name=room).pk
        fields = {"name": room, "private": "on", "members": [users.get(username=ann.user.name).pk]}
        response = client.post(f"/admin/app/room/{pk}/change/", fields)
        connection.close()
        return response

    response = await asyncio.to_thread(edit)
    assert response.status_code == 302, response.content
    await bob.client.connect()
    await bob.client.expect_close(NO_MEMBER)
    await arrive(user="ann")


@pytest.fixture
def quick_hearts(settings):
    settings.HEARTBEAT = HEARTBEAT


@check("process", **BEATING)
async def test_a_membership_is_withdrawn(join, room, manage, quick_hearts):
    """Who is no member any more is turned out with 4403 at the next heartbeat, and hears nothing after that."""
    ann, bob = await join(user="ann"), await join(user="bob")
    await manage("private", room, ann.user.name, bob.user.name)
    await bob.say("still a member")
    await ann.hear("message")
    await manage("private", room, ann.user.name)
    await expect_turned_out(bob, NO_MEMBER)
    await bob.client.ended()
    assert (await ann.news()) == {"event": "leave", "from": bob.user.name}
    await ann.hears_only()


@check("process", **BEATING)
async def test_a_room_becomes_private(join, room, manage, quick_hearts):
    """When a room becomes private, those who may not be there are turned out, each with the reason."""
    ann, bob, guest = await join(user="ann"), await join(user="bob"), await join(user=None)
    await manage("private", room, ann.user.name)
    await expect_turned_out(guest, NOT_LOGGED_IN)
    await expect_turned_out(bob, NO_MEMBER)
    await ann.hears_only()


@check("process", **BEATING)
@pytest.mark.parametrize(
    "fields", [{"is_active": False}, {"password": "another"}, {}], ids=["inactive", "password", "deleted"]
)
async def test_a_user_who_is_none_any_more(join, fields, quick_hearts):
    """Who is deactivated or deleted, or has another password, is turned out with 4401 at the next heartbeat."""
    ann, bob = await join(user="ann"), await join(user="bob")
    await expect_shown(ann, ann, bob)
    await change_user(bob.user.name, **fields)
    await expect_turned_out(bob, NOT_LOGGED_IN)
    await expect_shown(ann, ann)
    await ann.hears_only()


@check("process", **BEATING)
async def test_a_log_out_that_nobody_was_told_of(join, quick_hearts):
    """Whose session is gone, as after a log-out during the handshake, is turned out with 4401 at the next heartbeat."""
    ann, bob = await join(user="ann"), await join(user="bob")
    await expect_shown(ann, ann, bob)
    await end_session(bob.user)
    await expect_turned_out(bob, NOT_LOGGED_IN)
    await expect_shown(ann, ann)
    await ann.hears_only()


async def expect_shown(member, *members):
    """Wait until the member has been shown these as the users who are here: who comes and goes at once never is."""
    while (await member.hear("users"))["users"] != sorted(each.name for each in members):
        pass


async def end_session(visitor):
    """Delete the visitor's session, as a log-out does, and tell nobody."""
    from django.conf import settings

    sessions = importlib.import_module(settings.SESSION_ENGINE)
    await sessions.SessionStore(visitor.cookies[settings.SESSION_COOKIE_NAME]).aflush()


@check("process", **SPEAKING)
async def test_a_name_is_passed_on_as_it_is(new_visitor, new_client, room, case):
    """A user's name may hold what Django allows in one; it arrives as it is."""
    visitor = new_visitor()
    await visitor.sign_up(f"ann+{room}@example.org_-.é")
    member = Member(new_client(f"{case.route}{room}/", cookie=visitor.cookie))
    assert (await member.enter())["from"] == visitor.name


@check("process", **SPEAKING)
async def test_an_old_session_is_nobodys(new_visitor, new_client, case):
    """After the log-out its cookie is worth nothing to the chat either."""
    visitor = new_visitor()
    await visitor.sign_up()
    old = visitor.cookie
    assert (await Member(new_client(case.route, cookie=old)).enter())["from"] == visitor.name
    await visitor.log_out()
    assert (await Member(new_client(case.route, cookie=old)).enter())["from"] is None


@check(gs6=1, gs7=KEPT)
def test_passwords_are_looked_at(settings):
    """Django's password validators are on, all four."""
    assert len(settings.AUTH_PASSWORD_VALIDATORS) >= 4
