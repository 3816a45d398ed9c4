"""From gs6 on: who is in a room. Tabs of one user are one, and what a dead server leaves behind goes by itself."""

import asyncio
import contextlib
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support.chat import Member, memberships
from tests.support.client import Closed, WireClient
from tests.support.postgres import HOW_TO_INSTALL, Postgres, find_postgres, new_database
from tests.support.project import run_settings
from tests.support.redis import Redis
from tests.support.server import expect_no_trouble
from tests.support.verdicts import cannot_check
from tests.support.visitor import visitor_of
from tests.support.waiting import wait_until
from tests.tasks import GENERIC, KEPT, check

WAYS = ("process", "wire", "redis", "postgres")
# Seconds; a heart that beats as often as in production would be too long to wait for.
HEARTBEAT = 0.5
LONGEST_GHOST = 60


def presence(gs6):
    return {"gs6": {"/ws/ac/": gs6}, "gs7": dict.fromkeys(GENERIC, KEPT)}


HERE, BEATING = presence(5), presence(6)


async def hear_users(member, *users):
    """Wait for a list of users with just these; the frames before it may be any but messages.

    The list may have come already: with a heartbeat between a leave and its event, it is read and shown before it.
    """
    names = sorted(user.name for user in users)
    seen = member.passed_over
    if seen[-1:] == [names]:
        return
    with contextlib.suppress(TimeoutError):
        while True:
            frame = await member.hear("users")
            seen.append(frame["users"])
            if frame["users"] == names:
                return
    raise AssertionError(f"expected the users {names}, and the lists were {seen}")


async def hear_come(member, *others):
    """Wait until `member` was told of all `others` that they came, and has a list with them and itself.

    In any order: a heart that beats meanwhile may have read the list before they are told of.
    """
    names = sorted(user.name for user in (member, *others))
    missing = [{"event": "users", "users": names}] + [{"event": "join", "from": other.name} for other in others]
    while missing:
        frame = await member.next()
        assert frame in missing or frame["event"] == "users", f"expected one of {missing}, got {frame}"
        missing = [other for other in missing if other != frame]


@check(*WAYS, **HERE)
async def test_who_comes_is_shown_who_is_here(seat):
    """After welcome and history comes the list of users, sorted, with oneself; the others get it after the join."""
    bob, ann = await seat(user="bob"), await seat(user="ann")
    for member in (bob, ann):
        await member.enter()
        assert (await member.next())["event"] == "history"
        users = [bob.name] if member is bob else sorted([ann.name, bob.name])
        assert await member.next() == {"event": "users", "users": users}
    assert await bob.next() == {"event": "join", "from": ann.name}
    assert await bob.next() == {"event": "users", "users": sorted([ann.name, bob.name])}
    for member in (ann, bob):
        await member.say("and nothing else")
        assert (await member.next())["event"] == "message"
        await (bob if member is ann else ann).hear("message")


@check(*WAYS, **HERE)
@pytest.mark.parametrize("goes", ["leave", "vanish"])
async def test_two_tabs_are_one(join, goes):
    """A second tab of a user is nobody new. One tab closes: still there. The last one closes: gone."""
    ann = await join(user="ann")
    first = await join(user="bob")
    assert await ann.next() == {"event": "join", "from": first.name}
    assert await ann.next() == {"event": "users", "users": sorted([ann.name, first.name])}
    second = await join(user="bob")
    await getattr(first.client, goes)()
    await first.client.ended()
    await ann.say("two came, one went")
    assert (await ann.next())["event"] == "message", "a second tab is told to the others"
    await getattr(second.client, goes)()
    assert await ann.next() == {"event": "leave", "from": second.name}
    assert await ann.next() == {"event": "users", "users": [ann.name]}
    await ann.hears_only()


@check(*WAYS, **HERE)
async def test_tabs_that_come_at_once_are_one(join):
    """Eight tabs of a user that come in the same moment are one join; that go in the same moment, one leave."""
    ann = await join(user="ann")
    # One before: signing up is not what is measured.
    tab = await join("another room", user="bob")
    tabs = await asyncio.gather(*(join(user="bob") for _ in range(8)))
    assert await ann.news() == {"event": "join", "from": tab.name}
    await asyncio.gather(*(tab.client.leave() for tab in tabs))
    await asyncio.gather(*(tab.client.ended() for tab in tabs))
    assert await ann.news() == {"event": "leave", "from": tab.name}
    await ann.say("one came, one went")
    assert (await ann.news())["event"] == "message"


