"""From gs5 on: what is said in a room is kept, and whoever comes later is shown it."""

import asyncio
import contextlib
import inspect
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from channels.layers import InMemoryChannelLayer

from tests.steps.holding import holding_up, meanwhile
from tests.steps.test_rooms import Links
from tests.support.chat import Member
from tests.support.client import Closed, WireClient
from tests.support.postgres import HOW_TO_INSTALL, Postgres, find_postgres, new_database
from tests.support.redis import Redis
from tests.support.server import expect_no_trouble
from tests.support.timeline import shorten
from tests.support.verdicts import cannot_check
from tests.support.waiting import wait_until
from tests.tasks import GENERIC, KEPT, check

WAYS = ("process", "wire", "postgres")
ALL_FOUR = dict.fromkeys(GENERIC, KEPT)
LAST = 50
LONGEST = 2000
# What no database would keep as a room's name. A URL has meanings of its own for some of the letters.
NOT_TO_BE_KEPT = ["a&b#c+d" + "x" * 294, "a\0b"]


def sync_and_async(number):
    """Return the routes of gs5: the sync one belongs to the task `number`, the async one has a task of its own."""
    return {"gs5": {"/ws/sc/": number, "/ws/ac/": 7}, "gs6": {"/ws/ac/": KEPT}, "gs7": ALL_FOUR}


STORE, REFUSE, SHOW, AFTER = map(sync_and_async, (3, 4, 5, 6))


class Reader(Member):
    """A member who keeps what it was shown in `messages`: first the history, then what was said."""

    def __init__(self, client, user=None):
        super().__init__(client, user)
        self.messages = []

    async def come(self):
        """Connect, and expect the welcome, whether or not a history follows; return this reader."""
        await super().enter()
        return self

    async def enter(self):
        """Come, and expect the first part of the history; return this reader."""
        await self.come()
        history = await self.next()
        assert history["event"] == "history", f"expected the history after the welcome, got {history}"
        return self

    async def next(self):
        frame = await super().next()
        if frame["event"] == "history":
            assert all(message["event"] == "message" for message in frame["messages"])
            self.messages += frame["messages"]
        elif frame["event"] == "message":
            self.messages.append(frame)
        return frame

    async def tell(self, msg):
        """Say something new; return it as it came back."""
        await self.say(msg)
        while (frame := await self.next()).get("msg") != msg:
            assert frame["event"] != "error", f"{msg!r} got {frame}"
        return frame

    async def read_to(self, last):
        """Read until the message `last` was shown; return all ids that were shown, in their order."""
        while last["id"] not in self.ids:
            frame = await self.next()
            assert frame["event"] != "error", f"somebody else's error came here: {frame}"
        return self.ids

    @property
    def ids(self):
        return [message["id"] for message in self.messages]

    @property
    def texts(self):
        return [message["msg"] for message in self.messages]


@pytest.fixture
def come(seat):
    """A coroutine function that returns a Reader who has its welcome, whether or not there is a history."""

    async def come(*args, **options):
        return await (await seat(*args, member=Reader, **options)).come()

    return come


@pytest.fixture
def join(seat):
    """A coroutine function that returns a Reader who has its welcome and the first part of the history."""

    async def join(*args, **options):
        return await (await seat(*args, member=Reader, **options)).enter()

    return join


@pytest.fixture
def routes(case):
    """Two routes that lead to the same rooms: in gs5 the sync one, which is built first, and the case's."""
    return {"gs5": ("/ws/sc/", case.route), "gs6": ("/ws/ac/", "/ws/ac/"), "gs7": (case.route, "/ws/ajwc/")}[case.step]


async def converse(member, number):
    """Let `member` say so many messages; return them."""
    return [await member.tell(f"message {n}") for n in range(1, number + 1)]


@check(gs5=2, gs6=KEPT, gs7=KEPT)
def test_the_migrations_are_complete(project, database):
    """There are models, and the migrations make just what they say: `makemigrations --check` finds nothing to do."""
    from django.apps import apps
    from django.core.management import call_command

    own = [model for model in apps.get_models() if is_inside(model, project)]
    assert own, "the project has no model"
    try:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    except SystemExit:
        raise AssertionError(
            "the models have changed since the last migration: python manage.py makemigrations"
        ) from None


def is_inside(model, project):
    """Return whether a model is the project's own."""
    return Path(inspect.getfile(model)).is_relative_to(project)


