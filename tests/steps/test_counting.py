"""gs2 and gs3: counters that take their time, and what that does to others."""

import asyncio
import re

import pytest
from asgiref.sync import ThreadSensitiveContext

from tests.support.client import PATIENCE, ProcessClient
from tests.support.recorder import ENDED
from tests.support.waiting import wait_until
from tests.tasks import KEPT, check

COUNT = {"gs2": {"/ws/sc/count/": 5}, "gs3": {"/ws/sc/count/": KEPT, "/ws/ac/count/": 4}}
REFUSE = {"gs2": {"/ws/sc/count/": 6}, "gs3": {"/ws/sc/count/": KEPT, "/ws/ac/count/": 4}}
SYNC = {"gs2": {"/ws/sc/count/": 5}, "gs3": {"/ws/sc/count/": KEPT}}

NO_NUMBERS = ["0", "61", "-1", "1.5", "three", "²", "", "99999999999999999999", "3 4", b"3", b""]


@check("process", "wire", **COUNT)
@pytest.mark.parametrize("last", [1, 3])
async def test_it_counts(connect, last):
    """A number N is answered with the texts 1 to N."""
    client = await connect()
    await client.send(str(last))
    await client.expect(*(str(number) for number in range(1, last + 1)))
    # Would it count on, its next number came before this one.
    await client.send("1")
    await client.expect("1")
    # And each count begins anew.
    await client.send("2")
    await client.expect("1", "2")


@check("process", **COUNT)
@pytest.mark.parametrize("goes", ["leave", "vanish"])
async def test_a_counter_ends_with_its_connection(connect, goes):
    """When a client leaves that has asked for no number, its consumer ends, too."""
    client = await connect()
    await getattr(client, goes)()
    await client.ended()


@check("process", **COUNT)
@pytest.mark.unhurried
async def test_sixty_is_the_most(connect, settings):
    """60 is the highest number that is counted to."""
    settings.COUNT_INTERVAL = 0
    client = await connect()
    await client.send("60")
    async with asyncio.timeout(PATIENCE):
        await client.expect(*(str(number) for number in range(1, 61)))


@check("process", **COUNT)
@pytest.mark.unhurried
async def test_it_takes_its_time(connect, settings):
    """From one number to the next COUNT_INTERVAL seconds pass."""
    settings.COUNT_INTERVAL = 0.05
    took = await seconds_for_three(connect)
    # A busy machine makes pauses longer, never shorter; what was read late shortens the next pause a little.
    assert took > 0.075, f"the three numbers came within {took:.3f} s"
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 3
    while took > 0.2 and loop.time() < deadline:
        took = await seconds_for_three(connect)
    assert took < 0.2, f"from the first number to the third it took {took:.3f} s, not 0.1 s, however often one asked"


async def seconds_for_three(connect):
    """Return how long it took from the first of three numbers to the last."""
    client = await connect()
    await client.send("3")
    loop = asyncio.get_running_loop()
    times = []
    for number in "123":
        await client.expect(number)
        times.append(loop.time())
    return times[2] - times[0]


@check("process", **REFUSE)
async def test_anything_else_is_refused(connect):
    """What is no number from 1 to 60 gets a text that starts with "error:", and the connection stays open."""
    client = await connect()
    for frame in NO_NUMBERS:
        await client.send(frame)
        await client.expect_error()
    await client.send("1")
    await client.expect("1")


@check("wire", **REFUSE)
async def test_large_and_odd_frames_are_refused(connect):
    """A frame of a whole mebibyte is refused as any other, in a few words."""
    client = await connect()
    for frame in ("9" * 1024 * 1024, b"9" * 1024 * 1024, "three"):
        await client.send(frame)
        assert len(await client.expect_error()) < 200
    await client.send("1")
    await client.expect("1")


@check("process", **SYNC)
@pytest.mark.unhurried
async def test_sync_counters_take_turns(connect):
    """Three sync counters answer one after another: all sync consumers of a process share one thread."""
    heard = await count_together(connect, "2")
    order = list(dict.fromkeys(heard))
    assert heard == [client for client in order for _ in range(2)], (
        f"the sockets got their numbers in the order {heard}, not one after another"
    )


@check("process", gs3={"/ws/ac/count/": 4})
async def test_an_error_does_not_wait_for_the_count(connect):
    """While it counts it hears what comes: what is no number gets its error at once, not after the last number."""
    client = await connect()
    await client.send("60")
    await client.expect("1")
    await client.send("three")
    last, frame = await after_numbers(client)
    assert frame.startswith("error:"), f"while it counted, 'three' was answered with {frame!r}"
    assert last < 60, "it was answered when the count had ended"


async def after_numbers(client):
    """Return the last number that the client hears, and the first frame that is none."""
    last, frame = 0, await client.receive()
    while frame.isdigit():
        last, frame = int(frame), await client.receive()
    return last, frame


@check("process", gs3={"/ws/ac/count/": 4})
@pytest.mark.unhurried
async def test_async_counters_run_side_by_side(connect):
    """Three async counters count at the same time."""
    heard = await count_together(connect, "5")
    assert are_side_by_side(heard), f"they answered in the order {heard}"


@check("wire", gs3={"/ws/sc/count/": KEPT})
async def test_a_sync_counter_keeps_async_consumers_waiting(new_client, connect, timeline):
    """While a sync counter counts, async ones wait too: Channels tidies up before each event in that same thread."""
    counter = await connect()
    await counter.send("3")
    await counter.expect("1")
    await new_client("/ws/ac/").connect()
    await counter.expect("2", "3")
    sent = [text for text in timeline.texts("consumer") if text.startswith("→")]
    last_number = next(at for at, text in enumerate(sent) if "'3'" in text)
    assert last_number < len(sent) - 1, "the handshake was accepted while the sync counter counted"
    assert "websocket.accept" in sent[-1]


