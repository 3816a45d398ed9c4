"""gs1: a consumer that prints what arrives, and answers nothing."""

import pytest

from tests.support.client import PATIENCE
from tests.support.waiting import wait_until
from tests.tasks import check


@pytest.fixture
def expect_print(capsys):
    """A coroutine function that waits until a text was printed; a consumer that fails meanwhile fails the check."""
    printed = ""

    async def expect_print(client, text):
        def is_printed():
            nonlocal printed
            printed += capsys.readouterr().out
            return text in printed

        consumer = client.communicator.future
        await wait_until(lambda: is_printed() or consumer.done(), f"{text} to be printed", within=PATIENCE)
        if not is_printed():
            await client.ended()
            raise AssertionError(f"the consumer ended, and {text} was not printed")

    return expect_print


@check("process", gs1={"/ws/sc/": 4})
async def test_each_event_is_printed(new_client, expect_print):
    """websocket.connect, websocket.receive and websocket.disconnect are printed as they arrive."""
    client = new_client()
    await client.start()
    await expect_print(client, "websocket.connect")
    await client.send("hello")
    await expect_print(client, "websocket.receive")
    await client.leave()
    await expect_print(client, "websocket.disconnect")


@check("process", gs1={"/ws/sc/": 4})
async def test_nothing_is_answered(new_client, expect_print):
    """Nobody answers the handshake yet: that is gs2's lesson."""
    client = new_client()
    await client.start()
    await client.send("hello")
    await client.leave()
    await expect_print(client, "websocket.disconnect")
    assert client.communicator.output_queue.empty(), "the consumer sent something"


@check("process", gs1={"/ws/sc/": 5})
async def test_the_consumer_ends_with_its_connection(new_client):
    """websocket.disconnect raises StopConsumer: the consumer ends when its client has left."""
    client = new_client()
    await client.start()
    await client.leave()
    await client.ended()


@check("wire", gs1={"/ws/sc/": 4})
async def test_the_handshake_waits(server, new_client, timeline):
    """The server prints websocket.connect, and the browser goes on waiting."""
    handshake = new_client().begin()
    await server.printed("websocket.connect", since=timeline.began)
    assert not handshake.done(), "the handshake was answered"


@check("wire", gs1={"/ws/sc/": 5})
async def test_a_client_that_gives_up_is_noticed(server, new_client, timeline):
    """A client that gives up waiting is a websocket.disconnect with code 1006."""
    client = new_client()
    client.begin()
    await server.printed("websocket.connect", since=timeline.began)
    await client.discard()
    await server.printed("'code': 1006", since=timeline.began)


@check("wire", gs1={"/ws/sc/": 5})
async def test_a_hundred_clients_give_up_at_once(server, new_client, timeline):
    """A hundred clients that come and go at once leave nothing behind."""
    clients = [new_client() for _ in range(100)]
    for client in clients:
        client.begin()
    await server.printed("websocket.connect", times=100, since=timeline.began)
    for client in clients:
        await client.discard()
    await server.printed("websocket.disconnect", times=100, since=timeline.began)