@check(*WAYS, **STORE)
async def test_a_message_has_an_id_and_a_time(come):
    """Each message comes with its id, which rises, and the time in UTC, written as ISO 8601."""
    began = datetime.now(UTC)
    member = await come()
    first, second = await converse(member, 2)
    assert isinstance(first.get("id"), int), f"expected a message with a number as its id, got {first}"
    assert isinstance(first.get("at"), str), f"expected a message with its time, got {first}"
    assert first["id"] < second["id"]
    assert first.get("from") == member.name, f"{first.get('from')!r} is not who has said it"
    at = datetime.fromisoformat(first["at"])
    assert at.utcoffset() == timedelta(0), f"{first['at']} is not in UTC"
    assert began - timedelta(seconds=1) <= at <= datetime.now(UTC)


@check("process", **SHOW)
async def test_the_history_comes_after_the_welcome(come):
    """After its welcome a new member gets the history, which is empty in a new room."""
    member = await come()
    assert await member.next() == {"event": "history", "messages": []}


@check(*WAYS, **SHOW)
async def test_what_was_heard_is_kept(join, routes):
    """What somebody has heard, whoever joins next is shown in the same form; sync and async alike."""
    ann, bob = [await join(route=route) for route in routes]
    said = [await ann.tell("from ann"), await bob.tell("<b>from</b> bob ☂ 🎉")]
    await asyncio.gather(ann.read_to(said[1]), bob.read_to(said[0]))
    assert ann.messages == bob.messages == said
    for route in routes:
        assert (await join(route=route)).messages == said


@check(*WAYS, **SHOW)
async def test_rooms_are_apart(join):
    """What was said in one room is in no other room's history, be their names as alike as they may."""
    name = uuid.uuid4().hex
    named = [f"{name}{tail}" for tail in ("", "/", "A", "a", "%", "_")]
    members = [await join(name) for name in named]
    for name, member in zip(named, members, strict=True):
        await member.tell(f"in {name}")
    for name in named:
        assert (await join(name)).texts == [f"in {name}"]
    # Not even whoever has been here all the time has heard anything of the others.
    await members[0].hears_only()


@check("process", **SHOW)
@pytest.mark.unhurried
async def test_many_at_once(join, routes):
    """Many who speak in the same moment, the first in their room: every message is kept once, and all hear all."""
    members = [await join(route=route) for route in routes for _ in range(4)]
    await asyncio.gather(*(member.say(f"{number}") for number, member in enumerate(members)))
    for member in members:
        while len(member.messages) < len(members):
            await member.next()
    shown = (await join()).messages
    assert sorted(message["msg"] for message in shown) == sorted(map(str, range(len(members))))
    assert [message["id"] for message in shown] == sorted(message["id"] for message in shown)


@pytest.fixture
def no_storing(request, case):
    """A context manager: inside it SQLite is locked, and PostgreSQL's tables are out of sight."""

    @contextlib.contextmanager
    def locked_sqlite(path):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def renamed_schema(url):
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA public RENAME TO away")
            yield
            connection.execute("ALTER SCHEMA away RENAME TO public")

    def no_storing():
        if case.way != "process":
            url = request.getfixturevalue("server").environment["DATABASE_URL"]
            return renamed_schema(url) if case.way == "postgres" else locked_sqlite(url.removeprefix("sqlite:///"))
        from django.db import connection

        if connection.vendor != "sqlite":
            cannot_check("in process only SQLite can be locked; DATABASE_URL names another database")
        return locked_sqlite(connection.settings_dict["NAME"])

    return no_storing


@check(*WAYS, **REFUSE)
@pytest.mark.unhurried
async def test_what_is_not_stored_is_not_sent(come, routes, no_storing):
    """A message that cannot be stored: its sender gets the error not_stored, nobody else anything."""
    ann, bob = [await come(route=route) for route in routes]
    sender = await come()
    await sender.tell("before")
    with no_storing():
        await sender.say("lost")
        await sender.hear_error("not_stored")
    after = await sender.tell("after")
    for member in (ann, bob):
        await member.read_to(after)
        assert member.texts == ["before", "after"]


@check("process", **REFUSE)
@pytest.mark.unhurried
async def test_what_is_not_stored_leaves_no_room(come, room, database_file):
    """A room is made by its first message: where that cannot be stored, there is no room either."""
    known = f"known {uuid.uuid4().hex}"
    await (await come("where it can be stored")).tell(known)
    ann = await come()
    with contextlib.closing(sqlite3.connect(database_file, isolation_level=None)) as connection:
        before = rows_with(room, connection)
        with refusing_rows(rows_with(known, connection), connection):
            await ann.say("lost")
            await ann.hear_error("not_stored")
        assert rows_with(room, connection) == before, "the message was not stored, but its room was made"
    await ann.tell("after")


