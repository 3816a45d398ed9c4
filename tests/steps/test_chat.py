"""gs4 and on: what a chat room promises, on every route that has rooms."""

import asyncio
import json

import pytest
from channels.layers import InMemoryChannelLayer

from tests.support import client
from tests.support.chat import Member, memberships
from tests.support.client import Closed
from tests.tasks import GENERIC, KEPT, WITH_USERS, check

ONE_MIB = 1024 * 1024
SHORT = 20  # characters; the layer's own name of a channel has 30 and more
PARTY = 10
HTML = "<img src=x onerror=alert(1)>"


def rooms(gs4):
    """Return the routes of each step that has rooms: gs4 teaches the promise as task `gs4`, the others keep it.

    But gs7, which begins again with other consumers: what makes a chat is a task there, too.
    """
    return {
        "gs4": {"/ws/sc/": gs4, "/ws/ac/": gs4},
        "gs5": {"/ws/sc/": KEPT, "/ws/ac/": KEPT},
        "gs6": {"/ws/ac/": KEPT},
        "gs7": dict(zip(GENERIC, (1, 2, 3, 3) if gs4 in (1, 2, 3, 5) else [KEPT] * 4, strict=True)),
    }


WELCOME, MESSAGE, COMING, NAMES, ERRORS, REDIS = map(rooms, (1, 2, 3, 4, 5, 7))


def parties(members):
    """Yield them in parties: all who go at once keep a server busy for longer than daphne gives a consumer to end."""
    for first in range(0, len(members), PARTY):
        yield members[first : first + PARTY]


@check("process", "wire", **WELCOME)
async def test_the_first_frame_is_the_welcome(seat, room):
    """A new member's first frame is its welcome, with the group and its own name."""
    ann = await seat()
    welcome = await ann.enter()
    assert welcome["group"] == room
    name = welcome["from"]
    assert isinstance(name, str), f"expected a name, got {name!r}"
    assert len(name) in range(1, SHORT + 1), f"expected a name of at most {SHORT} characters, got {name!r}"


@pytest.fixture
def add_slowly(monkeypatch):
    """A function: when it was called, the layer in memory takes its time to add somebody to a group."""
    group_add = InMemoryChannelLayer.group_add

    async def slow_group_add(self, group, channel):
        await asyncio.sleep(0.05)
        await group_add(self, group, channel)

    return lambda: monkeypatch.setattr(InMemoryChannelLayer, "group_add", slow_group_add)


# What gs4 has before anything can be said.
@check("process", gs4=WELCOME["gs4"])
@pytest.mark.unhurried
async def test_who_has_joined_first_misses_nothing(seat, layer, add_slowly):
    """Whoever has its welcome is in a group already, however long the layer takes to add it."""
    add_slowly()
    await (await seat()).enter()
    assert layer.groups, "the welcome came, and the layer has nobody in any group"


@check("process", **MESSAGE)
@pytest.mark.unhurried
async def test_who_has_its_welcome_misses_nothing(join, add_slowly):
    """Whoever has its welcome hears all that is said from then on, however long the layer takes to add it."""
    ann = await join()
    add_slowly()
    bob = await join()
    await ann.say("hello bob")
    await bob.hear("message", msg="hello bob")


@check("process", "wire", "redis", **MESSAGE)
async def test_a_message_reaches_everybody(join):
    """A message reaches every member, the sender too, with the sender's name."""
    ann, bob, cid = await join(), await join(), await join()
    await ann.say("hello")
    for member in (ann, bob, cid):
        await member.hear("message", msg="hello", **{"from": ann.name})
    await bob.say("hello ann")
    for member in (ann, bob, cid):
        await member.hear("message", msg="hello ann", **{"from": bob.name})


@check("process", "redis", **MESSAGE)
async def test_a_message_is_passed_on_as_it_is(join):
    """A text of up to 2,000 characters arrives as it was written."""
    ann, bob = await join(), await join()
    for msg in ("naïve ☂ 你好 🎉", HTML, '"quoted" \\ back', " spaces kept ", "é" * 2000):
        await ann.say(msg)
        await ann.hear("message", msg=msg)
        await bob.hear("message", msg=msg)


