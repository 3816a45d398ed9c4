"""Plain `pytest`: the tests of each step in pytest processes of their own, one summary, one exit status.

The first process collects everything, so that -k, -m, -x, paths and node ids mean what they always mean. Then it hands
the chosen tests to children, each with a share of one step's tests (`pytest --step gsN`), and passes on the children's
reports as if the tests had run here.

A test waits about as much as it computes, so there are two children more at once than there are cores. The longest
shares come first.

With all cores busy a test may miss a bound of time for no fault of the step. So a few that fail are run again when all
others are done, alone, and that result counts; the summary names those that passed only then, and how they had failed.
With -x, or when many fail, the first result counts.
"""

import contextlib
import os
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.children import OPTION, Child, Reporter
from tests.support.migrated import keeping_in
from tests.support.preloaded import WITH_A_LOOP, preload
from tests.support.server import own_environment
from tests.support.shares import WORKBOOK, Share, divided, grouped, in_shares, step_of
from tests.support.stem import stem
from tests.support.verdicts import hangs_on_a_failure

AT_A_TIME = (os.cpu_count() or 1) + 2
PAUSE = 0.02  # seconds between two looks at what the children have told
# More failures than this are no matter of time.
A_FEW = 10


class Conductor:
    """In the first process: starts the children and passes on what they report."""

    def __init__(self):
        self.failed_at_first = {}
        self.unsettled = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        busy, others = divided(session.items)
        shares = in_shares(others)
        a_few_of_the_workbook = len(shares) <= 1 and all(share.step == WORKBOOK for share in shares) and not busy
        if session.config.option.collectonly or session.testsfailed or a_few_of_the_workbook:
            return None
        needs_browser = any(item.get_closest_marker("browser") for item in session.items)
        preload(WITH_A_LOOP, *(["playwright.async_api"] if needs_browser else []))
        with (
            tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder,
            tempfile.TemporaryDirectory(prefix="channels-workbook-") as kept,
            stem(folder, own_environment()),
            keeping_in(kept),
        ):
            self.conduct_all(session, busy, shares)
        return True

    def conduct_all(self, session, busy, shares):
        try:
            self.conduct(session, [Share(*one) for one in grouped(busy, step_of)], 1)
            self.conduct(session, shares, AT_A_TIME)
            # What hangs on a failure, and so was not checked, is run again with it, however much it is.
            if sum(any(report.failed for report in reports) for reports in self.unsettled.values()) <= A_FEW:
                self.failed_at_first = dict(self.unsettled)
                self.conduct(session, [Share(*one) for one in grouped(self.unsettled, step_of)], 1)
        finally:
            for item, reports in self.unsettled.items():
                tell(session.config, item, reports)

    def conduct(self, session, shares, at_a_time):
        """Run the shares in children, so many at once, until all have ended or pytest wants to stop (-x).

        The reports of a test that failed, or was not checked for such a failure, go to `unsettled`, and nobody is told
        of them yet. With -x they are told at once.
        """
        with tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder:
            conversation = conduct([Child(session, Path(folder), share) for share in shares], at_a_time)
            with contextlib.closing(conversation):
                for item, reports in conversation:
                    if any(map(is_unsettled, reports)) and not session.config.option.maxfail:
                        self.unsettled[item] = reports
                    else:
                        self.unsettled.pop(item, None)
                        tell(session.config, item, reports)
                    if session.shouldfail:
                        raise session.Failed(session.shouldfail)

    def pytest_terminal_summary(self, terminalreporter):
        only_alone = [item for item in self.failed_at_first if item not in self.unsettled]
        if only_alone:
            terminalreporter.section("passed only when run alone")
        for item in only_alone:
            for report in filter(is_unsettled, self.failed_at_first[item]):
                terminalreporter.line(f"{item.nodeid} ({report.when}): {in_a_line(report)}")
                if report.failed:
                    # It may not come again for weeks.
                    terminalreporter.line(report.longreprtext)


def in_a_line(report):
    if report.skipped:
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr)).partition("\n")[0]


def conduct(waiting, at_a_time):
    """Run these Children, so many at once; yield (item, its reports) of each test as it ends."""
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.append(waiting.pop(0).start())
            for child in list(running):
                # Asked before reading: what the child wrote last is then still read.
                has_ended = child.has_ended
                yield from child.news()
                if has_ended:
                    running.remove(child)
                    yield from child.finish()
            time.sleep(PAUSE)
    finally:
        for child in running:
            child.interrupt()
        for child in running:
            child.end()


def is_unsettled(report):
    return report.failed or hangs_on_a_failure(report)


def tell(config, item, reports):
    """Pass on the reports as if the test had run here."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def shared_folder(config):
    """Return the folder that a child shares with the others, None in a process that is no child."""
    address = config.getoption(OPTION)
    return address and Path(address).parent


def install(config):
    """Register the side that this process has: a child reports, the first process conducts."""
    address = config.getoption(OPTION)
    if address:
        config.pluginmanager.register(Reporter(config, address), "reporter")
    elif config.option.step is None:
        config.pluginmanager.register(Conductor(), "conductor")