@pytest.fixture
def database_file(database):
    """The SQLite file of the checks in process."""
    from django.db import connection

    if connection.vendor != "sqlite":
        cannot_check("in process only SQLite can be looked into; DATABASE_URL names another database")
    return connection.settings_dict["NAME"]


def rows_with(words, connection):
    """Return how many rows have these words in them, by the tables of an SQLite file, whatever their names."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        table: sum(words in str(row) for row in connection.execute(f'SELECT * FROM "{table}"')) for table in tables
    }
    return {table: number for table, number in found.items() if number}


@contextlib.contextmanager
def refusing_rows(tables, connection):
    """Inside it these tables of an SQLite file take no new row."""
    for table in tables:
        refuse = "BEGIN SELECT RAISE(ABORT, 'no room for a row'); END"
        connection.execute(f'CREATE TRIGGER "refuse {table}" BEFORE INSERT ON "{table}" {refuse}')
    try:
        yield
    finally:
        for table in tables:
            connection.execute(f'DROP TRIGGER "refuse {table}"')


@check("process", **SHOW)
@pytest.mark.unhurried
async def test_what_is_not_stored_is_in_no_history(join, no_storing):
    """A message that could not be stored is shown to nobody who comes later."""
    ann = await join()
    before = await ann.tell("before")
    with no_storing():
        await ann.say("lost")
        await ann.hear_error("not_stored")
    after = await ann.tell("after")
    assert (await join()).messages == [before, after]


@check(*WAYS, **SHOW)
@pytest.mark.unhurried
async def test_the_last_fifty_are_shown(join):
    """After its welcome a new member gets the history: the last 50 messages, oldest first."""
    assert (await join()).messages == [], "a new room has a history"
    said = await converse(await join(), LAST + 5)
    assert (await join()).messages == said[-LAST:]


@check(*WAYS, **AFTER)
@pytest.mark.unhurried
async def test_all_after_an_id_are_shown(join):
    """With ?after=<id> the history holds every later message, however many there are."""
    said = await converse(await join(), LAST + 5)
    member = await join(query=f"?after={said[0]['id']}")
    await member.read_to(said[-1])
    assert member.messages == said[1:]
    assert (await join(query=f"?after={said[-2]['id']}")).messages == said[-1:]
    nothing_new = await join(query=f"?after={said[-1]['id']}")
    assert nothing_new.messages == []
    assert (await nothing_new.tell("next")) == nothing_new.messages[0]


@check("postgres", **AFTER)
async def test_ids_are_seen_in_their_order(server, start_recorded, come, newcomer, room):
    """Of two servers at one PostgreSQL, none shows a message while one with a smaller id is still being stored."""
    import psycopg

    known = uuid.uuid4().hex
    await (await come(f"known {known}")).tell(known)
    other = start_recorded(server.database)
    await asyncio.to_thread(other.wait)
    ann, bob = await come(), await (await newcomer(other, room)).come()
    try:
        with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("SET lock_timeout = '5s'")
            with holding_up(known, connection) as lock:
                # The first of all is the first in its room, which has to be made.
                for _ in range(2):
                    await overtake(ann, bob, f"slow {known}", lock, connection)
    finally:
        await bob.client.discard()
        other.kill()


async def overtake(ann, bob, slow, lock, connection):
    """Let bob speak while what ann says is held up on its way into the database."""
    has_overtaken, telling = await meanwhile(
        lambda: ann.say(slow), lambda: bob.tell("quick"), "bob's message to be heard", lock, connection
    )
    quick, slow = await telling, await ann.hear("message", msg=slow)
    assert not has_overtaken or quick["id"] < slow["id"], (
        f"message {quick['id']} was heard before message {slow['id']} was stored: ?after={quick['id']} leaves that out"
    )


@check("process", "postgres", **AFTER)
@pytest.mark.parametrize(
    "after", ["", "x", "-1", "1.5", "%D9%A3", "%00", "%FF", "1&after=2", "9" * 30, "9" * 5000], ids=len
)
async def test_an_odd_after_does_no_harm(join, after):
    """An `after` that is no id of this room shows the last messages, or none; the connection works."""
    said = await converse(await join(), 3)
    member = await join(query=f"?after={after}")
    assert member.messages in (said, said[1:], [])
    await member.tell("hello")


@check("wire", **AFTER)
@pytest.mark.parametrize("character", ["🎉", "\x01", '"'], ids=ascii)
async def test_a_history_of_long_messages_arrives(join, character):
    """Daphne sends at most 1 MiB at once: a history of the longest messages arrives whole all the same."""
    writer = await join()
    said = [await writer.tell(character * (LONGEST - 10) + f"{n:010}") for n in range(2 * LAST + 10)]
    assert (await join()).messages == said[-LAST:]
    member = await join(query="?after=0")
    await member.read_to(said[-1])
    assert member.messages == said


@check(*WAYS, **AFTER)
@pytest.mark.unhurried
async def test_joining_while_others_talk(join, routes):
    """Who joins in the middle of a conversation is shown every message once: in the history, or when it is said."""
    talker = await join(route=routes[0])
    said, members = [], []
    talking = True

    async def talk():
        while talking:
            said.append(await talker.tell(f"message {len(said)}"))

    talk_task = asyncio.create_task(talk())
    for number in range(12):
        # The first ones see the conversation begin.
        member = await join(query=f"?after={said[-1]['id']}" if said and number % 3 == 0 else "")
        members.append((member, len(said)))
        # From its welcome on, read along: a layer drops what waits too long.
        await member.next()
    talking = False
    await talk_task
    ids = [message["id"] for message in said]
    for member, _ in members:
        heard = await member.read_to(said[-1])
        assert heard == ids[-len(heard) :], "something was missed, or came twice, or in another order"
    assert len({len(member.messages) for member, _ in members}) > 1, "they all joined at the same time"


@check("process", **SHOW)
async def test_said_while_joining_takes_long(join, seat, monkeypatch):
    """However long the layer takes to add a member, nothing that is said meanwhile is missed."""
    group_add = InMemoryChannelLayer.group_add

    async def slow_group_add(self, group, channel):
        await asyncio.sleep(0.03)
        await group_add(self, group, channel)

    talker, newcomer = await join(), await seat(member=Reader)
    said = [await talker.tell("before")]
    monkeypatch.setattr(InMemoryChannelLayer, "group_add", slow_group_add)
    entering = asyncio.create_task(newcomer.enter())
    while not entering.done():
        said.append(await talker.tell(f"message {len(said)}"))
    await entering
    shown = await newcomer.read_to(said[-1])
    assert shown == [message["id"] for message in said][-len(shown) :], "something was missed, or came twice"
    assert len(shown) >= min(len(said), LAST), "something was missed: the history is too short"


@check("process", **SHOW)
async def test_stored_just_before_joining(join, layer, database_file, monkeypatch):
    """The history is read after the joining: it has what was stored, and sent to the group, just before that."""
    talker = await join()
    words, groups = f"said twice {uuid.uuid4().hex}", []
    group_add, group_send = layer.group_add, layer.group_send

    async def remember_and_send(group, event):
        if words in str(event):
            groups.append(group)
        await group_send(group, event)

    async def store_and_add(group, channel):
        # Once, however often she adds it.
        if group in groups:
            groups.clear()
            repeat_row(words, database_file)
        await group_add(group, channel)

    monkeypatch.setattr(layer, "group_send", remember_and_send)
    await talker.tell(words)
    assert groups, "the message did not go through the layer's group_send"
    monkeypatch.setattr(layer, "group_add", store_and_add)
    newcomer = await join()
    assert newcomer.texts == [words, words], "the history was read before the layer had added this member"


def repeat_row(words, file):
    """Store the message with these words once more, as another process would; it is the only row with them."""
    # Not by a consumer: all sync ones share a thread, which has to do with the joining at the moment.
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        [table] = rows_with(words, connection)
        columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        others = ", ".join(f'"{name}"' for _, name, *_, is_key in columns if not is_key)
        select = f'SELECT {others} FROM "{table}" ORDER BY rowid DESC LIMIT 1'
        connection.execute(f'INSERT INTO "{table}" ({others}) {select}')


@check("process", **SHOW)
async def test_stored_between_joining_and_reading(join, seat):
    """A message that is said while somebody's handshake is on its way comes to it once."""
    talker = await join()
    newcomer = await seat(member=Reader)
    await newcomer.client.start()
    said = [await talker.tell(f"message {number}") for number in range(5)]
    event = await newcomer.client.output()
    assert event["type"] == "websocket.accept"
    assert (await newcomer.next())["event"] == "welcome"
    ids = await newcomer.read_to(said[-1])
    assert ids == [message["id"] for message in said]