@check("process", "redis", **MESSAGE)
@pytest.mark.unhurried
async def test_messages_keep_their_order(join):
    """What one member says arrives in the order in which it was said, and once."""
    ann, bob = await join(), await join()
    for number in range(40):
        await ann.say(f"number {number}")
    for member in (ann, bob):
        for number in range(40):
            await member.hear("message", msg=f"number {number}")
    await bob.hears_only()


@check("process", **MESSAGE)
@pytest.mark.unhurried
async def test_names_differ(join):
    """No two members have the same name."""
    members = [await join() for _ in range(20)]
    names = {member.name for member in members}
    assert len(names) == 20, f"twenty members have {len(names)} names"


@check("process", "wire", "redis", **MESSAGE)
async def test_rooms_are_apart(join):
    """What is said in one room is not heard in another."""
    ann, bob = await join(), await join("another-room")
    await ann.say("only here")
    await ann.hear("message", msg="only here")
    await bob.hears_only()


@check("process", "wire", "redis", **MESSAGE)
async def test_without_a_name_the_room_is_the_lobby(new_client, user_for, case):
    """Without a room's name the route leads to the group "lobby", and all its members hear each other."""
    routes = {case.route} if case.step in WITH_USERS else {"/ws/sc/", "/ws/ac/"}
    members = []
    for path in (*routes, f"{case.route}lobby/"):
        user = await user_for(path)
        members.append(Member(new_client(path, cookie=user and user.cookie)))
    for member in members:
        assert (await member.enter())["group"] == "lobby"
    await members[0].say("hello lobby")
    for member in members:
        await member.hear("message", msg="hello lobby")


@check("process", "wire", "redis", gs4={"/ws/sc/": 2}, gs5={"/ws/sc/": KEPT})
async def test_sync_and_async_hear_each_other(join):
    """A sync and an async client of one room hear each other."""
    ann, bob = await join(), await join(route="/ws/ac/")
    await ann.say("from the sync side")
    await bob.hear("message", msg="from the sync side", **{"from": ann.name})
    await bob.say("from the async side")
    await ann.hear("message", msg="from the sync side")
    await ann.hear("message", msg="from the async side", **{"from": bob.name})


@check("process", "wire", "redis", **COMING)
@pytest.mark.parametrize("goes", ["leave", "vanish"])
async def test_coming_and_going_is_told(join, goes):
    """The others are told who comes and who goes; who comes is not told of itself."""
    ann = await join()
    bob = await join()
    assert await ann.news() == {"event": "join", "from": bob.name}
    await getattr(bob.client, goes)()
    assert await ann.news() == {"event": "leave", "from": bob.name}
    cid = await join()
    await cid.say("nothing before this")
    assert (await cid.news())["event"] == "message"


@check("process", **COMING)
async def test_who_goes_leaves_every_group(join, layer):
    """When a client leaves, its consumer ends, and is in no group any more."""
    await join()
    before = memberships(layer)
    bob = await join()
    assert memberships(layer) > before, "a member has come, and is in no group"
    await bob.client.leave()
    await bob.client.ended()
    left = {group for group, _ in memberships(layer) - before}
    assert not left, f"it has gone, and is still in the group {' and '.join(left)}"


GROUPS = [
    "two words",
    "Café ☕",
    "🎉" * 300,
    "x" * 300,
    "a/b",
    "a/../b",
    "100%",
    "%41",
    "why? #1 &c",
    "dots...",
    HTML,
    "العربية",
    "new",
    "everyone",
]


@check("process", "wire", **NAMES)
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: ascii(group[:10]))
async def test_any_text_names_a_group(join, group, new_client, case):
    """Spaces, accents, emoji, slashes, 300 characters: whatever an address can carry is a group's name."""
    ann, bob = await join(group), await join(group)
    await ann.say("hello")
    await bob.hear("message", msg="hello")


@check("process", **NAMES)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a b", "a_b"),
        ("A", "a"),
        ("é", "e"),
        ("é", "e\u0301"),
        ("x" * 300, "x" * 299),
        ("☕", "🎉"),
        ("a/b", "a.b"),
        ("everyone", "a"),
    ],
)
async def test_different_names_are_different_rooms(join, one, other):
    """Two names that are not the same are two rooms, however alike they are."""
    ann, bob = await join(one), await join(other)
    await ann.say("only here")
    await ann.hear("message", msg="only here")
    await bob.hears_only()


