"""The lessons' tasks. A check says which one it belongs to; each lesson's "Build it yourself" has them as headings."""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Task:
    """One numbered task of a step's lesson. `after` is the task without which it cannot be checked."""

    title: str
    after: int | None = None


TASKS = {
    "gs1": {
        1: Task("Let daphne serve the project"),
        2: Task("Split the protocols in asgi.py"),
        3: Task("Route ws/sc/ to a consumer", after=2),
        4: Task("Print what arrives", after=3),
        5: Task("End with the connection", after=3),
    },
    "gs2": {
        1: Task("Accept the handshake"),
        2: Task("Answer a text frame", after=1),
        3: Task("Send bytes back", after=1),
        4: Task("Close with a code", after=1),
        5: Task("Count on a second route"),
        6: Task("Refuse what is not a number", after=5),
    },
    "gs3": {
        1: Task("Accept the handshake, awaited"),
        2: Task("Answer text and bytes, awaited", after=1),
        3: Task("Close with a code, awaited", after=1),
        4: Task("Count in a task of its own"),
        5: Task("Stop the counter", after=4),
        6: Task("Cancel when the client leaves", after=4),
        7: Task("Count inside the handler", after=4),
    },
    "gs4": {
        1: Task("Welcome each client"),
        2: Task("Send each message to the group", after=1),
        3: Task("Say who comes and who goes", after=1),
        4: Task("Take any text for a group's name", after=1),
        5: Task("Answer bad input with an error", after=1),
        6: Task("Chat in a page", after=2),
        7: Task("Put Redis behind the layer", after=2),
        8: Task("Announce from another process", after=7),
        9: Task("Let a worker wait", after=8),
        10: Task("Come back when Redis was away", after=7),
    },
    "gs5": {
        1: Task("Make rooms and messages"),
        2: Task("Store first, then send", after=1),
        3: Task("Say when nothing was stored", after=2),
        4: Task("Show the history", after=2),
        5: Task("Give what came after an id", after=4),
        6: Task("The same, awaited", after=1),
        7: Task("List the rooms", after=2),
        8: Task("Let the admin see them", after=1),
        9: Task("Take the database from the environment"),
    },
}

EVERY_STEP = tuple(TASKS)
# The steps that keep something in a database.
WITH_DATABASE = ("gs5",)

# A promise that an earlier step made and this one keeps; it belongs to no task of this lesson.
KEPT = None


@dataclass(frozen=True)
class Case:
    """One check of one step: on which route, for which task, and by which way in (process or wire)."""

    step: str
    route: str | None = None
    number: int | None = KEPT
    way: str | None = None

    @property
    def task(self):
        return TASKS[self.step][self.number] if self.number else None

    def __str__(self):
        route = self.route.strip("/").removeprefix("ws/").replace("/", "-") if self.route else None
        return "-".join(part for part in (self.step, route, self.way) if part)


def check(*ways, **steps):
    """Mark a test as the check of a promise.

    `ways`: the ways in by which a conversation is held, "process", "wire" and/or "redis", which is the wire to a server
    with Redis behind its channel layer; none for a check that needs no client.
    `steps`: for each step that makes the promise, the number of the lesson's task (KEPT when it is none), or a dict
    from route to such a number: `@check("process", "wire", gs2={"/ws/sc/": 2})`.
    """
    cases = [
        Case(step, route, number, way)
        for step, routes in steps.items()
        for route, number in (routes.items() if isinstance(routes, dict) else [(None, routes)])
        for way in ways or [None]
    ]
    return pytest.mark.check(cases)


def case_of(item):
    """Return the Case of a collected test, or None when it is no check of a step."""
    return item.callspec.params.get("case") if hasattr(item, "callspec") else None
