"""Plain `pytest`: the tests of each step in pytest processes of their own, one summary, one exit status.

The first process collects everything, so that -k, -m, -x, paths and node ids mean what they always mean. Then it hands
the chosen tests to children, each with a share of one step's tests (`pytest --step gsN`), and passes on the children's
reports as if the tests had run here. A child writes its reports to a file, a line of JSON each.

A test waits about as much as it computes, so there is one child more at once than there are cores. The longest shares
come first.

With all cores busy a test may miss a bound of time for no fault of the step. So a few that fail are run again when all
others are done, alone, and that result counts; the summary names those that passed only then, and why they had failed.
With -x, or when many fail, the first result counts.
"""

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.verdicts import hangs_on_a_failure
from tests.tasks import case_of

OPTION = "--report-to"
AT_A_TIME = (os.cpu_count() or 1) + 1
PAUSE = 0.02  # seconds between two looks at a child's file
PATIENCE = 15  # seconds that a child has to end its servers when it is stopped
WORKBOOK = "workbook"  # stands for a step where tests belong to none
PROOF = "proof"  # of the workbook's tests those that take longer

# Seconds that a test takes, more or less, by what it needs: "own" is nothing, or servers of its own.
SECONDS = {
    "own": 0.5,
    "process": 0.06,
    "wire": 0.1,
    "redis": 0.15,
    "postgres": 0.15,
    "browser": 1.0,
    WORKBOOK: 0.12,
    PROOF: 3.0,
}
# A share is about as long as this: shorter ones would not pay for the start of a child and of the servers it needs.
# It is long enough, too, for the tests that wait until time has passed.
SHARE_SECONDS = 30
# More failures than this are no matter of time.
A_FEW = 10


class Reporter:
    """In a child: writes each report to the file that the first process reads."""

    def __init__(self, config, path):
        self.config = config
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115  (open as long as the process)

    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.file.write(json.dumps(data) + "\n")
        self.file.flush()

    def pytest_unconfigure(self):
        self.file.close()


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
        try:
            self.conduct(session, [Share(*one) for one in grouped(busy, step_of)], 1)
            self.conduct(session, shares, AT_A_TIME)
            if len(self.unsettled) <= A_FEW:
                self.failed_at_first = dict(self.unsettled)
                self.conduct(session, [Share(*one) for one in grouped(self.unsettled, step_of)], 1)
        finally:
            for item, reports in self.unsettled.items():
                tell(session.config, item, reports)
        return True

    def conduct(self, session, shares, at_a_time):
        """Run the shares in children, so many at once, until all have ended or pytest wants to stop (-x).

        The reports of a test that failed, or was not checked for such a failure, go to `unsettled`, and nobody is told
        of them yet. With -x they are told at once.
        """
        with tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder:
            conversation = conduct([Child(session.config, Path(folder), share) for share in shares], at_a_time)
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


def divided(items):
    """Return the tests that share their work among processes themselves, and all others."""
    busy = [item for item in items if item.get_closest_marker("busy")]
    return busy, [item for item in items if item not in busy]


def in_a_line(report):
    if report.skipped:
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr)).partition("\n")[0]


def conduct(waiting, at_a_time):
    """Run these Children, so many at once; yield (item, its reports) of each test as it ends."""
    news = queue.Queue()
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.append(waiting.pop(0).start(news))
            child, message = news.get()
            if message is None:
                running.remove(child)
                yield from child.finish()
            else:
                yield from child.conclude(message)
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


@dataclass
class Share:
    """Tests for one child: `items` of `step`, or of the workbook."""

    step: str
    items: list
    seconds: float = 0.0

    def add(self, items):
        self.items += items
        self.seconds += sum(map(seconds_of, items))


def in_shares(items):
    """Return the Shares that `items` make, the longest first."""
    shares = [share for step, own in grouped(items, step_of) for share in shares_of(step, own)]
    return sorted(shares, key=lambda share: -share.seconds)


def shares_of(step, items):
    """Return the Shares of one step; its patient tests are in the longest one, whose other tests pass the time."""
    patient = [item for item in items if item.get_closest_marker("patient")]
    shares = list(by_need(step, [item for item in items if item not in patient]))
    if patient:
        longest = max(shares, key=lambda share: share.seconds, default=Share(step, []))
        shares = [longest, *(share for share in shares if share is not longest)]
        longest.add(patient)
        longest.seconds = max(longest.seconds, SHARE_SECONDS)
    return shares