BAD = [
    ("hello", {"bad_json"}),
    ("", {"bad_json"}),
    ('{"msg": "hi"', {"bad_json"}),
    (b"\x00\xff", {"bad_json"}),
    (b'{"msg": "hi"}', {"bad_json"}),
    ("[" * 100_000, {"bad_json"}),
    ('{"msg": ' + "[" * 100_000, {"bad_json"}),
    ('{"msg": ' + "9" * 5000 + "}", {"bad_json", "no_msg"}),
    ('{"msg": "\\ud800"}', {"bad_json", "no_msg"}),
    ("[]", {"bad_json", "no_msg"}),
    ('"hello"', {"bad_json", "no_msg"}),
    ("null", {"bad_json", "no_msg"}),
    ("NaN", {"bad_json", "no_msg"}),
    ('{"msg": NaN}', {"bad_json", "no_msg"}),
    ("{}", {"no_msg"}),
    ('{"message": "hi"}', {"no_msg"}),
    ('{"msg": null}', {"no_msg"}),
    ('{"msg": 1}', {"no_msg"}),
    ('{"msg": ["hi"]}', {"no_msg"}),
    ('{"msg": {"msg": "hi"}}', {"no_msg"}),
    ('{"msg": ""}', {"no_msg"}),
    (json.dumps({"msg": "x" * 2001}), {"too_long"}),
    (json.dumps({"msg": "🎉" * 2001}), {"too_long"}),
    (json.dumps({"msg": "x" * (ONE_MIB - 11)}), {"too_long"}),
]


@check("process", "redis", **ERRORS)
async def test_bad_input_is_an_error_for_its_sender_alone(join):
    """What is no message gets an error with a code; the connection stays open, and nobody else hears of it."""
    ann, bob = await join(), await join()
    for frame, codes in BAD:
        await ann.send(frame)
        await ann.hear_error(*codes)
    await ann.say("still here")
    await ann.hear("message", msg="still here")
    await bob.hear("message", msg="still here")


@check("process", "redis", **ERRORS)
async def test_odd_characters_do_no_harm(join):
    """A message with a NUL or other control characters is passed on or refused, and the connection stays open."""
    ann, bob = await join(), await join()
    await ann.send({"msg": "nul \x00 bell \x07"})
    answer = await ann.next()
    while answer["event"] in ("join", "users"):
        answer = await ann.next()
    assert answer["event"] in ("message", "error")
    await ann.say("still here")
    await ann.hear("message", msg="still here")
    if answer["event"] == "message":
        await bob.hear("message")
    await bob.hear("message", msg="still here")


FORGED = [
    {"type": "nope"},
    {"type": "websocket.disconnect", "code": 1000},
    {"type": "websocket.close"},
    {"event": "notice", "from": "the boss"},
    {"sender": "somebody", "frame": {"event": "notice", "msg": "forged"}},
]


@check("process", "redis", **ERRORS)
async def test_a_client_cannot_choose_the_type(join):
    """Other keys beside "msg" change nothing: not the event's type, not the name that others see."""
    ann, bob = await join(), await join()
    for more in FORGED:
        await ann.send({"msg": "hello", **more})
        for member in (ann, bob):
            await member.hear("message", msg="hello", **{"from": ann.name})
    await bob.hears_only()


@check("wire", "redis", **ERRORS)
async def test_too_much_at_once_costs_only_its_sender(join):
    """A frame over 1 MiB costs its sender the connection, and nobody else anything."""
    ann, bob = await join(), await join()
    await ann.send("x" * (ONE_MIB + 10))
    with pytest.raises(Closed):
        await ann.drain()
    await ann.client.ended()
    assert await bob.news() == {"event": "leave", "from": ann.name}
    await bob.hears_only()


@check("wire", "redis", **ERRORS)
async def test_a_flood_stops_nobody(join):
    """While one member sends all it can, another room talks on; afterwards the first room does too."""
    ann, bob, cid = await join(), await join(), await join("a quiet room")
    for number in range(500):
        await ann.send("no JSON" if number % 2 else {"msg": f"flood {number}"})
    await cid.hears_only()
    # To the last frame: what is left of a flood when its sender goes is given 10 s by daphne, and then it complains.
    refused = 0
    while refused < 250:
        refused += (await ann.next()).get("code") == "bad_json"
    await bob.say("the end")
    while (await bob.next()).get("msg") != "the end":
        pass


