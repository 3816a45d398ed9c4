"""gs2 and gs3: accept, answer, close; sync and async alike."""

import asyncio

import pytest

from tests.support.client import Closed
from tests.tasks import KEPT, check

ONE_MIB = 1024 * 1024
ANSWER = "Message from server: "

ACCEPT = {"gs2": {"/ws/sc/": 1}, "gs3": {"/ws/sc/": KEPT, "/ws/ac/": 1}}
TEXT = {"gs2": {"/ws/sc/": 2}, "gs3": {"/ws/sc/": KEPT, "/ws/ac/": 2}}
BYTES = {"gs2": {"/ws/sc/": 3}, "gs3": {"/ws/sc/": KEPT, "/ws/ac/": 2}}
CLOSE = {"gs2": {"/ws/sc/": 4}, "gs3": {"/ws/sc/": KEPT, "/ws/ac/": 3}}


@check("process", "wire", **ACCEPT)
async def test_the_handshake_is_accepted(connect):
    """The handshake is accepted."""
    await connect()


@check("process", "wire", **TEXT)
@pytest.mark.parametrize(
    "text", ["hello", "", " ", "naïve ☂ 你好 🎉", "<img src=x onerror=alert(1)>", "BYE", "bye ", "0"], ids=ascii
)
async def test_a_text_is_answered(connect, text):
    """A text T is answered with the text "Message from server: T"."""
    client = await connect()
    await client.send(text)
    await client.expect(f"Message from server: {text}")
    await client.send("once more")
    await client.expect("Message from server: once more")


@check("process", "wire", **BYTES)
@pytest.mark.parametrize("data", [b"\x00\xff", b"bye", bytes(range(256))], ids=["two", "bye", "all"])
async def test_bytes_come_back(connect, data):
    """Bytes come back as the same bytes."""
    client = await connect()
    await client.send(data)
    await client.expect(data)


@check("process", "wire", **BYTES)
@pytest.mark.unhurried
async def test_answers_keep_the_order(connect):
    """One frame, one answer, in the order in which they were sent."""
    client = await connect()
    frames = [f"text {number}" if number % 2 else b"bytes %d" % number for number in range(50)]
    for frame in frames:
        await client.send(frame)
    await client.expect(*(f"Message from server: {frame}" if isinstance(frame, str) else frame for frame in frames))


@check("process", "wire", **CLOSE)
async def test_bye_closes(connect):
    """The text "bye" makes the server close the connection with code 4000."""
    client = await connect()
    await client.send("hello")
    await client.expect("Message from server: hello")
    await client.send("bye")
    await client.expect_close(4000)


@check("process", **CLOSE)
async def test_the_close_is_the_last_event(connect, timeline):
    """After the close the consumer sends nothing more."""
    client = await connect()
    await client.send("bye")
    await client.expect_close(4000)
    await client.leave(4000)
    await client.ended()
    sent = [text for text in timeline.texts("consumer") if text.startswith("→")]
    assert "websocket.close" in sent[-1], f"after the close the consumer sent {sent[-1].removeprefix('→ ')}"


@check("process", "wire", **ACCEPT)
@pytest.mark.parametrize("goes", ["leave", "vanish"])
async def test_the_consumer_ends_with_its_connection(connect, goes):
    """When the client leaves, with a close frame or without, its consumer ends at once."""
    client = await connect()
    await getattr(client, goes)()
    await client.ended()


@check("process", "wire", **CLOSE)
async def test_connections_are_apart(connect):
    """What one client does, another one does not notice."""
    ann, bob = await connect(), await connect()
    await ann.send("from ann")
    await bob.send("from bob")
    await ann.send("bye")
    await ann.expect("Message from server: from ann")
    await ann.expect_close(4000)
    await bob.send("still here")
    await bob.expect("Message from server: from bob", "Message from server: still here")


@check("wire", **BYTES)
async def test_an_empty_binary_frame_does_no_harm(connect):
    """An empty binary frame gets no answer, because daphne drops empty frames; the connection stays open."""
    client = await connect()
    await client.send(b"")
    await client.send("hello")
    await client.expect("Message from server: hello")


@check("process", "wire", **TEXT)
@pytest.mark.unhurried
@pytest.mark.parametrize("length", [1_000_000, ONE_MIB - len(ANSWER)], ids=["long", "just"])
async def test_a_long_text_is_answered(connect, length):
    """A text whose answer fits into 1 MiB is answered whole, however long it is."""
    client = await connect()
    await client.send("x" * length)
    await client.expect(ANSWER + "x" * length)


@check("wire", **TEXT)
async def test_a_text_too_long_to_be_answered(connect):
    """A text whose answer would be over daphne's limit of 1 MiB gets an error, and the connection stays open."""
    client = await connect()
    await client.send("x" * ONE_MIB)
    await client.expect_error()
    await client.send("hello")
    await client.expect("Message from server: hello")


@check("wire", **BYTES)
async def test_a_whole_mebibyte_comes_back(connect):
    """1 MiB of bytes, the most that daphne lets through, comes back whole."""
    client = await connect()
    await client.send(b"x" * ONE_MIB)
    await client.expect(b"x" * ONE_MIB)


@check("wire", **TEXT)
@pytest.mark.parametrize("frame", ["x" * (ONE_MIB + 10), b"x" * (ONE_MIB + 10)], ids=["text", "bytes"])
async def test_more_than_a_mebibyte_hurts_nobody_else(connect, frame):
    """A frame over 1 MiB costs its sender the connection, and nobody else anything."""
    sender, other = await connect(), await connect()
    await sender.send(frame)
    with pytest.raises(Closed):
        await sender.receive()
    await sender.ended()
    await other.send("hello")
    await other.expect("Message from server: hello")


@check("wire", **ACCEPT)
async def test_a_hundred_clients_come_and_go(connect):
    """A hundred clients that connect and leave at once leave nothing behind."""
    clients = await asyncio.gather(*(connect() for _ in range(100)))
    await asyncio.gather(*(client.vanish() if number % 2 else client.leave() for number, client in enumerate(clients)))
    await asyncio.gather(*(client.ended() for client in clients))
    await connect()
