"""Inside the process that checks a learner's copy: loads her project, chooses the checks, tells what comes of them.

Its news, each a dict: {"news": "broken", "error", "place"} when the project does not load; {"news": "plan", "checks":
[{"id", "task", "level"}]}; for each check {"news": "begun", "id"} and {"news": "result", "id", "task", "level",
"outcome", "reason", "failure"}; and "done" last.
"""

import faulthandler
import importlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support import client, verdicts
from tests.support.frames import frames_of, place
from tests.support.printing import Printed
from tests.support.project import PROJECT
from tests.tasks import KEPT, case_of

# The levels, in the order in which they are run. Each check of every task comes once before any comes with other data.
# What an earlier step has promised, and only a server can show, is checked AGAIN.
CORE, REST, WIRE, SLOW, AGAIN = range(5)
WITH_PROGRAMS = {SLOW, AGAIN}

# Seconds that an answer may take; daphne tells of an exception up to a second late. In process it is short, because
# only a handler that is still busy is waited for at all (see idle.py).
PATIENCE = {CORE: 3.0, REST: 3.0, WIRE: 5.0, SLOW: 5.0, AGAIN: 5.0}
AFTER_A_FAILURE = 0.2
BEFORE_THE_END = 1.5  # seconds before the limit of a check in process, at which it is interrupted
BUSY = "After some seconds your code was still busy, and nothing else could be done meanwhile."
NOTHING_KNOWN = {"exceptions": []}

# Fixtures that start programs, or wait long; a check that calls manage() starts one too.
SLOW_FIXTURES = {
    "alone",
    "browser",
    "idle_socket",
    "migration",
    "postgres",
    "redis_program",
    "redis_server",
    "serve",
    "servers",
}
WIRE_FIXTURES = {"asgi_import", "server", "start_recorded"}
SLOW_WAYS = {"redis", "postgres"}


def level_of(item, seen):
    """Return the level of a collected check; seen is the set of (check, route) that were there before it."""
    case = case_of(item)
    level = level_by_need(item, case, seen)
    takes_its_time = level == SLOW or case.way == "wire"
    return AGAIN if takes_its_time and case.number is KEPT and case.is_again else level


def level_by_need(item, case, seen):
    """Return the level of a check as if no earlier step had it."""
    fixtures = set(item.fixturenames)
    if case.way in SLOW_WAYS or fixtures & SLOW_FIXTURES or item.get_closest_marker("patient"):
        return SLOW
    if case.way == "wire" or fixtures & WIRE_FIXTURES or "manage" in item.function.__code__.co_names:
        return WIRE
    if case.number is None or item.get_closest_marker("unhurried") or (item.originalname, case.route) in seen:
        return REST
    seen.add((item.originalname, case.route))
    return CORE


class OutOfTime(BaseException):
    """Raised in the middle of code that does not let go of the event loop; no `except Exception` there keeps it."""


