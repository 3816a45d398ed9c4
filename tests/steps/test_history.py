"""From gs5 on: what is said in a room is kept, and whoever comes later is shown it."""

import asyncio
import contextlib
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.support.chat import Member
from tests.support.client import Closed, ProcessClient, Refused
from tests.support.postgres import HOW_TO_INSTALL, Postgres, find_postgres, new_database
from tests.support.server import TROUBLE, sqlite_url
from tests.support.verdicts import cannot_check
from tests.tasks import KEPT, check

WAYS = ("process", "wire", "postgres")
LAST = 50
LONGEST = 2000


def sync_and_async(number):
    """Return the routes of gs5: the sync one belongs to the task `number`, the async one has a task of its own."""
    return {"gs5": {"/ws/sc/": number, "/ws/ac/": 6}}


STORE, REFUSE, SHOW, AFTER = map(sync_and_async, (2, 3, 4, 5))


class Reader(Member):
    """A member who keeps what it was shown in `messages`: first the history, then what was said."""

    def __init__(self, client):
        super().__init__(client)
        self.messages = []

    async def enter(self):
        await super().enter()
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
def join(new_client, case, room):
    """A coroutine function that returns a Reader who has its welcome and the first part of the history."""

    async def join(group=room, route=case.route, query=""):
        return await Reader(new_client(f"{route}{quote(group, safe='')}/{query}")).enter()

    return join


async def converse(member, number):
    """Let `member` say so many messages; return them."""
    return [await member.tell(f"message {n}") for n in range(1, number + 1)]


@check(gs5=1)
def test_the_migrations_are_complete(case, database):
    """The migrations make just what the models say: `makemigrations --check` finds nothing to do."""
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True)


@check(*WAYS, **STORE)
async def test_a_message_has_an_id_and_a_time(join):
    """Each message comes with its id, which rises, and the time in UTC, written as ISO 8601."""
    began = datetime.now(UTC)
    member = await join()
    first, second = await converse(member, 2)
    assert isinstance(first["id"], int)
    assert first["id"] < second["id"]
    at = datetime.fromisoformat(first["at"])
    assert at.utcoffset() == timedelta(0), f"{first['at']} is not in UTC"
    assert began - timedelta(seconds=1) <= at <= datetime.now(UTC)


@check(*WAYS, **STORE)
async def test_what_was_heard_is_kept(join):
    """What somebody has heard, whoever joins next is shown in the same form; sync and async alike."""
    ann, bob = await join(route="/ws/sc/"), await join(route="/ws/ac/")
    said = [await ann.tell("from ann"), await bob.tell("<b>from</b> bob ☂ 🎉")]
    await asyncio.gather(ann.read_to(said[1]), bob.read_to(said[0]))
    assert ann.messages == bob.messages == said
    for route in ("/ws/sc/", "/ws/ac/"):
        assert (await join(route=route)).messages == said


@check(*WAYS, **STORE)
async def test_rooms_are_apart(join):
    """What was said in one room is in no other room's history, be their names as alike as they may."""
    name = uuid.uuid4().hex
    named = [f"{name}{tail}" for tail in ("", "/", "A", "a", "%", "_")]
    for name in named:
        await (await join(name)).tell(f"in {name}")
    for name in named:
        assert (await join(name)).texts == [f"in {name}"]


@check("process", **STORE)
async def test_many_at_once(join):
    """Many who speak in the same moment, the first in their room: every message is kept once, and all hear all."""
    members = [await join(route=route) for route in ("/ws/sc/", "/ws/ac/") for _ in range(4)]
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
async def test_what_is_not_stored_is_not_sent(join, no_storing):
    """A message that cannot be stored: its sender gets the error not_stored, nobody else anything."""
    ann, bob = await join(route="/ws/sc/"), await join(route="/ws/ac/")
    sender = await join()
    await sender.tell("before")
    with no_storing():
        await sender.say("lost")
        await sender.hear_error("not_stored")
    after = await sender.tell("after")
    for member in (ann, bob, await join()):
        await member.read_to(after)
        assert member.texts == ["before", "after"]


@check(*WAYS, **SHOW)
async def test_the_last_fifty_are_shown(join):
    """After its welcome a new member gets the history: the last 50 messages, oldest first."""
    assert (await join()).messages == [], "a new room has a history"
    said = await converse(await join(), LAST + 5)
    assert (await join()).messages == said[-LAST:]


@check(*WAYS, **AFTER)
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


