"""Which checks of a step a request asks for, in which order, and how they are dealt to processes that run at once.

The levels, in the order in which they are run: each check of every task comes once (CORE) before any comes with other
data (REST); then what needs a server (WIRE); then what starts other programs, or waits long (SLOW). What an earlier
step has promised, and only a server can show, is checked AGAIN.
"""

from dataclasses import dataclass

from tests.support.shares import kind_of, seconds_of
from tests.tasks import KEPT, case_of

CORE, REST, WIRE, SLOW, AGAIN = range(5)
IN_PROCESS = {CORE, REST}
WITH_PROGRAMS = {SLOW, AGAIN}

# Fixtures that start programs, or wait long; a check that calls manage() starts one too.
SLOW_FIXTURES = {
    "alone",
    "browser",
    "idle_socket",
    "migration",
    "postgres",
    "redis_program",
    "redis_server",
    "serve",
    "servers",
}
WIRE_FIXTURES = {"asgi_import", "server", "start_recorded"}
SLOW_WAYS = {"redis", "postgres"}

# Another process has to load the project, too: it is worth that for so many checks.
FEWEST = 6


@dataclass(frozen=True)
class Chosen:
    """A check that is asked for. `order` is its place among all that are."""

    order: int
    item: object
    level: int


def level_of(item, seen):
    """Return the level of a collected check; seen is the set of (check, route) that were there before it."""
    case = case_of(item)
    level = level_by_need(item, case, seen)
    takes_its_time = level == SLOW or case.way == "wire"
    return AGAIN if takes_its_time and case.number is KEPT and case.is_again else level


def level_by_need(item, case, seen):
    """Return the level of a check as if no earlier step had it."""
    fixtures = set(item.fixturenames)
    if case.way in SLOW_WAYS or fixtures & SLOW_FIXTURES or any(map(item.get_closest_marker, ("patient", "waits"))):
        return SLOW
    if case.way == "wire" or fixtures & WIRE_FIXTURES or "manage" in item.function.__code__.co_names:
        return WIRE
    if case.number is None or item.get_closest_marker("unhurried") or (item.originalname, case.route) in seen:
        return REST
    seen.add((item.originalname, case.route))
    return CORE


def promise_of(item):
    """Return what a check promises, in a line."""
    return " ".join((item.function.__doc__ or item.name).split())


def choose(items, request):
    """Return (all checks of the step, as [{"id", "task", "level", "promise"}]; a list of Chosen, in their order).

    `items` are in the order of the lesson; for `request` see warm.py.
    """
    seen = set()
    levels = {item: level_of(item, seen) for item in items if case_of(item).step == request["step"]}
    checks = [
        {"id": item.nodeid, "task": case_of(item).number, "level": level, "promise": promise_of(item)}
        for item, level in levels.items()
    ]
    wanted = [
        item
        for item, level in levels.items()
        if level in request["levels"]
        and case_of(item).number in request["tasks"]
        and (request["only"] is None or item.nodeid in request["only"])
    ]
    wanted.sort(key=lambda item: urgency(item, levels[item], request["first"]))
    return checks, [Chosen(order, item, levels[item]) for order, item in enumerate(wanted)]


def urgency(item, level, first):
    # What is quick comes first: of what needs many clients, a timeline is long.
    return (item.name not in first, level, item.get_closest_marker("unhurried") is not None)


def dealt(chosen, most):
    """Return lists of `chosen`, at most so many, about equally long; at least one, which may be empty.

    What starts other programs is together with what needs the same ones; the others are dealt in turn.
    """
    parts = [[] for _ in range(max(1, min(most, len(chosen) // FEWEST)))]
    for number, each in enumerate(each for each in chosen if each.level not in WITH_PROGRAMS):
        parts[number % len(parts)].append(each)
    groups = {}
    for each in chosen:
        if each.level in WITH_PROGRAMS:
            groups.setdefault(kind_of(each.item), []).append(each)
    for group in sorted(groups.values(), key=seconds, reverse=True):
        min(parts, key=seconds).extend(group)
    return [sorted(part, key=lambda each: each.order) for part in parts if part] or [[]]


def seconds(part):
    return sum(seconds_of(each.item) for each in part)