@check("process", **SHOW)
async def test_what_the_history_has_shown_does_not_come_again(join, layer, monkeypatch):
    """A message that is in the history, and that the layer brings after it, is shown once."""
    sent = {}
    group_add, group_send = layer.group_add, layer.group_send

    async def keep_and_send(group, event):
        sent[group] = event
        await group_send(group, event)

    async def add_and_send_again(group, channel):
        await group_add(group, channel)
        if group in sent:
            await group_send(group, sent[group])

    talker = await join()
    monkeypatch.setattr(layer, "group_send", keep_and_send)
    said = await talker.tell("stored while the newcomer joins")
    monkeypatch.setattr(layer, "group_add", add_and_send_again)
    newcomer = await join()
    assert sent, "the message did not go through the layer's group_send"
    assert newcomer.messages == [said]
    after = await newcomer.tell("after")
    assert newcomer.messages == [said, after]


@check("redis", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7=ALL_FOUR)
async def test_stored_but_not_sent(start_recorded, newcomer, redis_program, room):
    """A message that was stored while the layer could not carry it: all are to come back, and are shown it once."""
    with Redis(redis_program) as redis:
        server = start_recorded(REDIS_URL=redis.url)
        server.wait()
        members = [await (await newcomer(server, room)).enter() for _ in range(2)]
        before = await members[0].tell("before")
        await members[1].read_to(before)
        redis.freeze()
        await members[0].say("meanwhile")
        await wait_until(lambda: "2" in Links(server.get("/chat/")[2].decode()).found[room][1], "it to be stored")
        redis.kill()
        redis.start()
        for member in members:
            with pytest.raises(Closed) as closed:
                await member.drain()
            assert closed.value.code == 4013
        query = f"?after={before['id']}"
        back = [await come_back(newcomer, server, room, query) for _ in members]
        last = await back[0].tell("again")
        for member in back:
            await member.read_to(last)
            assert member.texts == ["meanwhile", "again"]
            await member.client.discard()