@check(*WAYS, **SHOW)
async def test_joining_while_others_talk(join):
    """Who joins in the middle of a conversation is shown every message once: in the history, or when it is said."""
    talker = await join(route="/ws/sc/")
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
async def test_stored_between_joining_and_reading(join, application, case, room, timeline):
    """A message that is said while somebody's handshake is on its way comes to it once."""
    talker = await join()
    newcomer = Reader(ProcessClient(application, f"{case.route}{quote(room)}/", timeline))
    await newcomer.client.start()
    said = [await talker.tell(f"message {number}") for number in range(5)]
    event = await newcomer.client.output()
    assert event["type"] == "websocket.accept"
    assert (await newcomer.next())["event"] == "welcome"
    ids = await newcomer.read_to(said[-1])
    assert ids == [message["id"] for message in said]
    await newcomer.client.discard()


@check("wire", "postgres", **SHOW)
async def test_the_server_is_killed_in_the_middle(start_recorded, request, case, new_client_of, room, tmp_path):
    """The server is killed in the middle of a conversation: what was heard is kept, once, in its order."""
    with contextlib.ExitStack() as stack:
        url = sqlite_url(tmp_path)
        if case.way == "postgres":
            url = stack.enter_context(new_database(request.getfixturevalue("postgres")))
        server = start_recorded(database_url=url)
        server.wait()
        members = [await Reader(new_client_of(server, room)).enter() for _ in range(3)]
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
        late = await Reader(new_client_of(server, room, "?after=0")).enter()
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
def new_client_of(case, timeline):
    """A function that returns a client of a server of the check's own."""
    from tests.support.client import WireClient

    def new_client_of(server, room, query=""):
        return WireClient(server, f"{case.route}{quote(room)}/{query}", timeline, server.events)

    return new_client_of


@check("postgres", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT})
async def test_the_database_goes_and_comes_back(start_recorded, new_client_of, room):
    """The database away: an error to who speaks, a close to who comes, and all is well when it is back."""
    programs = find_postgres()
    if programs is None:
        cannot_check(HOW_TO_INSTALL)
    with Postgres(programs) as database:
        server = start_recorded(database_url=database.url)
        server.wait()
        member, other = [await Reader(new_client_of(server, room)).enter() for _ in range(2)]
        await member.tell("before")
        database.stop()
        for _ in range(2):
            await member.say("lost")
            await member.hear_error("not_stored")
        late = new_client_of(server, room)
        await late.connect()
        await late.expect_close(4013)
        database.start()
        after = await member.tell("after")
        await other.read_to(after)
        assert other.texts == ["before", "after"]
        assert (await Reader(new_client_of(server, room)).enter()).texts == ["before", "after"]
        assert not TROUBLE.search(server.output()), server.output()
        server.kill()


@check("postgres", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT})
async def test_connections_do_not_pile_up(join, server):
    """Thirty clients that come, speak and go leave no connection to the database behind."""
    import psycopg

    def connections():
        with psycopg.connect(server.environment["DATABASE_URL"]) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            return connection.execute(query).fetchone()[0] - 1

    await (await join()).tell("hello")
    members = [await join() for _ in range(30)]
    for member in members:
        await member.say("hello")
        await member.client.vanish()
    await asyncio.gather(*(member.client.ended() for member in members))
    assert connections() <= 2


@check("wire", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT})
async def test_a_name_that_cannot_be_kept(server, join, new_client, case):
    """A room's name has at most 300 characters: a longer one is no page and no room."""
    longest = "🎉" * 300
    await (await join(longest)).tell("hello")
    assert (await join(longest)).texts[-1] == "hello"
    assert server.get(f"/chat/{quote(longest)}/")[0] == 200
    assert server.get(f"/chat/{quote('x' * 301)}/")[0] == 404


@check("wire", "postgres", gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT})
@pytest.mark.traceback("a path without a route: Channels prints one")
@pytest.mark.parametrize("name", ["x" * 301, "a\0b"], ids=["long", "nul"])
async def test_a_name_that_cannot_be_kept_is_refused(server, new_client, case, name):
    """A room whose name the database cannot keep has no route."""
    with pytest.raises(Refused):
        await new_client(f"{case.route}{quote(name)}/").connect()


@check("wire", gs5={"/ws/ac/": KEPT})
async def test_readers_do_not_wait_for_a_writer(server, join):
    """SQLite keeps a write-ahead log: while somebody writes, a history can be read."""
    await (await join()).tell("hello")
    path = server.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert (await join()).texts == ["hello"]
        connection.execute("ROLLBACK")