@check(*WAYS, **HERE)
async def test_a_guest_is_nobody(join):
    """Who is not logged in is in no list, and nobody is told of the coming and going; but sees who is here."""
    ann = await join(user="ann")
    guest = await join(user=None)
    bob = await join(user="bob")
    await hear_users(guest, ann, bob)
    await hear_users(ann, ann, bob)
    await guest.client.leave()
    await guest.client.ended()
    await bob.client.leave()
    assert await ann.next() == {"event": "leave", "from": bob.name}
    await hear_users(ann, ann)


@check("process", "postgres", **HERE)
async def test_rooms_have_their_own_users(join, room):
    """Who is in one room is in no other room's list; in both, in both."""
    ann, bob = await join(user="ann"), await join(f"{room} too", user="bob")
    assert await join(f"{room} too", user="ann")
    await hear_users(bob, ann, bob)
    await ann.hears_only()
    await bob.client.leave()
    await bob.client.ended()
    await ann.hears_only()


@check("process", **HERE)
async def test_in_a_room_that_cannot_be_kept(join, room):
    """A room whose name no database would keep has its users, too."""
    name = room + "\0" + "x" * 300
    ann, bob = await join(name, user="ann"), await join(name, user="bob")
    await hear_users(ann, ann, bob)
    await bob.client.leave()
    await hear_users(ann, ann)


@check("process", **HERE)
async def test_an_old_list_is_not_shown(join, layer, monkeypatch):
    """A list of users that was overtaken on its way, by a newer one from another process, is not shown any more."""
    ann = await join(user="ann")
    send, held = layer.group_send, []

    async def hold(group, message):
        held.append((group, message))

    with monkeypatch.context() as slow:
        slow.setattr(layer, "group_send", hold)
        bob = await join(user="bob")
    cid = await join(user="cid")
    await hear_users(ann, ann, bob, cid)
    for group, message in held:
        await send(group, message)
    await ann.say("that was all")
    while (frame := await ann.next())["event"] != "message":
        assert frame == {"event": "join", "from": bob.name}


@check("process", **HERE)
@pytest.mark.proof
@pytest.mark.unhurried
async def test_a_storm(join, room):
    """Fifteen users who come and go in the same moments: in the end each list is the right one."""
    ann = await join(user="ann")
    names = [f"user {number}" for number in range(15)]
    for name in names:
        await join(f"{room} before", user=name)
    members = await asyncio.gather(*(join(user=name) for name in names))
    await asyncio.gather(*(member.client.leave() for member in members[:10]))
    await asyncio.gather(*(member.client.ended() for member in members[:10]))
    stayed = [ann, *members[10:]]
    for member in stayed:
        # What came last, the member's own message ends it.
        await member.say(f"that is all, {member.name}")
    for member in stayed:
        last = None
        while (frame := await member.next()).get("msg") != f"that is all, {stayed[-1].name}":
            last = frame["users"] if frame["event"] == "users" else last
        if last:
            assert last == sorted(other.name for other in stayed), f"the last list of {member.name} is wrong"


@check("process", **BEATING)
@pytest.mark.proof
@pytest.mark.waits
async def test_who_stays_stays(join, settings):
    """As long as a heart beats nobody goes: over many heartbeats nothing is told to anybody."""
    # Not quicker: on a busy machine three beats in a row may be late.
    settings.HEARTBEAT = 0.5
    ann, bob = await join(user="ann"), await join(user="bob")
    await hear_come(ann, bob)
    await asyncio.sleep(5 * settings.HEARTBEAT)
    await ann.say("nothing before this")
    for member in (ann, bob):
        assert (await member.next())["event"] == "message", "a list of users comes only when it has changed"


@check("process", **BEATING)
async def test_the_heart_stops_with_the_connection(join, settings):
    """After a client has left, or its connection failed, no task of it goes on."""
    settings.HEARTBEAT = 0.05
    before = asyncio.all_tasks()
    ann, bob = await join(user="ann"), await join(user="bob")
    await ann.client.leave()
    await ann.client.ended()
    bob.client.communicator.future.cancel()
    await asyncio.wait([bob.client.communicator.future])
    left = lambda: asyncio.all_tasks() - before  # noqa: E731
    await wait_until(lambda: not left(), lambda: f"all tasks to end; left are {left()}", within=2)