def by_need(step, items):
    """Yield Shares of `items`: what needs the same servers is together, the many that need a browser in parts."""
    share = Share(step, [])
    for kind, alike in grouped(sorted(items, key=lambda item: list(SECONDS).index(kind_of(item))), kind_of):
        seconds = sum(map(seconds_of, alike))
        if kind in ("browser", WORKBOOK, PROOF) and seconds > SHARE_SECONDS:
            yield from in_parts(step, alike)
            continue
        if share.items and share.seconds + seconds > SHARE_SECONDS:
            yield share
            share = Share(step, [])
        share.add(alike)
    if share.items:
        yield share


def in_parts(step, items):
    """Yield Shares of these items, which are alike, none longer than SHARE_SECONDS."""
    parts = math.ceil(sum(map(seconds_of, items)) / SHARE_SECONDS)
    for n in range(parts):
        share = Share(step, [])
        share.add(items[len(items) * n // parts : len(items) * (n + 1) // parts])
        yield share


def grouped(items, key):
    """Return (value of key, the items that have it) in the order in which the values first appear."""
    groups = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups.items()


def step_of(item):
    case = case_of(item)
    return case.step if case else WORKBOOK


def kind_of(item):
    """Return what the test needs, a key of SECONDS."""
    case = case_of(item)
    if case is None:
        return PROOF if item.get_closest_marker("proof") else WORKBOOK
    return "browser" if item.get_closest_marker("browser") else case.way or "own"


def seconds_of(item):
    return SECONDS[kind_of(item)]


class Child:
    """One pytest process for a Share."""

    def __init__(self, config, folder, share):
        self.config = config
        self.step = share.step
        self.items = {item.nodeid: item for item in share.items}
        self.told = {}
        name = f"{share.step}-{id(share)}"
        self.chosen = folder / f"{name}.chosen"
        self.reports = folder / f"{name}.reports"
        self.output = folder / f"{name}.output"

    def start(self, news):
        """Start it. It puts (itself, report) into the queue `news`, and (itself, None) last."""
        self.chosen.write_text("\n".join(self.items), encoding="utf-8")
        self.reports.touch()
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *self.arguments()],
                cwd=self.config.rootpath,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self.listen, args=[news], daemon=True).start()
        return self

    def arguments(self):
        option = self.config.option
        yield from (OPTION, str(self.reports), f"@{self.chosen}", "-p", "no:cacheprovider", f"--tb={option.tbstyle}")
        if self.step != WORKBOOK:
            yield from ("--step", self.step)
        if option.maxfail:
            yield f"--maxfail={option.maxfail}"
        if option.verbose > 0:
            yield "-" + "v" * option.verbose
        if option.showlocals:
            yield "--showlocals"

    def listen(self, news):
        rest = ""
        with self.reports.open(encoding="utf-8") as file:
            ended = False
            while not ended:
                # Asked before reading: what the child wrote last is then still read.
                ended = self.process.poll() is not None
                *lines, rest = (rest + file.read()).split("\n")
                for line in lines:
                    news.put((self, json.loads(line)))
                time.sleep(PAUSE)
        news.put((self, None))

    def conclude(self, message):
        """Note the report; yield (item, all its reports) when this was the last of a test."""
        report = self.config.hook.pytest_report_from_serializable(config=self.config, data=message)
        reports = self.told.setdefault(report.nodeid, [])
        reports.append(report)
        if report.when == "teardown":
            yield self.items.pop(report.nodeid), reports

    def finish(self):
        """Yield (item, [report]) of what the child left undone: failed, with what it printed."""
        stopped_by_maxfail = self.config.option.maxfail and self.process.returncode == pytest.ExitCode.TESTS_FAILED
        if not self.items or stopped_by_maxfail:
            return
        printed = self.output.read_text(encoding="utf-8", errors="replace")
        story = (
            f"the test process of {self.step} ended early with status {self.process.returncode}; it printed:\n{printed}"
        )
        for item in self.items.values():
            yield item, [pytest.TestReport(item.nodeid, item.location, {}, "failed", story, "call")]

    def interrupt(self):
        """Ask it to end as Ctrl-C does, so that it ends its servers too."""
        self.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)

    def end(self):
        """Wait for its end after `interrupt`, but not for ever."""
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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
