"""A pytest plugin that leaves what the proof of a wrong program needs: all that is quick, or one check.

CHOSEN is "quick", or a check's name and a way, as "test_it_talks wire"; the way "alone" stands for any. What is quick
comes in the order in which a learner is told of it.
"""

import os

from tests.support.plan import CORE, REST, level_of
from tests.tasks import case_of


def pytest_collection_modifyitems(config, items):
    """Deselect the rest, and sort."""
    chosen = os.environ["CHOSEN"].split()
    seen = set()
    levels = {item: level_of(item, seen) for item in items if case_of(item)}
    keep = [item for item in levels if is_chosen(item, levels[item], chosen)]
    config.hook.pytest_deselected(items=[item for item in items if item not in keep])
    items[:] = sorted(keep, key=levels.get)


def is_chosen(item, level, chosen):
    """Whether this check belongs to the choice."""
    if chosen == ["quick"]:
        return level in (CORE, REST)
    name, way = chosen
    return item.originalname == name and (way == "alone" or case_of(item).way == way)
