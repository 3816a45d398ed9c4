"""From gs6 on: a ticket lets a client in that is no browser; once, for a minute, as the user who has asked for it."""

import asyncio
import contextlib
import re
import time
from datetime import datetime, timedelta

import pytest

from tests.steps.test_users import end_session, expect_turned_out
from tests.support.chat import Member
from tests.support.client import Closed, WireClient
from tests.support.server import DEPLOYED, Server
from tests.support.visitor import visitor_of
from tests.support.waiting import wait_until
from tests.tasks import KEPT, check

WAYS = ("process", "wire", "postgres")
TICKETS = {"gs6": {"/ws/ac/": 8}, "gs7": {"/ws/ajwc/": KEPT}}
NOT_LOGGED_IN = 4401


@pytest.fixture
def come(new_client, case, room):
    """A coroutine function that returns the name under which a client with this ticket is let in, or its close code."""

    async def come(ticket, room=room, **headers):
        member = Member(new_client(f"{case.route}{room}/?ticket={ticket}", **headers))
        try:
            return (await member.enter())["from"]
        except Closed as closed:
            # Whoever is turned out has no consumer that is left alone, or fails.
            await member.client.leave(closed.code)
            await member.client.ended()
            return closed.code

    return come


@check(*WAYS, **TICKETS)
async def test_a_ticket_lets_in_its_user(user_for, come):
    """POST /ticket/ gives a ticket; with ?ticket= a client is the user who has asked for it, without any cookie."""
    ann = await user_for("ann")
    response = await ann.ticket()
    assert response.status == 200
    assert response.header("content-type").startswith("application/json")
    assert "no-store" in re.split(r"[,\s]+", response.header("cache-control"))
    given = response.json()
    assert given["expires_in"] == 60
    assert await come(given["ticket"]) == ann.name


@check(*WAYS, **TICKETS)
async def test_a_ticket_without_the_token_is_refused(user_for):
    """A POST without the page's CSRF token is refused with 403, and gives no ticket."""
    ann = await user_for("ann")
    token, ann.token = ann.token, ""
    assert (await ann.post("/ticket/")).status == 403
    ann.token = token


@check(*WAYS, **TICKETS)
async def test_a_ticket_works_once(user_for, come):
    """A ticket that was used is worth nothing: accepted, and closed with 4401."""
    ticket = (await (await user_for("ann")).ticket()).json()["ticket"]
    assert isinstance(await come(ticket), str)
    for _ in range(2):
        assert await come(ticket) == NOT_LOGGED_IN


@check(*WAYS, "redis", **TICKETS)
async def test_a_ticket_works_once_at_once(user_for, come):
    """Of five who come with one ticket in the same moment, one is let in."""
    ann = await user_for("ann")
    for _ in range(4):
        ticket = (await ann.ticket()).json()["ticket"]
        results = await asyncio.gather(*(come(ticket) for _ in range(5)))
        assert sorted(map(str, results)) == sorted([ann.name] + [str(NOT_LOGGED_IN)] * 4, key=str)


@check("postgres", **TICKETS)
async def test_a_ticket_works_once_on_two_servers(user_for, come, start_recorded, server, case, timeline):
    """Of two who come with one ticket to two servers in the same moment, one is let in."""
    other = start_recorded(server.database)
    await asyncio.to_thread(other.wait)
    ann = await user_for("ann")
    ticket = (await ann.ticket()).json()["ticket"]

    async def come_there():
        client = WireClient(other, f"{case.route}?ticket={ticket}", timeline, other.events)
        try:
            return (await Member(client).enter())["from"]
        except Closed as closed:
            return closed.code
        finally:
            await client.discard()

    with all_rows_locked(server.environment["DATABASE_URL"]) as how_many_wait:
        both = asyncio.gather(come(ticket), come_there())
        # So both have seen the ticket before one of them can have used it up.
        await wait_until(lambda: how_many_wait() >= 2, "both to want the ticket", within=3)
    assert sorted(map(str, await both)) == sorted([ann.name, str(NOT_LOGGED_IN)])
    other.kill()


