"""Plain `pytest`: each step in a pytest process of its own, two at a time, one summary, one exit status.

The first process collects everything, so that -k, -m, -x, paths and node ids mean what they always mean. Then it hands
the chosen tests of each step to a child (`pytest --step gsN`), and passes on the child's reports as if the tests
had run here. A child writes its reports to a file, a line of JSON each.
"""

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.tasks import case_of

OPTION = "--report-to"
AT_A_TIME = 2
PAUSE = 0.02  # seconds between two looks at a child's file
WORKBOOK = "workbook"  # the group of the tests that belong to no step


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

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        groups = group_by_step(session.items)
        if session.config.option.collectonly or session.testsfailed or set(groups) <= {WORKBOOK}:
            return None
        news = queue.Queue()
        with tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder:
            waiting = [Child(session.config, Path(folder), *group, news) for group in groups.items()]
            conduct(session, waiting, news)
        return True


def conduct(session, waiting, news):
    """Run the children `waiting`, AT_A_TIME at once, until all have ended or pytest wants to stop (-x)."""
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < AT_A_TIME:
                running.append(waiting.pop(0).start())
            child, message = news.get()
            if message is None:
                running.remove(child)
                child.finish()
            else:
                child.pass_on(message)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
    finally:
        for child in running:
            child.kill()


def group_by_step(items):
    """Return {step or WORKBOOK: its items}; the workbook's own, which take longest, come first."""
    groups = {}
    for item in items:
        case = case_of(item)
        groups.setdefault(case.step if case else WORKBOOK, []).append(item)
    return dict(sorted(groups.items(), key=lambda group: group[0] != WORKBOOK))


class Child:
    """One pytest process for the tests of one step. It puts (itself, report) into `news`, and (itself, None) last."""

    def __init__(self, config, folder, step, items, news):
        self.config = config
        self.step = step
        self.items = {item.nodeid: item for item in items}
        self.news = news
        self.chosen = folder / f"{step}.chosen"
        self.reports = folder / f"{step}.reports"
        self.output = folder / f"{step}.output"

    def start(self):
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
        threading.Thread(target=self.listen, daemon=True).start()
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

    def listen(self):
        rest = ""
        with self.reports.open(encoding="utf-8") as file:
            ended = False
            while not ended:
                # Asked before reading: what the child wrote last is then still read.
                ended = self.process.poll() is not None
                *lines, rest = (rest + file.read()).split("\n")
                for line in lines:
                    self.news.put((self, json.loads(line)))
                time.sleep(PAUSE)
        self.news.put((self, None))

    def pass_on(self, message):
        report = self.config.hook.pytest_report_from_serializable(config=self.config, data=message)
        hook = self.items[report.nodeid].ihook
        if report.when == "setup":
            hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
        hook.pytest_runtest_logreport(report=report)
        if report.when == "teardown":
            hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
            del self.items[report.nodeid]

    def finish(self):
        """Report as failed what the child left undone, with what it printed."""
        stopped_by_maxfail = self.config.option.maxfail and self.process.returncode == pytest.ExitCode.TESTS_FAILED
        if not self.items or stopped_by_maxfail:
            return
        printed = self.output.read_text(encoding="utf-8", errors="replace")
        story = (
            f"the test process of {self.step} ended early with status {self.process.returncode}; it printed:\n{printed}"
        )
        for item in self.items.values():
            report = pytest.TestReport(item.nodeid, item.location, {}, "failed", story, "call")
            item.ihook.pytest_runtest_logreport(report=report)

    def kill(self):
        self.process.kill()
        self.process.wait()


def install(config):
    """Register the side that this process has: a child reports, the first process conducts."""
    address = config.getoption(OPTION)
    if address:
        config.pluginmanager.register(Reporter(config, address), "reporter")
    elif config.option.step is None:
        config.pluginmanager.register(Conductor(), "conductor")