@check("wire", "redis", **ERRORS)
async def test_a_client_that_does_not_read_hurts_nobody(join):
    """A member that reads nothing more costs the others nothing."""
    deaf, ann, bob = await join(), await join(), await join()
    deaf.client.websocket.transport.pause_reading()
    for number in range(60):
        await ann.say(f"{number} {'x' * 1900}")
        await ann.hear("message")
        await bob.hear("message")
    await bob.hears_only()


@check("process", **COMING)
@pytest.mark.proof
@pytest.mark.unhurried
async def test_no_membership_is_left_in_memory(join, layer):
    """A hundred members that come and go leave no group behind."""
    # In parties: sync consumers take their turns, and the last of a hundred would wait longer than a client does.
    members = []
    for users in parties([f"user {number % 10}" for number in range(100)]):
        members += await asyncio.gather(*(join(user=user) for user in users))
    assert layer.groups, "members came, and the layer has nobody in any group"
    for party in parties(members):
        await asyncio.gather(*(member.client.leave() for member in party))
        await asyncio.gather(*(member.client.ended() for member in party))
    assert layer.groups == {}


# gs4 has Redis from the task on that puts it behind the layer.
@check("redis", **{**COMING, "gs4": REDIS["gs4"]})
@pytest.mark.proof
@pytest.mark.unhurried
async def test_no_membership_is_left_in_redis(join, redis_server, room, monkeypatch):
    """Forty members that come and go, with a close frame or without, leave no group in Redis."""
    ann = await join("a-room-that-stays")
    before = redis_server.groups()
    with monkeypatch.context() as patient:
        # How long forty take to come and to go is not what this is about.
        patient.setattr(client, "PATIENCE", 60)
        members = await asyncio.gather(*(join() for _ in range(40)))
        # What the check before has left may still be going, or only now have come.
        theirs = redis_server.groups() - before
        assert theirs, "members came, and Redis holds no group of theirs"
        for party in parties(members):
            await asyncio.gather(*(member.client.leave() for member in party[::2]))
            await asyncio.gather(*(member.client.vanish() for member in party[1::2]))
            await asyncio.gather(*(member.client.ended() for member in party))
    assert not redis_server.groups() & theirs, "all have gone, and Redis still holds a group of theirs"
    await ann.hears_only()


@check("redis", **REDIS)
@pytest.mark.proof
async def test_a_crowd_that_comes_at_once_is_let_in(join, room, case, monkeypatch):
    """Three hundred who come in the same moment are all let in, over Redis too; half as many where they are users."""
    crowd = 150 if case.step in WITH_USERS else 300
    # Each in a room of its own: they are not told of each other, which would take its time.
    await join(user="crowd")
    with monkeypatch.context() as patient:
        # As long as the server has for them: who is let in late was not turned away. Those who go may take it, too.
        patient.setattr(client, "PATIENCE", 60)
        *others, last = await asyncio.gather(*(join(f"{room} {number}", user="crowd") for number in range(crowd)))
        for party in parties(others):
            await asyncio.gather(*(member.client.leave() for member in party))
            await asyncio.gather(*(member.client.ended() for member in party))
    # Not before: while they come, the layer drops what is too much for it.
    await last.hears_only()


@check("process", gs4={"/ws/ac/": KEPT}, gs5={"/ws/ac/": KEPT}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
@pytest.mark.proof
@pytest.mark.patient
async def test_a_thousand_members_all_hear(join, case, layer, monkeypatch):
    """Each message reaches all of a thousand members in one room."""
    # Each user who comes asks the database some ten times: there a fifth has to do, and `make bench` has the thousand.
    hundreds = 2 if case.step in WITH_USERS else 10

    async def tell_nobody(group, message):
        pass

    # Told of each other, a thousand that come, or go, would be half a million frames: here they come and go quietly.
    with monkeypatch.context() as quiet:
        quiet.setattr(layer, "group_send", tell_nobody)
        # A hundred come at once: who is let in late was not turned away.
        quiet.setattr(client, "PATIENCE", 60)
        members = [await join(user="crowd")]
        for _ in range(hundreds):
            members += await asyncio.gather(*(join(user="crowd") for _ in range(100)))
    for msg in ("one", "two", "three"):
        await members[0].say(msg)
    for member in members:
        for msg in ("one", "two", "three"):
            await member.hear("message", msg=msg)
    monkeypatch.setattr(layer, "group_send", tell_nobody)