@contextlib.contextmanager
def all_rows_locked(url):
    """Let nobody change or delete what is in the tables of the project's app; yield a function: how many want to."""
    import psycopg

    tables = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'app_%'"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(url) as connection, psycopg.connect(url, autocommit=True) as observer:
        for (table,) in connection.execute(tables).fetchall():
            connection.execute(f'SELECT * FROM "{table}" FOR UPDATE')
        yield lambda: observer.execute(waiting).fetchone()[0]
        connection.rollback()


@check("process", "wire", **TICKETS)
@pytest.mark.parametrize("ticket", ["", "x", "x" * 5000, "%00", "%FF", "%F0%9F%8E%89", "..%2F..", "'--"], ids=len)
async def test_a_wrong_ticket_is_refused(user_for, come, ticket):
    """A ticket that nobody was given gets 4401; a good cookie beside it does not help."""
    ann = await user_for("ann")
    assert await come(ticket) == NOT_LOGGED_IN
    assert await come(ticket, cookie=ann.cookie) == NOT_LOGGED_IN


@check("process", **TICKETS)
async def test_a_ticket_goes_before_the_session(user_for, come):
    """Whose ticket it is counts, not whose cookie."""
    ann, bob = await user_for("ann"), await user_for("bob")
    ticket = (await ann.ticket()).json()["ticket"]
    assert await come(ticket, cookie=bob.cookie) == ann.name


@check("process", **TICKETS)
async def test_tickets_differ(user_for, come):
    """Each ticket is another one, too long to be guessed, and several of one user work side by side."""
    ann = await user_for("ann")
    tickets = [(await ann.ticket()).json()["ticket"] for _ in range(5)]
    assert len(set(tickets)) == 5
    assert min(map(len, tickets)) >= 20
    for ticket in reversed(tickets):
        assert await come(ticket) == ann.name


@check("process", **TICKETS)
async def test_a_ticket_is_good_for_a_minute(user_for, come):
    """A ticket works for 60 s, and no longer."""
    ann = await user_for("ann")
    for seconds, comes_as in ((58, ann.name), (61, NOT_LOGGED_IN)):
        before = await kept_rows()
        ticket = (await ann.ticket()).json()["ticket"]
        await grow_older(await kept_rows() - before, seconds)
        assert await come(ticket) == comes_as


async def kept_rows():
    """Return (model, primary key) of all that the project keeps."""
    from django.apps import apps

    models = apps.get_app_config("app").get_models()
    return {(model, pk) for model in models async for pk in model.objects.values_list("pk", flat=True)}


async def grow_older(rows, seconds):
    """Put all times in these rows back by so many seconds: a clock would be read in as many ways as there are."""
    for model, pk in rows:
        row = model.objects.filter(pk=pk)
        ago = {name: earlier(value, seconds) for name, value in (await row.values().aget()).items() if is_time(value)}
        await row.aupdate(**ago)


def is_time(value):
    # A number may be a Unix time.
    return isinstance(value, datetime) or (isinstance(value, int | float) and abs(value - time.time()) < 1000)


def earlier(value, seconds):
    return value - (timedelta(seconds=seconds) if isinstance(value, datetime) else seconds)


@check("process", **TICKETS)
async def test_who_is_not_logged_in_gets_none(new_visitor, user_for):
    """Without a log-in there is no ticket: 401, in JSON. GET gets none either: 405."""
    visitor = new_visitor()
    await visitor.get("/accounts/login/")
    response = await visitor.post("/ticket/")
    assert response.status == 401
    assert response.json(), "nothing is said to who gets no ticket"
    ann = await user_for("ann")
    assert (await ann.get("/ticket/")).status == 405


@check("process", **TICKETS)
async def test_a_ticket_dies_with_the_log_out(user_for, come):
    """Who logs out has no ticket left."""
    ann = await user_for("ann")
    ticket = (await ann.ticket()).json()["ticket"]
    await ann.log_out()
    assert await come(ticket) == NOT_LOGGED_IN