@check("process", **BEATING)
@pytest.mark.waits
async def test_a_ghost_goes(join, settings):
    """A connection that ends without a word, as when its server is killed: some heartbeats later its user is gone."""
    # Not quicker: on a busy machine three beats in a row may be late, and ann would be taken for lost herself.
    settings.HEARTBEAT = 0.3
    ann, bob = await join(user="ann"), await join(user="bob")
    await hear_users(ann, ann, bob)
    bob.client.communicator.future.cancel()
    # In either order: ann's own heart may have read the list before it is told of the leave, and of the join before.
    missing = [{"event": "leave", "from": bob.name}, {"event": "users", "users": [ann.name]}]
    while missing:
        frame = await ann.next()
        assert frame in missing or frame["event"] in ("join", "users"), frame
        missing = [other for other in missing if other != frame]


@check("process", **BEATING)
@pytest.mark.unhurried
async def test_who_is_lost_is_on_nobodys_list(join, settings):
    """Of a user who is lost everybody is told with the new list: nobody's own heart has to find out."""
    settings.HEARTBEAT = 60
    idle = await join(user="ann")
    settings.HEARTBEAT = 0.1
    # This heart finds out, and keeps ann here.
    await join(user="ann")
    bob = await join(user="bob")
    await hear_users(idle, idle, bob)
    bob.client.communicator.future.cancel()
    await idle.hear("leave", **{"from": bob.name})
    await hear_users(idle, idle)


@check("process", **BEATING)
async def test_memberships_are_renewed(join, layer, settings):
    """Each heartbeat renews the memberships in the layer's groups, so that a layer may let the others expire."""
    settings.HEARTBEAT = 0.05
    ann, bob = await join(user="ann"), await join(user="bob")
    before = memberships(layer)
    # As a layer does with memberships that were not renewed.
    layer.groups.clear()
    missing = lambda: {group for group, _ in before - memberships(layer)}  # noqa: E731
    what = lambda: f"all memberships to be renewed; missing are those in {' and '.join(sorted(missing()))}"  # noqa: E731
    await wait_until(lambda: not missing(), what, within=2)
    await asyncio.sleep(2 * settings.HEARTBEAT)
    await ann.say("hello again")
    await bob.hear("message", msg="hello again")


@check("process", **BEATING)
@pytest.mark.proof
@pytest.mark.unhurried
async def test_a_full_channel_stops_no_heart(join, layer, settings):
    """Whoever floods a room fills its channels, and stops no heart in it; nothing fails."""
    settings.HEARTBEAT = 0.05
    ann, bob = await join(user="ann"), await join(user="bob")
    for _ in range(20):
        await asyncio.gather(*(bob.say("flood") for _ in range(30)))
        await asyncio.sleep(0.01)
    await bob.say("the end")
    while (await ann.next()).get("msg") != "the end":
        pass
    for member in (ann, bob):
        assert not member.client.communicator.future.done(), f"the connection of {member.name} has ended"


@check("process", **BEATING)
@pytest.mark.unhurried
async def test_a_slow_heart_leaves_the_client_its_turn(join, layer, settings, monkeypatch):
    """Beats that take longer than the time between them are in nobody's way: what the client sends is answered."""
    group_add = layer.group_add

    async def slow_group_add(group, channel):
        await asyncio.sleep(0.05)
        await group_add(group, channel)

    settings.HEARTBEAT = 0.01
    ann = await join(user="ann")
    monkeypatch.setattr(layer, "group_add", slow_group_add)
    for _ in range(3):
        await ann.hears_only()


@check(gs6=6, gs7=KEPT)
def test_the_bound_holds(settings):
    """A ghost is there for at most 60 s: for three heartbeats it is waited for, and the next one finds it gone."""
    assert 4 * settings.HEARTBEAT < LONGEST_GHOST
    config = settings.CHANNEL_LAYERS["default"].get("CONFIG", {})
    assert config.get("group_expiry", 3 * settings.HEARTBEAT) > 2 * settings.HEARTBEAT