class Teller:
    """The plugin of a child. `prepare` first; the rest are pytest's hooks."""

    def __init__(self, session, request, news, log):
        self.session = session
        self.request = request
        self.file = news
        self.log = log
        self.step = request["step"]
        self.project = Path(request["project"])
        self.failed = set()
        self.levels = {}

    def tell(self, **news):
        print(json.dumps({"run": self.request["run"], **news}, default=repr), file=self.file, flush=True)

    def prepare(self):
        """Load the project and choose the checks."""
        # Two saves in one second, of one length: Python would take the older one's compiled file.
        for folder in self.project.rglob("__pycache__"):
            shutil.rmtree(folder, ignore_errors=True)
        config = self.session.config
        config.option.step = self.step
        config.stash[PROJECT] = self.project
        self.printed = Printed()
        sys.stdout = sys.stderr = self.printed
        self.watch_out()
        loads = self.load()
        self.choose(loads)
        return None

    def watch_out(self):
        """From now on there is so much time until the next call: then it ends, and the log says where it was."""
        # The patient checks wait for what takes its time; pytest-timeout has an eye on them.
        limit = self.request["limit"] * (10 if WITH_PROGRAMS.intersection(self.request["levels"]) else 1)
        faulthandler.dump_traceback_later(limit, exit=True, file=self.log)

    def load(self):
        """Load settings, apps and asgi.py, as a server does. Returns whether that went well."""
        import pytest_django.plugin
        from django.conf import settings

        sys.path.insert(0, str(self.project))
        os.environ["DJANGO_SETTINGS_MODULE"] = f"{self.step}.settings"
        try:
            self.insist_on(f"{self.step}/settings.py")
            self.tell(news="loading", what=f"{self.step}/settings.py")
            settings.INSTALLED_APPS  # noqa: B018  (loads the settings)
            self.tell(news="loading", what="the apps")
            pytest_django.plugin._setup_django(self.session.config)
            self.insist_on(f"{self.step}/asgi.py")
            self.tell(news="loading", what=f"{self.step}/asgi.py")
            importlib.import_module(f"{self.step}.asgi").application  # noqa: B018
        except BaseException as error:
            self.tell(news="broken", error=in_words(error), place=place_of(error, self.project))
            return False
        return True

    def insist_on(self, path):
        """Raise FileNotFoundError with a sentence if the project lacks the file at path."""
        if not (self.project / path).is_file():
            raise FileNotFoundError(f"{path} is missing: it is looked for by this name")

    def choose(self, loads):
        """Leave in the session what the request asks for, lowest level first, else in the order of the lesson.

        If the project does not load, only those are left that need no more of it than its settings.
        """
        seen = set()
        checks, chosen = [], []
        for item in self.session.items:
            case = case_of(item)
            if case.step != self.step:
                continue
            level = self.levels[item.nodeid] = level_of(item, seen)
            checks.append({"id": item.nodeid, "task": case.number, "level": level})
            if level not in self.request["levels"] or case.number not in self.request["tasks"]:
                continue
            if loads or (settings_are_there() and case.way is None and "application" not in item.fixturenames):
                chosen.append(item)
        chosen.sort(key=self.order)
        self.session.items[:] = chosen
        self.tell(news="plan", checks=checks)
        if not chosen:
            self.tell(news="done")

    def order(self, item):
        # What is quick comes first: of what needs many clients, a timeline is long.
        unhurried = item.get_closest_marker("unhurried") is not None
        return (item.name not in self.request["first"], self.levels[item.nodeid], unhurried)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        task = case_of(item).number
        if task is not None and task in self.failed:
            pytest.skip("its task has failed already")
        client.PATIENCE = PATIENCE[self.levels[item.nodeid]]

    def pytest_runtest_logstart(self, nodeid):
        self.began = time.perf_counter()
        self.printed.begin()
        self.busy_at = None
        if self.levels[nodeid] < WIRE and hasattr(signal, "setitimer"):
            # An endless loop in a coroutine stops everything, our clients' patience too. (On Windows it ends the run.)
            signal.signal(signal.SIGALRM, self.interrupt)
            signal.setitimer(signal.ITIMER_REAL, self.request["limit"] - BEFORE_THE_END)
        self.tell(news="begun", id=nodeid)
        self.watch_out()

    def interrupt(self, number, frame):
        """End what keeps the event loop busy, and remember where that was."""
        while frame and not Path(frame.f_code.co_filename).is_relative_to(self.project):
            frame = frame.f_back
        self.busy_at = frame and place(self.project, frame.f_code.co_filename, frame.f_lineno)
        raise OutOfTime

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.failed:
            self.failed.add(case_of(item).number)
            # Nobody has to wait for what is known to hang.
            client.PATIENCE = AFTER_A_FAILURE
        if self.request["all"]:
            # For a proof: no task waits for another.
            item.config.stash[verdicts.FAILED_TASKS].names.clear()
        if report.when == "call" or not report.passed:
            self.tell_result(item, call, report)
        return report

    def tell_result(self, item, call, report):
        outcome = "not checked" if report.skipped else report.outcome
        self.tell(
            news="result",
            id=item.nodeid,
            task=case_of(item).number,
            level=self.levels[item.nodeid],
            outcome=outcome,
            reason=report.longrepr[2].removeprefix("Skipped: ") if report.skipped else "",
            failure=self.failure(item, call, report) if report.failed else None,
            seconds=time.perf_counter() - self.began,
        )

    def failure(self, item, call, report):
        """Return what is to be said of a failed check."""
        timeline = item.funcargs.get("timeline")
        entries = timeline.read() if timeline else []
        began = timeline.began if timeline else 0
        entries += [(at - began, "print", line) for at, line in self.printed.lines if at >= began]
        error = call.excinfo.value
        evidence = getattr(report, "evidence", None)
        return {
            "promise": " ".join((item.function.__doc__ or item.name).split()),
            "what": BUSY if self.busy_at else what_happened(error, entries, evidence or NOTHING_KNOWN),
            "place": self.busy_at or own_place(evidence) or place_of(error, self.project),
            "timeline": sorted(entries),
            "evidence": evidence,
        }

    def pytest_runtest_logfinish(self, nodeid):
        if nodeid == self.session.items[-1].nodeid:
            self.tell(news="done")
            if not WITH_PROGRAMS.intersection(self.request["levels"]):
                # A handler that still runs would hold up a tidy end. Our servers go with our process group.
                os._exit(0)


def settings_are_there():
    from django.apps import apps

    return apps.ready


def what_happened(error, entries, evidence):
    """Return in a sentence or two why a check has failed."""
    raised = [each for each in evidence["exceptions"] if each["told_by"] in ("consumer", "log")]
    what = in_words(error)
    if isinstance(error, TimeoutError) and not str(error):
        last = next((text.strip() for _, lane, text in reversed(entries) if lane == "client"), "nothing came in time")
        what = f"{last[:1].upper()}{last[1:]}."
    if raised and raised[-1]["type"] != type(error).__name__:
        what += f" The server's side says: {raised[-1]['type']}: {raised[-1]['message']}".splitlines()[0]
    return what


def own_place(evidence):
    """Return the learner's own line in the evidence: where it failed, else where her code still was."""
    if not evidence:
        return None
    return evidence["frame"] or next(iter(evidence["waiting"]), None)


def in_words(error):
    """Return an exception in a line: an assertion's sentence, or the type and the message."""
    error = unwrapped(error)
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    lines = str(error).strip().splitlines()
    if isinstance(error, SystemExit):
        return f"Your code ends Python: SystemExit({error.code!r})"
    if isinstance(error, FileNotFoundError) and error.errno is None:
        return f"{lines[0]}."
    if isinstance(error, client.Refused | client.Closed):
        return f"{lines[0][0].upper()}{lines[0][1:]}."
    if isinstance(error, AssertionError) and lines:
        # Below the sentence pytest shows how the comparison was computed.
        sentence = lines[0].removeprefix("assert ")
        return f"{sentence[0].upper()}{sentence[1:]}"
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def unwrapped(error):
    """Return what happened where nobody could catch it (a coroutine was thrown away), without pytest's words for it."""
    first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    return (isinstance(first, pytest.PytestUnraisableExceptionWarning) and first.__cause__) or error


def place_of(error, project):
    """Return {"file", "line", "source"} of the innermost line in project that led to error, or None."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        place = place_in(error, project)
        if place:
            return place
        error = error.__cause__ or error.__context__
    return None


def place_in(error, project):
    inside = [frame for frame in frames_of(error, project) if frame["inside"]]
    return inside[-1] if inside else None
