"""The suite's door: which step, which folder, which Django settings.

`pytest --step gs2` checks the finished step in this process; with `--project=DIR` it checks the copy in DIR. (With the
"=": pytest takes a folder that stands alone for a place to look for tests, before it knows the option.) Plain `pytest`
runs each step in processes of its own, because Django has one settings module a process (tests/support/processes.py).
"""

from pathlib import Path

import pytest

from tests.support import processes, verdicts
from tests.support.evidence import Witness
from tests.support.project import ROOT, STEPS, enter
from tests.tasks import TASKS, case_of


def pytest_addoption(parser):
    group = parser.getgroup("workbook")
    group.addoption("--step", metavar="gsN", help="check only this step, in this process")
    group.addoption("--project", metavar="DIR", type=Path, help="with --step: check the copy in DIR")
    group.addoption(
        "--proof", action="store_true", help="also what takes minutes: wrong programs, and what is checked again"
    )
    group.addoption(processes.OPTION, help="for the suite itself: report to the pytest process at this address")


def pytest_configure(config):
    config.addinivalue_line("markers", "check(cases): the check of a promise; see tests/tasks.py")
    config.addinivalue_line("markers", "browser: needs Chromium")
    config.addinivalue_line("markers", "proof: takes minutes; runs only with --proof")
    config.addinivalue_line("markers", "busy: keeps all cores busy by itself, so it runs by itself")
    config.addinivalue_line("markers", "patient: waits long for something that begins early, so it comes last")
    config.addinivalue_line(
        "markers", "waits: waits more than a second for time to pass, so it comes after what is quick"
    )
    config.addinivalue_line("markers", "unhurried: measures, or needs many clients, so it comes after what is quick")
    config.addinivalue_line("markers", "traceback(reason): the server prints a traceback, and has to")
    config.pluginmanager.register(verdicts.Verdicts(config, processes.shared_folder(config)), "verdicts")
    config.pluginmanager.register(Witness(config), "witness")
    processes.install(config)
    name, project = config.option.step, config.option.project
    if name is None:
        if project:
            raise pytest.UsageError("--project needs --step: which step does the folder hold?")
        return
    if name not in STEPS:
        raise pytest.UsageError(f"there is no step {name!r}; the steps are {', '.join(STEPS)}")
    if project and not (project / "manage.py").is_file():
        raise pytest.UsageError(f"{project} is no project: it has no manage.py")
    enter(config, name, project)


def pytest_ignore_collect(collection_path, config):
    # The workbook's own tests say nothing about a step.
    if config.option.step and collection_path == ROOT / "tests" / "workbook":
        return True


def cases_of(marks, config):
    """Return the cases of a check, by its marks, that this run is about; None for a test that is no check."""
    mark = next((mark for mark in marks if mark.name == "check"), None)
    return mark and [case for case in mark.args[0] if config.option.step in (None, case.step)]


def pytest_pycollect_makeitem(collector, obj):
    # A check of other steps does not exist here; without this it would count as skipped.
    if cases_of(getattr(obj, "pytestmark", ()) if callable(obj) else (), collector.config) == []:
        return []


def pytest_generate_tests(metafunc):
    cases = cases_of(metafunc.definition.iter_markers(), metafunc.config)
    if cases:
        params = [pytest.param(case, marks=pytest.mark.proof if case.is_again else ()) for case in cases]
        metafunc.parametrize("case", params, ids=str, indirect=True)


def pytest_collection_modifyitems(config, items):
    items.sort(key=in_the_order_of_the_lesson)
    # Of one step everything is checked. (A child process has got the tests that were chosen.)
    if not config.option.proof and config.option.step is None and not config.getoption(processes.OPTION):
        proofs = [item for item in items if item.get_closest_marker("proof")]
        config.stash[verdicts.LEFT_OUT] = len(proofs)
        items[:] = [item for item in items if item not in proofs]


def in_the_order_of_the_lesson(item):
    """Sort by task; what belongs to no task comes after, then what needs a browser, and what has to wait long last."""
    case = case_of(item)
    if case is None:
        return (False, False, 0)
    marked = [item.get_closest_marker(name) is not None for name in ("patient", "browser")]
    return (*marked, case.number or len(TASKS[case.step]) + 1)