@check(gs6=6, gs7=KEPT)
def test_redis_forgets_what_is_not_renewed(case, monkeypatch):
    """With Redis a membership that no heartbeat renews is gone after a minute."""
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379")
    settings = run_settings(case.step)
    config = settings["CHANNEL_LAYERS"]["default"].get("CONFIG", {})
    assert "group_expiry" in config, f"the layer's CONFIG has no group_expiry, only {', '.join(config) or 'nothing'}"
    expiry = config["group_expiry"]
    assert 2 * settings["HEARTBEAT"] < expiry <= LONGEST_GHOST


@pytest_asyncio.fixture
async def visit(case, timeline, user_at, room):
    """A coroutine function that returns a member on any server, as this user or a new one; all are gone at the end."""
    clients = []

    async def visit(server, user=None):
        user = user or await user_at(server)
        client = WireClient(
            server, f"{case.route}{quote(room)}/", timeline, getattr(server, "events", None), cookie=user.cookie
        )
        clients.append(client)
        member = Member(client, user)
        await member.enter()
        await member.hear("history")
        await member.hear("users")
        return member

    yield visit
    for client in clients:
        await client.discard()


@pytest.fixture
def two_servers(request, case, start_recorded, redis_server):
    """Two servers over one Redis and one database, with quick hearts; neither may print trouble."""
    with contextlib.ExitStack() as stack:
        database = None
        if case.way == "postgres":
            database = stack.enter_context(new_database(request.getfixturevalue("postgres")))
        servers = []
        for _ in range(2):
            servers.append(start_recorded(database, REDIS_URL=redis_server.url, HEARTBEAT=str(HEARTBEAT)))
            servers[-1].wait()
            database = servers[-1].database
        yield servers
        for server in servers:
            expect_no_trouble(server.output(), "a server")
            if server.process.poll() is None:
                server.kill()


@check("redis", "postgres", **HERE)
async def test_two_servers_are_one_place(two_servers, visit):
    """Over two servers a user is one: the join and the leave are told once, whichever servers the tabs are on."""
    one, other = two_servers
    ann = await visit(one)
    bob = await visit(other)
    await hear_users(ann, ann, bob)
    second = await visit(one, bob.user)
    await bob.client.leave()
    await bob.client.ended()
    await ann.hears_only()
    await second.client.leave()
    assert (await ann.news()) == {"event": "leave", "from": bob.name}
    await hear_users(ann, ann)


@check("redis", "postgres", **HERE)
async def test_tabs_on_two_servers_at_once(two_servers, visit):
    """Ten times two tabs of one user come at once, on two servers: each time one of them is the first."""
    ann = await visit(two_servers[0])
    bob = await visit(two_servers[0])
    await ann.news()
    await bob.client.leave()
    await ann.news()
    for _ in range(10):
        tabs = await asyncio.gather(*(visit(server, bob.user) for server in two_servers))
        assert await ann.news() == {"event": "join", "from": bob.name}
        await asyncio.gather(*(tab.client.leave() for tab in tabs))
        assert await ann.news() == {"event": "leave", "from": bob.name}
    await ann.hears_only()


@check("redis", "postgres", **BEATING)
@pytest.mark.proof
async def test_ghosts_of_a_killed_server_go(two_servers, visit):
    """A server is killed: within four heartbeats its users are gone for the others; who also is elsewhere stays."""
    one, other = two_servers
    ann = await visit(one)
    bob, cid = await visit(other), await visit(other)
    second = await visit(one, cid.user)
    await hear_come(ann, bob, cid)
    other.kill()
    loop = asyncio.get_running_loop()
    began = loop.time()
    # In either order: another heart may have told of it while ann's own has read the list.
    missing = [{"event": "leave", "from": bob.name}, {"event": "users", "users": sorted([ann.name, second.name])}]
    while missing:
        frame = await ann.next()
        assert frame in missing or frame["event"] == "users", frame
        missing = [other for other in missing if other != frame]
    assert loop.time() - began < 4 * HEARTBEAT + 2
    await second.hear("leave", **{"from": bob.name})
    await asyncio.sleep(2 * HEARTBEAT)
    await ann.hears_only()


