"""Whether anything is still going on in an event loop: if all wait for something to come in, no answer will."""

import asyncio
import contextlib
import math

PAUSE = 0.04  # seconds between two looks
LOOKS = 2  # so many more after the first at which nothing went on

# Where a coroutine waits for what comes in (a queue), or for others that are looked at as well.
WAITING = {("queues.py", "get"), ("tasks.py", "_wait")}


async def first_of(*futures, within):
    """Return those of futures that are done as soon as one is; none when nothing goes on any more.

    within: seconds after which none is returned in any case.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    quiet = 0
    with looking():
        while quiet <= LOOKS and loop.time() < deadline:
            done, _ = await asyncio.wait(futures, timeout=PAUSE, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return done
            quiet = 0 if glance.is_anybody_busy(loop, deadline) else quiet + 1
    return set()


# The tasks that look: that they give up some time is nothing that goes on.
LOOKING = set()


@contextlib.contextmanager
def looking():
    task = asyncio.current_task()
    LOOKING.add(task)
    try:
        yield
    finally:
        LOOKING.discard(task)


def next_due(loop):
    """Return the time of the loop at which anything happens by itself: a wait has had its time, or a call is due."""
    # Who looks waits with a limit, too: asyncio.wait() leaves a handle, with the future that its task waits for.
    waited_for = {id(task._fut_waiter) for task in LOOKING}
    # asyncio has no other list of what is due; another kind of event loop may have none at all.
    handles = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    return min((handle.when() for handle in handles if is_of_others(handle, waited_for)), default=math.inf)


def is_of_others(handle, waited_for):
    timeout = getattr(handle._callback, "__self__", None)
    if isinstance(timeout, asyncio.Timeout):
        return timeout._task not in LOOKING
    return not any(isinstance(each, asyncio.Future) and id(each) in waited_for for each in handle._args)


class Glance:
    """Looks at all tasks, but not for each of a crowd that waits: what was seen a moment ago is still true."""

    def __init__(self):
        self.loop = self.at = None

    def is_anybody_busy(self, loop, deadline):
        """Return whether a task waits for anything else than for what comes in: a thread, a pause, a database.

        Or whether anything happens by itself before `deadline`, a time of the loop.
        """
        if self.loop is not loop or loop.time() - self.at > PAUSE / 2:
            tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
            self.loop, self.at = loop, loop.time()
            self.is_busy, self.next_due = any(map(is_busy, tasks)), next_due(loop)
        return self.is_busy or self.next_due < deadline


glance = Glance()


def is_busy(task):
    coroutine, innermost = task.get_coro(), None
    while coroutine is not None:
        innermost = getattr(coroutine, "cr_frame", None) or innermost
        coroutine = getattr(coroutine, "cr_await", None)
    if innermost is None:
        return True
    code = innermost.f_code
    return (code.co_filename.replace("\\", "/").rpartition("/")[2], code.co_name) not in WAITING
