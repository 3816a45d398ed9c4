"""Inside a process that checks a learner's copy, or a part of it: loads her project, tells what comes of the checks.

Its news, each a dict: {"news": "loading", "part", "what"}; {"news": "broken", "part", "error", "place"} when the
project does not load; for each check {"news": "begun", "part", "id", "order"} and {"news": "result", "part", "id",
"task", "level", "order", "outcome", "reason", "failure"}; and {"news": "done", "part"} last.
"""

import asyncio
import contextlib
import faulthandler
import importlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support import client, verdicts
from tests.support.comparing import of_a_page
from tests.support.frames import frames_of, place
from tests.support.plan import AGAIN, CORE, REST, SLOW, WIRE, WITH_PROGRAMS, promise_of
from tests.support.printing import Printed
from tests.support.project import PROJECT
from tests.tasks import case_of

try:
    import fcntl
except ImportError:  # On Windows there is one part only.
    fcntl = None

# Seconds that an answer may take; daphne tells of an exception up to a second late. In process it is short, because
# only a handler that is still busy is waited for at all (see idle.py).
PATIENCE = {CORE: 3.0, REST: 3.0, WIRE: 5.0, SLOW: 5.0, AGAIN: 5.0}
AFTER_A_FAILURE = 0.2
BEFORE_THE_END = 1.5  # seconds before the limit of a check in process, at which it is interrupted
AND_AGAIN = 0.3  # seconds until it is interrupted once more, if it has gone on
BUSY = "After some seconds your code was still busy, and nothing else could be done meanwhile."
BUSY_LOAD = 5  # for each core; our own checks, the slow ones, make less than that
A_MOMENT = 1.0  # seconds without a frame, after which they no longer come on and on
NOTHING_KNOWN = {"exceptions": []}
NOT_RAISED = {"Refused": "The handshake was not refused.", "Closed": "The connection was not closed."}


class OutOfTime(BaseException):
    """Raised in the middle of code that does not let go of the event loop; no `except Exception` there keeps it."""


