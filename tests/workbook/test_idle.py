"""When the checks stop waiting: as soon as nothing goes on any more that could bring an answer."""

import asyncio

import pytest

from tests.support.idle import first_of


async def answer_after_giving_up(seconds):
    """Wait for what never comes, but not for ever."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Queue().get()
    except TimeoutError:
        return "an answer"


async def answer_after_looking_up(seconds):
    """The same, with asyncio.wait(): it leaves what is waited for as it is."""
    coming = asyncio.ensure_future(asyncio.Queue().get())
    await asyncio.wait([coming], timeout=seconds)
    coming.cancel()
    return "an answer"


async def answer_when_called(seconds):
    """Wait for what a call will bring that the loop makes later."""
    queue = asyncio.Queue()
    asyncio.get_running_loop().call_later(seconds, queue.put_nowait, "an answer")
    return await queue.get()


async def never(seconds):
    """The same, and no answer then either."""
    await answer_after_giving_up(seconds)
    await asyncio.Queue().get()


@pytest.mark.parametrize("work", [asyncio.sleep, answer_after_giving_up, answer_after_looking_up, answer_when_called])
async def test_what_goes_on_is_waited_for(work):
    """A pause, a wait that is given up in time, and a call that the loop makes later, may bring an answer."""
    task = asyncio.create_task(work(0.5))
    assert await first_of(task, within=5) == {task}


@pytest.mark.parametrize("seconds", [None, 60], ids=["for ever", "too long"])
async def test_what_only_waits_is_not(seconds):
    """Who waits for what comes in, for ever or for longer than we do, brings no answer."""
    loop = asyncio.get_running_loop()
    task, began = asyncio.create_task(never(seconds)), loop.time()
    assert await first_of(task, within=30) == set()
    assert loop.time() - began < 10
    task.cancel()


async def test_that_the_checks_give_up_is_nothing_that_goes_on():
    """Two that look at the same time, each with a limit of its own, do not keep each other waiting."""
    loop = asyncio.get_running_loop()
    task, began = asyncio.create_task(never(None)), loop.time()

    async def look():
        async with asyncio.timeout(20):
            return await first_of(task, within=30)

    looks, _ = await asyncio.wait([asyncio.create_task(look()) for _ in range(2)])
    assert [each.result() for each in looks] == [set(), set()]
    assert loop.time() - began < 10
    task.cancel()