async def come_back(newcomer, *where):
    """Return a Reader who tried until it was let in: the first tries may meet connections from before."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(Closed):
                member = await (await newcomer(*where)).enter()
                # Events are handled in turn: with this answer, all that comes with the welcome has gone well.
                await member.send("no JSON")
                await member.hear_error("bad_json")
                return member


@check("wire", "postgres", **AFTER)
@pytest.mark.proof
async def test_the_server_is_killed_in_the_middle(start_recorded, request, case, newcomer, room):
    """The server is killed in the middle of a conversation: what was heard is kept, once, in its order."""
    with contextlib.ExitStack() as stack:
        url = None
        if case.way == "postgres":
            url = stack.enter_context(new_database(request.getfixturevalue("postgres")))
        server = start_recorded(url)
        server.wait()
        members = [await (await newcomer(server, room)).enter() for _ in range(3)]
        said = await converse(members[0], 10)
        for number in range(30):
            for member in members:
                await member.say(f"in flight {number}")
        heard = await members[0].hear("message")
        server.kill()
        for member in members:
            with contextlib.suppress(Closed):
                while True:
                    await member.next()
        server.start()
        server.wait()
        late = await (await newcomer(server, room, "?after=0")).enter()
        last = await late.tell("again")
        ids = [message["id"] for message in late.messages]
        assert ids == sorted(set(ids))
        assert late.messages[:10] == said
        for member in members:
            kept = [message for message in late.messages if message["id"] <= member.ids[-1]]
            assert member.messages == kept[-len(member.messages) :], "what was heard is not what was kept"
        assert heard in late.messages
        assert last == late.messages[-1]
        await late.client.discard()
        server.kill()


@pytest.fixture
def newcomer(case, timeline, user_at):
    """A coroutine function that returns a Reader for a server of the check's own, not yet connected."""

    async def newcomer(server, room, query=""):
        user = await user_at(server)
        path = f"{case.route}{quote(room)}/{query}"
        return Reader(WireClient(server, path, timeline, server.events, cookie=user and user.cookie), user)

    return newcomer


