"""gs7: the subprotocol chat.v1."""

import pytest
from redis.exceptions import ConnectionError

from tests.support.client import Closed
from tests.tasks import GENERIC, check

OFFERS = {"gs7": dict.fromkeys(GENERIC, 8)}
UNKNOWN = 4406


@check("process", "wire", **OFFERS)
@pytest.mark.parametrize("offered", [["chat.v1"], ["chat.v2", "chat.v1"], ["chat.v1", "json"]], ids=" ".join)
async def test_chat_v1_is_chosen(tab, offered):
    """A client that offers chat.v1, alone or among others, gets it, and the chat is as it was."""
    ann = await tab("ann", subprotocols=offered)
    assert ann.client.subprotocol == "chat.v1"
    await ann.tell("hello")


@check("process", "wire", **OFFERS)
async def test_no_offer_is_no_subprotocol(tab):
    """A client that offers nothing is let in as before."""
    ann = await tab("ann")
    assert ann.client.subprotocol is None
    await ann.tell("hello")


@check("process", "wire", **OFFERS)
@pytest.mark.parametrize("offered", [["chat.v2"], ["CHAT.V1", "json"]], ids=" ".join)
async def test_an_unknown_offer_is_refused_in_words(tab, seat, offered):
    """Who offers only what is unknown is told so, in an error and with the close code 4406, and nothing else."""
    ann = await tab("ann")
    await ann.tell("before")
    stranger = await seat(user="bob", subprotocols=offered)
    await stranger.client.connect()
    # Taken for a moment: a browser would otherwise drop the connection before a word could be said.
    assert stranger.client.subprotocol == offered[0]
    await stranger.hear_error("unknown_subprotocol")
    await stranger.client.expect_close(UNKNOWN)
    assert await ann.heard() == []


@check("process", gs7={"/ws/ajwc/": 8})
async def test_who_is_refused_for_another_reason_can_read_it_too(seat):
    """Refused for a ticket that is none, a client that offers chat.v1 has it chosen: a browser gets the code."""
    ann = await seat(user="ann", query="?ticket=none", subprotocols=["chat.v1"])
    await ann.client.connect()
    assert ann.client.subprotocol == "chat.v1"
    await ann.client.expect_close(4401)


@check("process", gs7={"/ws/wsc/": 8, "/ws/ajwc/": 8})
async def test_who_comes_while_redis_is_away_can_read_it_too(seat, layer, monkeypatch):
    """Turned away because the layer fails, a client that offers chat.v1 has it chosen: a browser gets the code."""

    async def fail(*message):
        raise ConnectionError("Redis is away")

    for method in ("group_add", "group_send", "send"):
        monkeypatch.setattr(layer, method, fail)
    ann = await seat(user="ann", subprotocols=["chat.v1"])
    await ann.client.connect()
    assert ann.client.subprotocol == "chat.v1"
    with pytest.raises(Closed) as closed:
        await ann.drain()
    assert closed.value.code == 4013


TRY = """([address, offered]) => new Promise((done) => {
    const seen = [];
    const socket = new WebSocket(address, offered);
    socket.onopen = () => seen.push(["open", socket.protocol]);
    socket.onmessage = ({ data }) => seen.push([JSON.parse(data).event, JSON.parse(data).code ?? ""]);
    socket.onclose = ({ code }) => done([...seen, ["close", code]]);
})"""


@check("wire", gs7={"/ws/ajwc/": 8})
@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_a_browser_can_read_why(page, server, case, room):
    """A browser's script gets the words and the code, too."""
    address = server.url(f"{case.route}{room}/")
    seen = await page.evaluate(TRY, [address, ["chat.v2"]])
    assert seen == [["open", "chat.v2"], ["error", "unknown_subprotocol"], ["close", UNKNOWN]]