class Teller:
    """The plugin of a child. `prepare` first; the rest are pytest's hooks.

    `part` is its number, `share` its part of what is asked for, a list of plan.Chosen; in the folder `marks` the parts
    of one request tell each other what has failed.
    """

    def __init__(self, session, request, news, log, part, share, marks):
        self.session = session
        self.request = request
        self.file = news
        self.log = log
        self.part = part
        self.share = {each.item.nodeid: each for each in share}
        self.marks = marks
        self.step = request["step"]
        self.project = Path(request["project"])

    def tell(self, **news):
        line = json.dumps({"run": self.request["run"], "part": self.part, **news}, default=repr)
        with one_at_a_time(self.log):
            print(line, file=self.file, flush=True)

    def prepare(self):
        """Load the project, and leave in the session what is to be checked of it."""
        config = self.session.config
        config.option.step = self.step
        config.stash[PROJECT] = self.project
        # For a proof no task waits for another.
        config.stash[verdicts.FAILED_TASKS] = verdicts.FailedTasks(None if self.request["all"] else self.marks)
        self.printed = Printed()
        sys.stdout = sys.stderr = self.printed
        self.watch_out()
        loads = self.load()
        self.session.items[:] = [each.item for each in self.share.values() if loads or needs_only_settings(each.item)]
        if not self.session.items:
            self.tell(news="done")

    def watch_out(self, patience=1):
        """From now on there is so much time until the next call: then it ends, and the log says where it was."""
        # The patient checks wait for what takes its time; pytest-timeout has an eye on them.
        patience = 10 if WITH_PROGRAMS.intersection(self.request["levels"]) else patience
        faulthandler.dump_traceback_later(self.request["limit"] * patience, exit=True, file=self.log)

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

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        each = self.share[item.nodeid]
        if self.has_failed_before(each):
            pytest.skip("its task has failed already")
        client.PATIENCE = PATIENCE[each.level]

    def has_failed_before(self, each):
        """Return whether, of the checks of the same task that come before this one, one has failed in any part."""
        group = group_of(each.item)
        marks = self.marks.glob(f"{group}.*")
        # Not those that come after: which failure is told must not depend on who was quicker.
        return group is not None and any(int(mark.suffix[1:]) < each.order for mark in marks)

    def pytest_runtest_logstart(self, nodeid):
        each = self.share[nodeid]
        self.began = time.perf_counter()
        self.printed.begin()
        self.interrupted_at, self.busy_at = None, None
        patience = self.patience(each)
        if each.level < WIRE and hasattr(signal, "setitimer"):
            # An endless loop in a coroutine stops everything, our clients' patience too. (On Windows it ends the run.)
            signal.signal(signal.SIGALRM, self.interrupt)
            # More than once: a task of the learner's may keep what interrupts it, and the check goes on.
            signal.setitimer(signal.ITIMER_REAL, self.request["limit"] * patience - BEFORE_THE_END, AND_AGAIN)
        if self.request["now"]:
            self.name_in(Path(self.request["now"]), nodeid)
        self.tell(news="begun", id=nodeid, order=each.order)
        # Before the check itself a server may have to start, which takes its time where the machine is slow.
        self.watch_out(3 if each.level == WIRE else patience)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        each = self.share[item.nodeid]
        if each.level == WIRE:
            self.watch_out(self.patience(each))
        result = yield
        if self.interrupted_at:
            # asyncio keeps for itself what a callback of the event loop raises.
            raise OutOfTime
        return result

    def patience(self, each):
        """Return how many times the limit a check may take."""
        # A crowd takes its time where the machine is slow. Whether a handler comes to its end was seen before.
        return 3 if each.item.get_closest_marker("unhurried") else 1

    def name_in(self, file, nodeid):
        """Let a file name the check that is being made; who reads it never finds it half written."""
        following = file.with_suffix(".next")
        following.write_text(nodeid, encoding="utf-8")
        following.replace(file)

    def interrupt(self, number, frame):
        """End what keeps the event loop busy, and remember where that was, if it was in a line of hers."""
        if self.interrupted_at is None:
            self.interrupted_at = time.time()
            while frame and not Path(frame.f_code.co_filename).is_relative_to(self.project):
                frame = frame.f_back
            self.busy_at = frame and place(self.project, frame.f_code.co_filename, frame.f_lineno)
        raise OutOfTime

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        if self.interrupted_at:
            signal.setitimer(signal.ITIMER_REAL, 0)
        report = yield
        if report.failed:
            (self.marks / f"{group_of(item)}.{self.share[item.nodeid].order}").touch()
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
            level=self.share[item.nodeid].level,
            order=self.share[item.nodeid].order,
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
        took = time.perf_counter() - self.began
        evidence = getattr(report, "evidence", None)
        flood = flood_until(self.interrupted_at - began, entries) if self.interrupted_at else None
        if flood:
            what, place = flood, evidence and evidence["frame"]
        else:
            what = BUSY if self.interrupted_at else what_happened(error, entries, evidence or NOTHING_KNOWN)
            place = self.busy_at or own_place(evidence, error) or place_of(error, self.project)
        return {
            "promise": promise_of(item),
            "what": what,
            "place": place,
            "busy": how_busy() if may_be_slow(error, took, self.share[item.nodeid].level) else "",
            "timeline": sorted(entries, key=lambda entry: entry[0]),
            "evidence": evidence,
        }

    def pytest_runtest_logfinish(self, nodeid):
        if nodeid == self.session.items[-1].nodeid:
            self.tell(news="done")
            if not WITH_PROGRAMS.intersection(self.request["levels"]):
                # A handler that still runs would hold up a tidy end. Our servers go with our process group.
                os._exit(0)


@contextlib.contextmanager
def one_at_a_time(file):
    """Wait for the other parts, which have this file open too: a long line of theirs must not be torn by ours."""
    if fcntl is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def group_of(item):
    """Return what a check belongs to of which one failure is enough: a task, or, among all else, the page."""
    number = case_of(item).number
    # Where a page is broken, each of its checks would wait half a minute.
    return "page" if number is None and item.get_closest_marker("browser") else number


def needs_only_settings(item):
    """Return whether a check can be made of a project whose asgi.py does not load: only if its settings do."""
    from django.apps import apps

    return apps.ready and case_of(item).way is None and "application" not in item.fixturenames


