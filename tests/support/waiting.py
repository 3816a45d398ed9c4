"""Waiting for conditions; never for a time."""

import asyncio
import time

PAUSE = 0.01  # seconds between two looks


def wait_for(condition, what, within=10.0):
    """Return `condition()` as soon as it is true.

    `what`, or what `what()` returns at the end, completes the sentence "waited … s for"; `within` is in seconds.
    Raises AssertionError with that sentence when the time is up.
    """
    deadline = time.monotonic() + within
    while not (result := condition()):
        give_up_after(deadline, what, within)
        time.sleep(PAUSE)
    return result


async def wait_until(condition, what, within=10.0):
    """The same as `wait_for`, awaited."""
    deadline = time.monotonic() + within
    while not (result := condition()):
        give_up_after(deadline, what, within)
        await asyncio.sleep(PAUSE)
    return result


def give_up_after(deadline, what, within):
    if time.monotonic() > deadline:
        raise AssertionError(f"waited {within:g} s for {what() if callable(what) else what}")
