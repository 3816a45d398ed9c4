"""How the checks of a copy are dealt to processes, and how these tell each other what has failed."""

import os
from types import SimpleNamespace

import pytest

from tests.support.plan import CORE, SLOW, Chosen, dealt
from tests.support.telling import Teller
from tests.tasks import Case


class Item:
    """A check, as far as it is dealt."""

    def __init__(self, number, way=None, task=1):
        self.nodeid = f"test_x.py::test_{number}"
        self.callspec = SimpleNamespace(params={"case": Case("gs2", None, task, way)})

    def get_closest_marker(self, name):
        return None


def chosen(number, level=CORE, **more):
    return [Chosen(order, Item(order, **more), level) for order in range(number)]


def orders(parts):
    return [[each.order for each in part] for part in parts]


def test_checks_are_dealt_in_turn():
    """So all parts begin with what comes first."""
    assert orders(dealt(chosen(18), 3)) == [[*range(part, 18, 3)] for part in range(3)]


@pytest.mark.parametrize("number", [0, 1, 11])
def test_a_few_are_one_part(number):
    """Each part loads the project, which has to be worth it."""
    assert orders(dealt(chosen(number), 3)) == [[*range(number)]]


def test_what_needs_the_same_programs_stays_together():
    """Two browsers would be slower than one."""
    redis, browser = chosen(6, SLOW, way="redis"), chosen(6, SLOW, way="postgres")
    ways = [{each.item.callspec.params["case"].way for each in part} for part in dealt([*redis, *browser], 3)]
    assert sorted(map(list, ways)) == [["postgres"], ["redis"]]


def teller(marks, share):
    request = {"run": 1, "step": "gs2", "project": os.curdir}
    return Teller(None, request, None, None, 0, share, marks)


def test_a_failure_counts_for_the_checks_after_it_alone(tmp_path):
    """Otherwise the failure that is told would depend on which part was quicker."""
    checks = [Chosen(order, Item(order, task=task), CORE) for order, task in enumerate([1, 1, 1, 2, 12, None])]
    (tmp_path / "1.1").touch()
    (tmp_path / "None.0").touch()
    told = teller(tmp_path, checks)
    assert [told.has_failed_before(each) for each in checks] == [False, False, True, False, False, False]