@check("process", **SYNC)
@pytest.mark.unhurried
async def test_a_context_of_its_own_gives_each_connection_a_thread(case, application, timeline):
    """The way out: inside a ThreadSensitiveContext a connection has a thread of its own."""

    async def in_a_context(scope, receive, send):
        async with ThreadSensitiveContext():
            await application(scope, receive, send)

    async def connect():
        return await ProcessClient(in_a_context, case.route, timeline).connect()

    heard = await count_together(connect, "5")
    assert are_side_by_side(heard), f"they answered in the order {heard}"


async def count_together(connect, last):
    """Let three clients count to `last` at once; return who (0, 1, 2) was heard, number by number."""
    clients = [await connect() for _ in range(3)]
    heard = []

    async def listen(who):
        for number in range(int(last)):
            await clients[who].expect(str(number + 1))
            heard.append(who)

    for client in clients:
        await client.send(last)
    await asyncio.gather(*map(listen, range(3)))
    for client in clients:
        await client.leave()
        await client.ended()
    return heard


def are_side_by_side(heard):
    """Return whether everybody was heard for the first time before anybody was heard for the last time."""
    firsts = [heard.index(who) for who in set(heard)]
    lasts = [len(heard) - 1 - heard[::-1].index(who) for who in set(heard)]
    return max(firsts) < min(lasts)


@check("process", "wire", gs3={"/ws/ac/count/": 5})
async def test_stop_is_heard_while_it_counts(connect):
    """While it counts, "stop" is answered with "stopped at K", K the last number sent; then it is quiet."""
    client = await connect()
    await client.send("60")
    await client.expect("1")
    await client.send("stop")
    last, frame = await after_numbers(client)
    assert frame == f"stopped at {last or 1}"
    assert last < 60, "it was answered when the count had ended"
    # Would the count go on, its next number came before this one.
    await client.send("2")
    for number in "12":
        heard = await client.receive()
        assert heard == number, f"when it had stopped it was told to count to 2, and answered {heard!r}"


@check("process", "wire", gs3={"/ws/ac/count/": 5})
async def test_a_number_while_it_counts_is_an_error(connect):
    """While it counts, another number gets a text that starts with "error:", and the count goes on to its end."""
    client = await connect()
    await client.send("3")
    await client.send("2")
    heard = [await client.receive() for _ in range(4)]
    errors = [frame for frame in heard if not frame.isdigit()]
    assert [frame for frame in heard if frame.isdigit()] == ["1", "2", "3"]
    assert errors[0].startswith("error:"), f"the other number was answered with {errors[0]!r}"
    await client.send("1")
    await client.expect("1")


@check("process", "wire", gs3={"/ws/ac/count/": 5})
async def test_stop_without_a_count_is_an_error(connect):
    """When nothing is counting, "stop" gets a text that starts with "error:"."""
    client = await connect()
    await client.send("stop")
    await client.expect_error()
    await client.send("1")
    await client.expect("1")
    await client.send("stop")
    await client.expect_error()


@check("process", "wire", gs3={"/ws/ac/count/": 7})
async def test_events_of_one_connection_are_handled_in_turn(connect):
    """ "await 3" counts inside the handler: a "stop" sent meanwhile is handled only after the 3."""
    client = await connect()
    await client.send("await 3")
    await client.send("stop")
    await client.expect("1", "2", "3")
    await client.expect_error()


@check("process", gs3={"/ws/ac/count/": 6})
@pytest.mark.parametrize("goes", ["leave", "vanish"])
async def test_no_task_is_left(connect, settings, timeline, goes):
    """When the client leaves, its count is cancelled with it, and nothing more is sent."""
    before = asyncio.all_tasks()
    client = await connect()
    await client.send("60")
    await client.expect("1")
    # From its next number on the count would last longer than the check.
    settings.COUNT_INTERVAL = 60
    await getattr(client, goes)()
    try:
        await client.ended()
        await wait_until(
            lambda: asyncio.all_tasks() <= before | {client.communicator.future}, "the count's task to end", within=1
        )
    finally:
        # A count that cannot be cancelled is not waited for.
        settings.COUNT_INTERVAL = 0
    told = timeline.texts("consumer")
    last_words = told[next(at for at, text in enumerate(told) if "websocket.disconnect" in text) + 1 :]
    sent = [text for text in last_words if text.startswith("→") and not re.search(r"'text': '\d+'", text)]
    assert not sent, f"to a client that had left the consumer sent {sent[0].removeprefix('→ ')}"


@check("wire", gs3={"/ws/ac/count/": 6})
@pytest.mark.parametrize("goes", ["leave", "vanish"])
async def test_nothing_is_sent_after_the_end(connect, timeline, goes):
    """When the client leaves in the middle, its consumer ends at once and sends nothing more."""
    client = await connect()
    await client.send("60")
    await client.expect("1")
    await getattr(client, goes)()
    await client.ended()
    assert timeline.texts("consumer")[-1] == ENDED


@check("wire", **SYNC)
async def test_a_sync_counter_ends_when_it_has_counted(connect):
    """A sync counter whose client leaves counts to its end, because it hears nothing until then; then it ends too."""
    client = await connect()
    await client.send("3")
    await client.expect("1")
    await client.vanish()
    await client.ended()