@check("postgres", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7=ALL_FOUR)
@pytest.mark.proof
async def test_the_database_goes_and_comes_back(start_recorded, newcomer, room):
    """The database away: an error to who speaks, a close to who comes, and all is well when it is back."""
    programs = find_postgres()
    if programs is None:
        cannot_check(HOW_TO_INSTALL)
    with Postgres(programs) as database:
        server = start_recorded(database.url)
        server.wait()
        member, other = [await (await newcomer(server, room)).enter() for _ in range(2)]
        await member.tell("before")
        late = await newcomer(server, room)
        database.stop()
        for _ in range(2):
            await member.say("lost")
            await member.hear_error("not_stored")
        await late.client.connect()
        await late.client.expect_close(4013)
        database.start()
        await member.tell("after")
        # It is started anew while nobody speaks: the connections are gone, and the next message knows nothing of that.
        database.stop()
        database.start()
        last = await member.tell("after that")
        await other.read_to(last)
        assert other.texts == ["before", "after", "after that"]
        assert (await (await newcomer(server, room)).enter()).texts == ["before", "after", "after that"]
        expect_no_trouble(server.output())
        server.kill()


@check("postgres", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7=ALL_FOUR)
async def test_connections_do_not_pile_up(join, server):
    """Thirty clients that come, speak and go leave no connection to the database behind."""
    import psycopg

    def connections():
        with psycopg.connect(server.environment["DATABASE_URL"]) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            return connection.execute(query).fetchone()[0] - 1

    await (await join(user="crowd")).tell("hello")
    before = connections()
    members = [await join(user="crowd") for _ in range(30)]
    for member in members:
        await member.say("hello")
        await member.client.vanish()
    await asyncio.gather(*(member.client.ended() for member in members))
    assert connections() <= before + 1


@check("wire", "postgres", **SHOW)
@pytest.mark.parametrize("name", ["🎉" * 300, "x" * 300], ids=["emoji", "plain"])
async def test_the_longest_name_is_kept(server, join, name):
    """A room's name may have 300 characters, whatever they are."""
    said = await (await join(name)).tell("hello")
    assert (await join(name)).messages[-1] == said
    assert server.get(f"/chat/{quote(name)}/")[0] == 200


@check("process", "postgres", **REFUSE)
@pytest.mark.parametrize("name", NOT_TO_BE_KEPT, ids=["long", "nul"])
async def test_a_room_that_cannot_be_kept_says_so(come, name):
    """In a room whose name no database would keep, each message gets the error not_stored, whatever database it is."""
    ann, bob = await come(name), await come(name)
    await ann.say("hello")
    await ann.hear_error("not_stored")
    await ann.say("")
    await ann.hear_error("no_msg")
    await bob.say("nobody has heard it")
    await bob.hear_error("not_stored")
    assert bob.messages == []


@check("process", "postgres", **SHOW)
@pytest.mark.parametrize("name", NOT_TO_BE_KEPT, ids=["long", "nul"])
async def test_a_room_that_cannot_be_kept_has_an_empty_history(join, name):
    """Where nothing can be kept the history is there, and empty."""
    assert (await join(name)).messages == []


@check("wire", gs5={"/chat/": 8}, gs6={"/chat/": KEPT}, gs7={"/chat/": KEPT})
@pytest.mark.parametrize("name", NOT_TO_BE_KEPT, ids=["long", "nul"])
async def test_the_page_of_a_room_that_cannot_be_kept_says_so(server, name):
    """The address of a room that cannot be kept leads to the list of rooms, which says why."""
    status, headers, _ = server.get(f"/chat/{quote(name)}/")
    assert status == 302
    address = urlsplit(headers["Location"])
    assert address.path == "/chat/"
    assert parse_qs(address.query).get("group") == [name], f"it leads to {shorten(headers['Location'])}"
    status, _, page = server.get(headers["Location"])
    assert status == 200
    assert "300 characters" in page.decode()


@check(*WAYS, **REFUSE)
async def test_a_nul_is_refused_by_every_database(come):
    """A message with a NUL gets the error not_stored, whatever database it is; nobody else hears of it."""
    ann, bob = await come(), await come()
    await ann.say("nul \0 and more")
    await ann.hear_error("not_stored")
    after = await ann.tell("after")
    assert await bob.read_to(after) == [after["id"]]


@check("wire", **SHOW)
async def test_readers_do_not_wait_for_a_writer(server, join):
    """SQLite keeps a write-ahead log: while somebody writes, a history can be read."""
    await (await join(user="ann")).tell("hello")
    path = server.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Without that log this would keep readers away; BEGIN IMMEDIATE would not.
        connection.execute("BEGIN EXCLUSIVE")
        assert (await join(user="ann")).texts == ["hello"]
        connection.execute("ROLLBACK")
