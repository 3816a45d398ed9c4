"""A process for a share of the tests.

Where there is fork, it is a copy of the process that has collected all tests, and need not collect them again.
Elsewhere it is a new one: `pytest --step gsN --report-to FILE @NAMES`. Either way it writes its reports to a file, a
line of JSON each, and what it prints to another.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys

import pytest

from tests.support import project, verdicts
from tests.support.shares import WORKBOOK

OPTION = "--report-to"
PATIENCE = 15  # seconds that a child has to end its servers when it is stopped
CAN_FORK = hasattr(os, "fork")


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


class Child:
    """The process of a Share, as the first process sees it."""

    def __init__(self, session, folder, share):
        self.session = session
        self.config = session.config
        self.folder = folder
        self.step = share.step
        self.items = {item.nodeid: item for item in share.items}
        self.told = {}
        name = f"{share.step}-{id(share)}"
        self.chosen = folder / f"{name}.chosen"
        self.reports = folder / f"{name}.reports"
        self.output = folder / f"{name}.output"

    def start(self):
        """Start it, and return this."""
        self.output.touch()
        self.reports.touch()
        self.unread = self.reports.open(encoding="utf-8")
        self.rest = ""
        if CAN_FORK:
            context, begin, arguments = "fork", go_on, (self,)
        else:
            self.chosen.write_text("\n".join(self.items), encoding="utf-8")
            context, begin, arguments = "spawn", begin_anew, (list(self.arguments()), str(self.output))
        self.process = multiprocessing.get_context(context).Process(target=begin, args=arguments)
        self.process.start()
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

    @property
    def has_ended(self):
        return self.process.exitcode is not None

    def news(self):
        """Yield (item, all its reports) of each test that has come to an end since the last call."""
        *lines, self.rest = (self.rest + self.unread.read()).split("\n")
        for line in lines:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=json.loads(line))
            reports = self.told.setdefault(report.nodeid, [])
            reports.append(report)
            if report.when == "teardown":
                yield self.items.pop(report.nodeid), reports

    def finish(self):
        """Yield (item, [report]) of what the child left undone: failed, with what it printed."""
        self.unread.close()
        stopped_by_maxfail = self.config.option.maxfail and self.process.exitcode == pytest.ExitCode.TESTS_FAILED
        if not self.items or stopped_by_maxfail:
            return
        printed = self.output.read_text(encoding="utf-8", errors="replace")
        story = (
            f"the test process of {self.step} ended early with status {self.process.exitcode}; it printed:\n{printed}"
        )
        for item in self.items.values():
            yield item, [pytest.TestReport(item.nodeid, item.location, {}, "failed", story, "call")]

    def interrupt(self):
        """Ask it to end as Ctrl-C does, so that it ends its servers too."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGINT if os.name == "posix" else signal.SIGTERM)

    def end(self):
        """Wait for its end after `interrupt`, but not for ever."""
        self.process.join(PATIENCE)
        if not self.has_ended:
            self.process.kill()
            self.process.join()
        self.unread.close()


def begin_anew(arguments, output):
    """In a new process: be a pytest that collects and runs what it is told to."""
    print_to(output)
    sys.exit(pytest.main(arguments))


def go_on(child):
    """In a fork: run the child's share of what was collected."""
    # Not at the top: in a process that begins anew, pytest insists on being the first to import its plugins.
    from pytest_django.plugin import _setup_django

    session, config = child.session, child.config
    capture = config.pluginmanager.getplugin("capturemanager")
    # The files into which the first process catches what is printed are its own.
    capture.stop_global_capturing()
    print_to(child.output)
    capture.start_global_capturing()
    capture.suspend_global_capture()
    config.pluginmanager.unregister(name="conductor")
    config.pluginmanager.register(Reporter(config, child.reports), "reporter")
    config.stash[verdicts.FAILED_TASKS] = verdicts.FailedTasks(child.folder)
    session.items = [item for item in session.items if item.nodeid in child.items]
    if child.step != WORKBOOK:
        project.enter(config, child.step)
        # What it does by itself at the beginning of a session with --step.
        _setup_django(config)
    status = pytest.ExitCode.OK
    try:
        config.hook.pytest_runtestloop(session=session)
    except session.Failed:
        status = pytest.ExitCode.TESTS_FAILED
    except KeyboardInterrupt:
        status = pytest.ExitCode.INTERRUPTED
    finally:
        # Of the ends of a session only this one is the child's: what its fixtures have begun comes to an end.
        config.pluginmanager.getplugin("runner").pytest_sessionfinish(session)
    sys.exit(status)


def print_to(path):
    """Let everything that this process prints go to the file at `path`."""
    with open(path, "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
