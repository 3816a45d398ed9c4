"""How the tests are shared out among sharing."""

from tests.support import shares as sharing
from tests.support.verdicts import FailedTasks
from tests.tasks import Case


class Item:
    """A collected test, as far as shares look at it: with a case, unless it is of the workbook, and marks."""

    def __init__(self, step=None, way=None, *marks):
        self.marks = marks
        if step:
            self.callspec = type("CallSpec", (), {"params": {"case": Case(step, way=way)}})

    def get_closest_marker(self, name):
        return name if name in self.marks else None


def test_each_test_is_in_one_share_with_others_of_its_step():
    ways = (None, "process", "wire", "redis", "postgres")
    items = [Item(step, way) for step in ("gs1", "gs2") for way in ways for _ in range(150)]
    items += [Item("gs2", "wire", "browser") for _ in range(60)] + [Item() for _ in range(900)]
    shares = sharing.in_shares(items)
    shared = [item for share in shares for item in share.items]
    assert len(shared) == len(items)
    assert {id(item) for item in shared} == {id(item) for item in items}
    for share in shares:
        assert {sharing.step_of(item) for item in share.items} == {share.step}
        assert len({item.marks for item in share.items}) == 1
    assert len([share for share in shares if share.items[0].marks]) > 1
    assert len([share for share in shares if share.step == sharing.WORKBOOK]) > 1


def test_the_share_that_waits_longest_comes_first():
    items = [*(Item("gs1", "wire") for _ in range(100)), Item("gs2", None, "patient"), Item("gs3", "process")]
    assert [share.step for share in sharing.in_shares(items)] == ["gs2", "gs1", "gs3"]


def test_a_few_checks_of_a_step_are_one_share():
    items = [Item("gs2", way) for way in (None, "process", "wire", "redis") for _ in range(10)]
    assert len(sharing.in_shares(items)) == 1


def test_a_failed_task_is_known_to_the_other_processes_of_its_step(tmp_path):
    here, there, elsewhere = FailedTasks(tmp_path), FailedTasks(tmp_path), FailedTasks()
    for tasks in (here, elsewhere):
        tasks.add("gs2", 1)
    assert ("gs2", 1) in here
    assert ("gs2", 1) in there
    assert ("gs2", 1) in elsewhere
    assert ("gs2", 2) not in there
    assert ("gs1", 1) not in there


def test_what_keeps_the_cores_busy_runs_by_itself():
    busy, others = Item(None, None, "proof", "busy"), [Item(None, None, "proof"), Item("gs1", "wire")]
    assert sharing.divided([others[0], busy, others[1]]) == ([busy], others)
