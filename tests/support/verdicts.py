"""The three results of a check: passed, failed, could not be checked; and what is shown with them."""

import os
from pathlib import Path

import pytest

from tests.tasks import TASKS, case_of

PROJECT = pytest.StashKey[Path]()
FAILED_TASKS = pytest.StashKey[set]()


def cannot_check(reason):
    """End this check as "could not be checked", for `reason`; on CI, where nothing may be missing, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"could not be checked: {reason}", pytrace=False)
    pytest.skip(reason)


class Verdicts:
    """A pytest plugin: skips what hangs on a failed task, shows task and timeline of a failure, counts in three."""

    def __init__(self, config):
        config.stash[FAILED_TASKS] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        case = case_of(item)
        after = case and case.task and case.task.after
        if after and (case.step, after) in item.config.stash[FAILED_TASKS]:
            pytest.skip(f"task {after} comes first: {TASKS[case.step][after].title}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        case = case_of(item)
        if report.failed and case:
            if case.number:
                item.config.stash[FAILED_TASKS].add((case.step, case.number))
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
        reports = terminalreporter.stats.get("not checked", [])
        if reports:
            terminalreporter.section("could not be checked")
        for report in reports:
            terminalreporter.line(f"– {report.nodeid}: {report.longrepr[2].removeprefix('Skipped: ')}")