def flood_until(end, entries):
    """Return the sentence of frames that came until a check was interrupted, at `end`; None if the last is older."""
    # What was kept back comes after the end, when the code lets go.
    came = [(at, text) for at, lane, text in entries if lane == "client" and text.startswith("← ") and at < end]
    frames = [(at, text) for at, text in came if text != "← open"]
    if frames and end - frames[-1][0] < A_MOMENT:
        return f"Frames came on and on, the last one: {frames[-1][1][2:]}"
    return None


def what_happened(error, entries, evidence):
    """Return in a sentence or two why a check has failed."""
    raised = [each for each in evidence["exceptions"] if each["told_by"] in ("consumer", "log")]
    what = in_words(error)
    if isinstance(error, TimeoutError) and not str(error):
        last = next((text.strip() for _, lane, text in reversed(entries) if lane == "client"), "nothing came in time")
        # A frame is no reason: it came or went, and then the time was up.
        what = f"Time was up after {last}." if last[:1] in "←→" else f"{last[:1].upper()}{last[1:]}."
    # That a consumer ends is no error.
    is_news = raised and raised[-1]["type"] not in ("StopConsumer", type(error).__name__)
    if is_news and raised[-1]["type"] not in what:
        first_line = next(iter(raised[-1]["message"].splitlines()), "")
        stop = "" if what[-1:] in ".!?" else "."
        what += f"{stop} The server's side says: {raised[-1]['type']}: {first_line}"
    return what


def own_place(evidence, error):
    """Return the learner's own line in the evidence: where it failed, else where her code was when time was up."""
    if not evidence:
        return None
    if isinstance(error, asyncio.CancelledError):
        return line_that_awaited(evidence["exceptions"])
    return evidence["frame"] or (next(iter(evidence["waiting"]), None) if was_waited_for(error) else None)


def line_that_awaited(exceptions):
    """Return the learner's line that awaited what had been cancelled; what was cancelled did nothing wrong."""
    inside = [frame for frame in (exceptions[0]["frames"] if exceptions else ()) if frame["inside"]]
    # A task is awaited by its name, and what only hands on calls something: `await self.task`, `await self.end()`.
    by_name = [frame for frame in inside if re.search(r"\bawait [\w.]+$", frame["source"])]
    return next(iter([*reversed(by_name), *inside]), None)


def was_waited_for(error):
    """Return whether a check failed because something had not come, or had not ended, in time.

    Where it only was not as it should be, a consumer may wait anywhere: that line has nothing to do with it.
    """
    is_late = any(isinstance(each, TimeoutError | OutOfTime) for each in what_led_to(error))
    return is_late or re.match(r"waited |.*was still there", str(error)) is not None


def may_be_slow(error, took, level):
    """Return whether a check that took so many seconds failed because a consumer, a page or a server was too slow."""
    is_late = was_waited_for(error) or of_a_page(str(error)) or " did not end within " in str(error)
    # Where nobody is busy any more nothing is waited for.
    return bool(is_late) and took > PATIENCE[level]


def how_busy():
    """Return in a sentence that this machine may be too busy for a check, "" if it is not, or does not tell."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    if load < BUSY_LOAD * cores:
        return ""
    return f"This machine is busy ({load:.0f} programs want its {cores} cores): check again before you search."


def in_words(error):
    """Return an exception in a line: an assertion's sentence, or the type and the message."""
    error = unwrapped(error)
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    lines = str(error).strip().splitlines()
    if isinstance(error, pytest.fail.Exception) and (name := re.match(r"DID NOT RAISE\b.*?(\w+)\W*$", str(error))):
        return NOT_RAISED.get(name[1], f"{name[1]} was not raised.")
    if isinstance(error, asyncio.CancelledError):
        return "CancelledError: what was awaited had been cancelled."
    if isinstance(error, SystemExit):
        return f"Your code ends Python: SystemExit({error.code!r})"
    if isinstance(error, FileNotFoundError) and error.errno is None:
        return f"{lines[0]}."
    if isinstance(error, client.Refused | client.Closed):
        return f"{lines[0][0].upper()}{lines[0][1:]}."
    if said := of_a_page(str(error)):
        return said
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
    return next(filter(None, (place_in(each, project) for each in what_led_to(error))), None)


def what_led_to(error):
    """Yield an exception, and what it came of."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def place_in(error, project):
    inside = [frame for frame in frames_of(error, project) if frame["inside"]]
    return inside[-1] if inside else None
