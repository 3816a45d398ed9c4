"""gs7: the others see who is typing."""

from tests.tasks import GENERIC, check

TYPING = {"gs7": dict.fromkeys(GENERIC, 6)}


@check("process", "redis", **TYPING)
async def test_the_others_see_who_is_typing(tab, room):
    """{"typing": true} is told to the others in the room, with the name, and to nobody else."""
    ann, bob, guest, elsewhere = await tab("ann"), await tab("bob"), await tab(None), await tab("cid", f"{room} two")
    await ann.send({"typing": True})
    for member in (bob, guest):
        assert await member.hear("typing") == {"event": "typing", "from": ann.name}
    assert await ann.heard() == []
    assert await elsewhere.heard() == []


@check("process", **TYPING)
async def test_typing_is_never_stored(tab):
    """Typing leaves nothing in the history."""
    ann, bob = await tab("ann"), await tab("bob")
    said = [await ann.tell("before")]
    await ann.send({"typing": True})
    await bob.hear("message")
    await bob.hear("typing")
    said.append(await ann.tell("after"))
    assert (await tab("cid")).messages == said


@check("process", **TYPING)
async def test_not_every_key_is_told(tab):
    """A flood of typing is told a few times at most: a layer that is full of it would lose messages."""
    ann, bob = await tab("ann"), await tab("bob")
    for msg in ("one", "two", "three"):
        for _ in range(100):
            await ann.send({"typing": True})
        # Here all of them have been handled: so many at once take a busy machine a second.
        await ann.tell(msg)
    heard = await bob.heard()
    assert [frame["msg"] for frame in heard if frame["event"] == "message"] == ["one", "two", "three"]
    assert 1 <= len([frame for frame in heard if frame["event"] == "typing"]) <= 10


@check("process", **TYPING)
async def test_after_a_message_typing_is_told_again(tab):
    """Whoever has sent a message and goes on typing is seen typing."""
    ann, bob = await tab("ann"), await tab("bob")
    for msg in ("one", "two", "three"):
        await ann.send({"typing": True})
        await ann.tell(msg)
        assert (await bob.next_of("typing", "message"))["event"] == "typing"
        assert (await bob.next_of("typing", "message"))["msg"] == msg


@check("process", **TYPING)
async def test_a_guest_is_not_typing(tab):
    """Who is not logged in cannot write, and so is not seen typing."""
    guest, bob = await tab(None), await tab("bob")
    await guest.send({"typing": True})
    await guest.hear_error("login_required")
    assert await bob.heard() == []


@check("process", **TYPING)
async def test_other_values_are_no_typing(tab):
    """Anything but true gets an error, and nobody hears of it; with a message beside it, it is a message."""
    ann, bob = await tab("ann"), await tab("bob")
    for value in (False, None, 1, "true", []):
        await ann.send({"typing": value})
        await ann.hear_error("no_msg")
    said = await ann.tell("hello", typing=True)
    assert await bob.heard() == [said]


@check("process", **TYPING)
async def test_typing_does_not_count_as_a_message(tab, settings):
    """However often one types, one may still say something in the same second."""
    settings.MESSAGES_PER_SECOND = 1
    ann, bob = await tab("ann"), await tab("bob")
    for _ in range(3):
        await ann.send({"typing": True})
    said = await ann.tell("hello")
    assert [frame for frame in await bob.heard() if frame["event"] == "message"] == [said]
