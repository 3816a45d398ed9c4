"""The lessons' tasks. A check says which one it belongs to; each lesson's "Build it yourself" has them as headings."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from workbook.lesson import material_of
from workbook.steps import all_steps

ROOT = Path(__file__).resolve().parents[1]

# Of each step the tasks in its lesson.toml, by their numbers.
TASKS = {step.name: material.tasks for step in all_steps(ROOT) if (material := material_of(step))}

EVERY_STEP = tuple(TASKS)
# The steps that keep something in a database.
WITH_DATABASE = ("gs5", "gs6", "gs7")
# The steps in which whoever speaks is a user.
WITH_USERS = ("gs6", "gs7")

# The chat on the four generic consumers.
GENERIC = ("/ws/wsc/", "/ws/awsc/", "/ws/jwc/", "/ws/ajwc/")
# A check of all four is made with all four in process. The other ways carry the same frames, whatever class has made
# them: there one or two stand for all.
STAND_FOR_ALL = {"wire": ["/ws/wsc/"], "redis": ["/ws/wsc/", "/ws/ajwc/"], "postgres": ["/ws/ajwc/"]}

# A promise that an earlier step made and this one keeps; it belongs to no task of this lesson.
KEPT = None


@dataclass(frozen=True)
class Case:
    """One check of one step: on which route, for which task, and by which way in (process or wire)."""

    step: str
    route: str | None = None
    number: int | None = KEPT
    way: str | None = None
    is_again: bool = False  # the promise is checked in a quicker way, or of an earlier step, too

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
    from route to such a number: `@check("process", "wire", gs2={"/ws/sc/": 2})`. A promise that is KEPT is checked in
    process, where that is among the ways, and not on the wire or over Redis again.

    `make test` makes the check by the first of the ways, of the first step and of each that has a task for it. The
    others come after: `make gsN test` makes them all for one step, `make prove` for all steps.
    """
    first_step, first_way = min(steps), next(iter(ways), None)
    cases = [
        Case(step, route, number, way, is_again=way != first_way or (number is KEPT and step != first_step))
        for step, routes in steps.items()
        for route, number in (routes.items() if isinstance(routes, dict) else [(None, routes)])
        for way in ways or [None]
        if not (number is KEPT and "process" in ways and way in ("wire", "redis"))
        if route not in GENERIC or len(routes) < len(GENERIC) or route in STAND_FOR_ALL.get(way, GENERIC)
    ]
    return pytest.mark.check(cases)


def case_of(item):
    """Return the Case of a collected test, or None when it is no check of a step."""
    return item.callspec.params.get("case") if hasattr(item, "callspec") else None