@check("process", **TICKETS)
async def test_a_deactivated_user_is_not_let_in(user_for, come):
    """The ticket of a user who was deactivated meanwhile is worth nothing."""
    from tests.steps.test_users import change_user

    ann = await user_for("ann")
    ticket = (await ann.ticket()).json()["ticket"]
    await change_user(ann.name, is_active=False)
    assert await come(ticket) == NOT_LOGGED_IN


@check("process", "wire", **TICKETS)
async def test_the_log_out_ends_connections_with_tickets(user_for, new_client, case, room):
    """A connection that came with a ticket ends with the log-out of its user, as the others do."""
    ann = await user_for("ann")
    ticket = (await ann.ticket()).json()["ticket"]
    member = Member(new_client(f"{case.route}{room}/?ticket={ticket}"))
    assert (await member.enter())["from"] == ann.name
    await ann.log_out()
    await expect_turned_out(member, NOT_LOGGED_IN)


@check("process", **TICKETS)
async def test_a_ticket_needs_no_session(user_for, seat, new_client, case, room, settings):
    """Who has come with a ticket stays when a heart beats, whatever becomes of the session in a cookie beside it."""
    settings.HEARTBEAT = 0.2
    ann = await user_for("ann")
    bob = await seat(user="bob")
    members = []
    for cookie in (None, bob.user.cookie):
        ticket = (await ann.ticket()).json()["ticket"]
        members.append(Member(new_client(f"{case.route}{room}/?ticket={ticket}", cookie=cookie)))
        assert (await members[-1].enter())["from"] == ann.name
    await bob.enter()
    await end_session(bob.user)
    # His heart began later than theirs.
    await expect_turned_out(bob, NOT_LOGGED_IN)
    for member in members:
        await member.hears_only()


@check("process", **TICKETS)
async def test_the_database_does_not_know_the_ticket(user_for, database):
    """Who reads the database finds no ticket there that works: only what was made of it."""
    from django.apps import apps

    ticket = (await (await user_for("ann")).ticket()).json()["ticket"]
    for model in apps.get_models():
        async for values in model.objects.values_list():
            assert ticket not in map(str, values), f"the ticket stands in {model.__name__}"


@check("process", **TICKETS)
async def test_old_tickets_are_thrown_away(user_for, database):
    """Tickets that nobody has used do not pile up."""
    ann = await user_for("ann")
    # Whatever has grown old in another check goes with this one.
    await ann.ticket()
    before = await kept_rows()
    for _ in range(5):
        await ann.ticket()
    tickets = await kept_rows() - before
    assert len(tickets) == 5
    await grow_older(tickets, 61)
    await ann.ticket()
    assert len(await kept_rows()) <= len(before) + 1


@check(gs6=8, gs7=KEPT)
async def test_a_ticket_is_given_over_https_only(alone, migration, case):
    """Without DEBUG a ticket is given over HTTPS only: else 403, in words. Behind a proxy that says so it is given."""
    await asyncio.to_thread(migration.wait, 20)
    application = f"{case.step}.asgi:application"
    with Server(alone, "daphne", application, **DEPLOYED) as server:
        ann = visitor_of(server)
        await ann.sign_up()
        response = await ann.ticket()
        assert response.status == 403
        assert "HTTPS" in str(response.json()), f"the refusal does not speak of HTTPS: {response.body}"
        await ann.get("/chat/")
        headers = {"X-Forwarded-Proto": "https", "X-CSRFToken": ann.token, "Origin": server.url("", "http")}
        assert (await ann.request("POST", "/ticket/", headers)).status == 403, "a client can claim to come over HTTPS"
    with Server(alone, "daphne", application, **DEPLOYED, BEHIND_PROXY="1") as server:
        bob = visitor_of(server)
        await bob.sign_up()
        await bob.get("/chat/")
        headers = {"X-CSRFToken": bob.token, "Origin": server.url("", "http")}
        assert (await bob.request("POST", "/ticket/", headers)).status == 403
        headers |= {"X-Forwarded-Proto": "https", "Origin": server.url("", "https")}
        response = await bob.request("POST", "/ticket/", headers)
        assert response.status == 200, response.body
