"""The suite's door: which step, which folder, which Django settings.

`pytest --step gs2` checks the finished step in this process; with `--project=DIR` it checks the copy in DIR. (With the
"=": pytest takes a folder that stands alone for a place to look for tests, before it knows the option.) Plain `pytest`
runs each step in a process of its own, because Django has one settings module a process (tests/support/processes.py).
"""

import os
import sys
from pathlib import Path

import pytest

from tests.support import processes, verdicts
from tests.tasks import TASKS, case_of
from workbook.steps import all_steps

ROOT = Path(__file__).resolve().parent
STEPS = {step.name: step for step in all_steps(ROOT)}


def pytest_addoption(parser):
    group = parser.getgroup("workbook")
    group.addoption("--step", metavar="gsN", help="check only this step, in this process")
    group.addoption("--project", metavar="DIR", type=Path, help="with --step: check the copy in DIR")
    group.addoption(processes.OPTION, help="for the suite itself: report to the pytest process at this address")


def pytest_configure(config):
    config.addinivalue_line("markers", "check(cases): the check of a promise; see tests/tasks.py")
    config.addinivalue_line("markers", "browser: needs Chromium")
    config.addinivalue_line("markers", "patient: waits long for something that begins early, so it comes last")
    config.addinivalue_line("markers", "traceback(reason): the server prints a traceback, and has to")
    config.pluginmanager.register(verdicts.Verdicts(config), "verdicts")
    processes.install(config)
    name, project = config.option.step, config.option.project
    if name is None:
        if project:
            raise pytest.UsageError("--project needs --step: which step does the folder hold?")
        return
    if name not in STEPS:
        raise pytest.UsageError(f"there is no step {name!r}; the steps are {', '.join(STEPS)}")
    project = project or STEPS[name].folder
    if not (project / "manage.py").is_file():
        raise pytest.UsageError(f"{project} is no project: it has no manage.py")
    config.stash[verdicts.PROJECT] = project.resolve()
    enter(name, project.resolve())


def enter(name, project):
    """Make this process the Django process of the project of step `name` in the folder `project`."""
    sys.path.insert(0, str(project))
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{name}.settings"
    from django.conf import settings

    try:
        settings.INSTALLED_APPS  # noqa: B018  (loads the settings, which pytest-django then finds configured)
    except Exception as error:
        raise pytest.UsageError(f"{name}/settings.py does not load: {type(error).__name__}: {error}") from error


def pytest_ignore_collect(collection_path, config):
    # The workbook's own tests say nothing about a step.
    if config.option.step and collection_path == ROOT / "tests" / "workbook":
        return True


def pytest_generate_tests(metafunc):
    mark = metafunc.definition.get_closest_marker("check")
    if mark is None:
        return
    only = metafunc.config.option.step
    cases = [case for case in mark.args[0] if only in (None, case.step)]
    metafunc.parametrize("case", cases, ids=str, indirect=True)


def pytest_collection_modifyitems(config, items):
    # A test that is parametrised with no case of this step is not "skipped": it does not exist here.
    items[:] = [item for item in items if "NOTSET" not in item.name]
    items.sort(key=in_the_order_of_the_lesson)


def in_the_order_of_the_lesson(item):
    """Sort by task; what belongs to no task comes after, then what needs a browser, and what has to wait long last."""
    case = case_of(item)
    if case is None:
        return (False, False, 0)
    marked = [item.get_closest_marker(name) is not None for name in ("patient", "browser")]
    return (*marked, case.number or len(TASKS[case.step]) + 1)