@check("redis", **BEATING)
@pytest.mark.proof
async def test_ghosts_are_not_shown_to_who_comes_later(two_servers, visit):
    """The whole house is killed and comes back after a while: who comes first finds nobody there."""
    one, other = two_servers
    await visit(other)
    user = (await visit(one)).user
    for server in two_servers:
        server.kill()
    await asyncio.sleep(4 * HEARTBEAT)
    one.start()
    await asyncio.to_thread(one.wait)
    member = await visit(one, user)
    await member.say("is somebody here?")
    frame = await member.next()
    while frame["event"] in ("leave", "users"):
        assert frame.get("users", [member.name]) == [member.name]
        frame = await member.next()


@check("postgres", **BEATING)
@pytest.mark.proof
async def test_the_database_is_away_for_five_seconds(start_recorded, visit, redis_program):
    """The database away for 5 s: nobody is turned out, no heart stops, and afterwards all is as it was."""
    programs = find_postgres() or cannot_check(HOW_TO_INSTALL)
    with Postgres(programs) as database:
        server = start_recorded(database.url, HEARTBEAT="2")
        server.wait()
        ann, bob = await visit(server), await visit(server)
        await hear_users(ann, ann, bob)
        database.stop()
        await asyncio.sleep(5)
        database.start()
        await asyncio.sleep(2.5)
        cid = await visit(server)
        await cid.say("back")
        for member in (ann, bob):
            while (frame := await member.next()).get("msg") != "back":
                assert frame["event"] in ("join", "leave", "users"), frame
        await cid.hear("message")
        expect_no_trouble(server.output())
        server.kill()


@check("redis", **BEATING)
@pytest.mark.proof
async def test_redis_is_away_for_five_seconds(start_recorded, visit, redis_program):
    """Redis away for 5 s: all are told to come back, and those who do find each other and no ghosts."""
    with Redis(redis_program) as redis:
        server = start_recorded(REDIS_URL=redis.url, HEARTBEAT=str(HEARTBEAT))
        server.wait()
        ann, bob = await visit(server), await visit(server)
        await hear_users(ann, ann, bob)
        redis.stop()
        for member in (ann, bob):
            with pytest.raises(Closed) as closed:
                await member.drain()
            assert closed.value.code == 4013
        await asyncio.sleep(5)
        redis.start()

        async def come_back():
            while True:
                with contextlib.suppress(Closed):
                    return await visit(server, ann.user)

        async with asyncio.timeout(10):
            back = await come_back()
        await back.say("hello")
        frame = await back.next()
        while frame["event"] != "message":
            assert frame["event"] in ("leave", "users"), frame
            frame = await back.next()
        expect_no_trouble(server.output())
        server.kill()


@check("wire", gs6={"/ws/ac/": KEPT}, gs7={"/ws/wsc/": KEPT})
@pytest.mark.proof
async def test_a_crowd_keeps_its_hearts(start_recorded, visit):
    """Sixty tabs with quick hearts on one server: a message still comes at once, and nobody is lost."""
    server = start_recorded(HEARTBEAT=str(HEARTBEAT))
    server.wait()
    ann = await visit(server)
    crowd = await asyncio.gather(*(visit(server, ann.user) for _ in range(60)))
    await asyncio.sleep(4 * HEARTBEAT)
    await ann.hears_only()
    for member in crowd:
        await member.hear("message")
    await ann.hears_only()
    expect_no_trouble(server.output())


@check("redis", gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
@pytest.mark.proof
async def test_the_hearts_of_a_crowd_cost_no_message(start_recorded, visit, redis_server):
    """Over Redis all channels of a process share one queue: three hundred hearts in it are in nobody's way."""
    server = start_recorded(REDIS_URL=redis_server.url, HEARTBEAT="3")
    server.wait()
    ann, crowd = await visit(server), []
    while len(crowd) < 300:
        crowd += await asyncio.gather(*(visit(server, visitor_of(server)) for _ in range(50)))
    said = [f"message {number}" for number in range(50)]
    for msg in said:
        await ann.say(msg)
        # Slowly enough for all of them to beat meanwhile, more than once.
        await asyncio.sleep(0.2)
    for member in (ann, *crowd):
        for msg in said:
            await member.hear("message", msg=msg)
    expect_no_trouble(server.output())
