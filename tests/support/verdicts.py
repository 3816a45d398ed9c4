"""The three results of a check: passed, failed, could not be checked; and what is shown with them."""

import os

import pytest

from tests.tasks import TASKS, case_of

FAILED_TASKS = pytest.StashKey["FailedTasks"]()
LEFT_OUT = pytest.StashKey[int]()
COMES_FIRST = "comes first"


def cannot_check(reason):
    """End this check as "could not be checked", for `reason`; on CI, where nothing may be missing, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"could not be checked: {reason}", pytrace=False)
    pytest.skip(reason)


def hangs_on_a_failure(report):
    """Return whether it tells of a check that could not be made because an earlier task has failed."""
    return report.skipped and COMES_FIRST in str(report.longrepr)


class FailedTasks:
    """The tasks that failed; where several processes check a step, empty files in `folder` tell them to each other."""

    def __init__(self, folder=None):
        self.names = set()
        self.folder = folder

    def add(self, step, number):
        name = f"{step}.{number}.failed"
        self.names.add(name)
        if self.folder:
            (self.folder / name).touch()

    def __contains__(self, task):
        name = "{}.{}.failed".format(*task)
        return name in self.names or bool(self.folder and (self.folder / name).exists())


class Verdicts:
    """A pytest plugin: skips what hangs on a failed task, shows task and timeline of a failure, counts in three."""

    def __init__(self, config, folder=None):
        config.stash[FAILED_TASKS] = FailedTasks(folder)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        case = case_of(item)
        task = case and case.task
        # A task may hang on one that hangs on another.
        while task and task.after:
            after, task = task.after, TASKS[case.step][task.after]
            if (case.step, after) in item.config.stash[FAILED_TASKS]:
                pytest.skip(f"task {after} {COMES_FIRST}: {task.title}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        case = case_of(item)
        if report.failed and case:
            if case.number:
                item.config.stash[FAILED_TASKS].add(case.step, case.number)
                report.sections.insert(0, ("task", f"{case.step} · task {case.number} · {case.task.title}"))
            report.sections.insert(0, ("promise", item.function.__doc__ or item.name))
            timeline = item.funcargs.get("timeline")
            if timeline and timeline.entries:
                report.sections.append(("timeline", str(timeline)))
        return report

    def pytest_report_teststatus(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            return "not checked", "–", "NOT CHECKED"

    def pytest_terminal_summary(self, terminalreporter):
        if left_out := terminalreporter.config.stash.get(LEFT_OUT, 0):
            terminalreporter.line(f"{left_out} more take minutes: make prove")
        reports = terminalreporter.stats.get("not checked", [])
        if reports:
            terminalreporter.section("could not be checked")
        alike = {}
        for report in reports:
            alike.setdefault(report.longrepr[2].removeprefix("Skipped: "), []).append(report.nodeid)
        for reason, names in alike.items():
            # One thing that is missing can keep a hundred checks from being made: -v names them all.
            is_long = len(names) > 1 and terminalreporter.verbosity <= 0
            terminalreporter.line(f"– {f'{len(names)} checks' if is_long else ', '.join(names)}: {reason}")
