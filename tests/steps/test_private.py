"""gs7: a message for one user alone."""

from tests.tasks import GENERIC, check

PRIVATE = {"gs7": dict.fromkeys(GENERIC, 4)}


@check("process", "redis", **PRIVATE)
async def test_a_private_message_reaches_all_tabs_of_both(tab, room):
    """Every tab of the sender and of the recipient gets it, in whichever room, and it says what it is."""
    ann, bob, cid = await tab("ann"), await tab("bob"), await tab("cid")
    others = [await tab("ann"), await tab("ann", f"{room} two"), await tab("bob", f"{room} three")]
    said = await ann.tell("for you alone", to=bob.name)
    assert said["private"] is True
    assert (said["from"], said["to"]) == (ann.name, bob.name)
    for other in (bob, *others):
        assert await other.hear("message") == said
    for everybody in (ann, bob, cid, *others):
        assert not [frame for frame in await everybody.heard() if frame.get("msg") == "for you alone"]


@check("process", **PRIVATE)
async def test_nobody_else_hears_of_it(tab, room):
    """Neither in the room nor elsewhere does anybody else get a frame, logged in or not."""
    ann, bob, cid, guest = await tab("ann"), await tab("bob", f"{room} two"), await tab("cid"), await tab(None)
    beside_bob = await tab("cid", f"{room} two")
    await ann.tell("for you alone", to=bob.name)
    await bob.hear("message", msg="for you alone")
    public = await ann.tell("for all")
    for member in (cid, guest):
        assert await member.hear("message") == public
    assert await beside_bob.heard() == []


@check("process", "postgres", **PRIVATE)
async def test_it_is_in_the_history_of_both_alone(tab, room):
    """It is kept, and is in the history of both, and in nobody else's: with ?after= as without, in its room only."""
    ann, bob, _ = await tab("ann"), await tab("bob", f"{room} two"), await tab("cid")
    first = await ann.tell("for all")
    private = await ann.tell("for you alone", to=bob.name)
    await bob.hear("message")
    answer = await bob.tell("said elsewhere", to=ann.name)
    await ann.hear("message", msg="said elsewhere")
    last = await ann.tell("for all again")
    for query, shown in (("", [first, private, last]), (f"?after={first['id']}", [private, last])):
        for user in ("ann", "bob"):
            assert (await tab(user, query=query)).messages == shown
        for user in ("cid", None):
            shown_to_others = [message for message in shown if message != private]
            assert (await tab(user, query=query)).messages == shown_to_others
    assert (await tab("ann", f"{room} two")).messages == [answer]
    assert (await tab("cid", f"{room} two")).messages == []


@check("process", **PRIVATE)
async def test_who_is_away_finds_it_in_the_history(tab):
    """Bob need not be connected: the next time he comes into the room, it is there."""
    ann, bob = await tab("ann"), await tab("bob")
    await bob.client.leave()
    await ann.hear("leave")
    private = await ann.tell("for later", to=bob.name)
    assert (await tab("bob")).messages == [private]


@check("process", "redis", **PRIVATE)
async def test_to_oneself(tab):
    """Who writes to oneself gets it once in each tab."""
    ann, second, bob = await tab("ann"), await tab("ann"), await tab("bob")
    said = await ann.tell("note to self", to=ann.name)
    assert await second.hear("message") == said
    assert await bob.heard() == []
    assert [frame["msg"] for frame in await ann.heard()] == ["is that all?"]


NOBODY = ["nobody of that name", "", " ", "\0", "\ud800", None, 1, True, [], ["bob"], {}, "x" * 2000]


@check("process", **PRIVATE)
async def test_an_unknown_user_is_an_error(tab):
    """A recipient who does not exist, or is no name at all: no_such_user, and nobody gets anything, now or later."""
    ann, bob = await tab("ann"), await tab("bob")
    for to in NOBODY:
        await ann.send({"msg": "for nobody", "to": to})
        await ann.hear_error("no_such_user")
    last = await ann.tell("for all")
    assert await bob.hear("message") == last
    assert (await tab("ann")).messages == [last]


@check("postgres", gs7={"/ws/ajwc/": 4})
async def test_an_unknown_user_is_an_error_of_ours(tab):
    """Not one of the database, which takes offence at other names than SQLite."""
    ann = await tab("ann")
    for to in NOBODY:
        await ann.send({"msg": "for nobody", "to": to})
        await ann.hear_error("no_such_user")


@check("process", **PRIVATE)
async def test_names_are_taken_exactly(tab):
    """A name that differs in case is another name."""
    ann, bob = await tab("ann"), await tab("bob")
    await ann.send({"msg": "for you", "to": bob.name.upper()})
    await ann.hear_error("no_such_user")
    assert await bob.heard() == []


@check("process", gs7={"/ws/ajwc/": 4})
async def test_who_may_not_log_in_is_nobody(tab):
    """A user whose account is switched off cannot be written to."""
    from django.contrib.auth import get_user_model

    ann, bob = await tab("ann"), await tab("bob")
    await get_user_model().objects.filter(username=bob.name).aupdate(is_active=False)
    await ann.send({"msg": "for you", "to": bob.name})
    await ann.hear_error("no_such_user")


@check("process", **PRIVATE)
async def test_bad_input_is_an_error_here_too(tab):
    """What is no message for all is no message for one either."""
    ann, bob = await tab("ann"), await tab("bob")
    for msg, code in (("", "no_msg"), (None, "no_msg"), ("x" * 2001, "too_long")):
        await ann.send({"msg": msg, "to": bob.name})
        await ann.hear_error(code)
    assert await bob.heard() == []


@check("process", **PRIVATE)
async def test_a_guest_cannot_write_to_anybody(tab):
    """Who is not logged in cannot send a private message either."""
    guest, bob = await tab(None), await tab("bob")
    await guest.send({"msg": "for you", "to": bob.name})
    await guest.hear_error("login_required")
    assert await bob.heard() == []


@check("process", gs7={"/ws/ajwc/": 4})
async def test_an_account_that_is_deleted_gives_away_nothing(tab, new_visitor, seat):
    """Neither party's account can be deleted so that others read along; nor does a new user of an old name."""
    from channels.db import database_sync_to_async
    from django.contrib.auth import get_user_model

    ann, bob, _ = await tab("ann"), await tab("bob"), await tab("cid")
    await ann.tell("from ann", to=bob.name)
    await bob.hear("message")
    await bob.tell("from bob", to=ann.name)
    await ann.hear("message")
    await ann.client.leave()
    await bob.hear("leave")
    await database_sync_to_async(get_user_model().objects.filter(username=ann.name).delete)()
    for user in ("cid", None):
        assert (await tab(user)).messages == []
    await ann.user.sign_up(ann.name)
    newcomer = await tab("ann")
    assert newcomer.name == ann.name
    assert newcomer.messages == []


@check("wire", gs7={"/ws/ajwc/": 4})
async def test_the_rooms_list_does_not_count_it(tab, room):
    """The number of messages in the list of rooms is that of those which are for all."""
    from tests.steps.test_rooms import Links

    ann, bob = await tab("ann"), await tab("bob")
    await ann.tell("for all")
    await ann.tell("for you alone", to=bob.name)
    _, after = Links((await ann.user.get("/chat/")).body).found[room]
    assert "1 message" in after, f"after the room's name stands {after!r}"
