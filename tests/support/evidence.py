"""What is known of a failed check, as plain data that survives JSON: the page from which a mistake is recognised.

A pytest plugin that hangs a dict on the report of each failed check, as `report.evidence`:

step, check (name), route, way, task (number), promise (docstring), message, project (folder)
exceptions   what led to the failure, each {type, bases, message, frames, told_by}: in the check, in a consumer, in
             what a server printed; a frame is {file, line, function, source, inside}, `inside` the project
frame        the learner's own line that matters, or None
warnings     [{category, message, frame}]: coroutines that were never awaited, which daphne does not show
waiting      [frame]: where the learner's code was still busy or waiting when the check gave up
timeline     [[seconds, lane, text]]; of a long one the beginning and the end, and between them a line that says so
log          what servers printed
shape        settings, routes, consumers; see shape.py

`evidence_of_startup` returns the same for a project that does not even start.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.frames import chain_of, own_frame, place, read_tracebacks
from tests.support.project import PROJECT
from tests.support.shape import shape_of
from tests.tasks import case_of

ROOT = Path(__file__).resolve().parents[2]
WATCH_START = ROOT / "tests/support/watch_start.py"
START_LIMIT = 10.0  # seconds that settings, apps and asgi.py may take to load
ORIGIN_DEPTH = 3  # frames that are kept of where a coroutine was made
# Of a crowd's timeline the beginning and the end are kept, and of its failures the first ones.
FIRST, LAST = 100, 400
MOST_FAILURES = 5


class Witness:
    """The plugin. Coroutines that nobody awaits are noticed when they are thrown away, with the line that did it."""

    def __init__(self, config):
        self.config = config
        self.warnings = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self):
        self.previous = sys.unraisablehook
        sys.unraisablehook = self.on_unraisable
        sys.set_coroutine_origin_tracking_depth(ORIGIN_DEPTH)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self):
        sys.unraisablehook = self.previous
        sys.set_coroutine_origin_tracking_depth(0)

    def pytest_runtest_logstart(self):
        self.warnings.clear()

    def on_unraisable(self, unraisable):
        with contextlib.suppress(Exception):
            self.warnings.append(self.warning_of(unraisable))
        self.previous(unraisable)

    def warning_of(self, unraisable):
        project = self.config.stash.get(PROJECT, ROOT)
        # Where it was made; a thread other than the main one does not tell, but it still stands on the line.
        made = [(file, line, function) for file, line, function in getattr(unraisable.object, "cr_origin", None) or ()]
        frame = sys._getframe(1)
        while frame is not None:
            made.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
            frame = frame.f_back
        places = [place(project, *where) for where in made]
        return {
            "category": unraisable.exc_type.__name__,
            "message": str(unraisable.exc_value).splitlines()[0],
            "frame": next((where for where in places if where["inside"]), None),
        }

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.failed and case_of(item) and PROJECT in self.config.stash:
            report.evidence = self.evidence_of(item, call)
        return report

    def evidence_of(self, item, call):
        """Return the evidence of a check that has just failed."""
        case, project = case_of(item), self.config.stash[PROJECT]
        timeline = item.funcargs.get("timeline")
        entries = timeline.read() if timeline else []
        log = "\n".join(text for _, lane, text in entries if lane in ("log", "worker"))
        error = call.excinfo.value
        exceptions = told_by("check", chain_of(error, project))
        for failure in timeline.failures[:MOST_FAILURES] if timeline else ():
            exceptions += told_by("consumer", chain_of(failure, project))
        exceptions += told_by("log", read_tracebacks(f"{log}\n{error}", project))
        warnings = [warning for warning in self.warnings if warning["message"]]
        return {
            "step": case.step,
            "check": item.originalname,
            "route": case.route,
            "way": case.way,
            "task": case.number,
            "promise": item.function.__doc__,
            "message": str(error),
            "project": str(project),
            "exceptions": exceptions,
            "frame": own_frame(exceptions)
            or next((warning["frame"] for warning in warnings if warning["frame"]), None),
            "warnings": warnings,
            "waiting": unique(waiting_frames(timeline.consumers if timeline else (), project)),
            "timeline": [list(entry) for entry in shortened(entries)],
            "log": log,
            "shape": shape_or_nothing(project, case.step),
        }


def shortened(entries):
    left_out = len(entries) - FIRST - LAST
    if left_out <= 0:
        return entries
    return [*entries[:FIRST], (entries[FIRST][0], "", f"… {left_out} more …"), *entries[-LAST:]]


def unique(frames):
    return [dict(items) for items in dict.fromkeys(tuple(frame.items()) for frame in frames)]


def told_by(who, exceptions):
    return [error | {"told_by": who} for error in exceptions]


def shape_or_nothing(project, step):
    # Code that nobody has foreseen is looked at: what cannot be seen must not hide the rest.
    try:
        return shape_of(project, step)
    except Exception as error:
        return {"settings": {}, "protocols": None, "routes": [], "consumers": {}, "blind": repr(error)}


def waiting_frames(tasks, project):
    """Yield the learner's innermost frame of each handler that has not returned, in a task or in a thread."""
    for task in tasks:
        if not task.done() and (frame := innermost(in_handler(coroutine_frames(task.get_coro())), project)):
            yield frame
    for stack in sys._current_frames().values():
        frames = []
        while stack is not None:
            frames.insert(0, (stack.f_code.co_filename, stack.f_lineno, stack.f_code.co_name))
            stack = stack.f_back
        if frame := innermost(frames, project):
            yield frame


def in_handler(frames):
    """Return what a consumer's dispatch has called; nothing when it only waits for the next event."""
    frames = list(frames)
    for at, (file, _, function) in enumerate(frames):
        if function == "dispatch" and Path(file).parts[-2:] == ("channels", "consumer.py"):
            return frames[at + 1 :]
    return []


def coroutine_frames(coroutine):
    """Yield (file, line, function) of a suspended coroutine and of what it awaits, the outermost first."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            yield frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def innermost(frames, project):
    inside = [frame for frame in (place(project, *where) for where in frames) if frame["inside"]]
    return inside[-1] if inside else None


def evidence_of_startup(project, step, limit=START_LIMIT):
    """Return the evidence that the project in the folder `project` does not start, or None when it does.

    A fresh process loads the settings, the apps and asgi.py, in this order, as a server does, and runs Django's
    system checks; `limit` is in seconds. `startup` is where it ended: settings, apps, checks, asgi, or "" at once.
    """
    from tests.support.server import own_environment

    with tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder:
        told = Path(folder) / "told"
        command = [
            sys.executable,
            str(ROOT / "tests/support/watch_start.py"),
            str(project),
            step,
            str(told),
            str(limit),
        ]
        with contextlib.suppress(subprocess.TimeoutExpired), (Path(folder) / "printed").open("wb") as printed:
            subprocess.run(
                command,
                cwd=project,
                env=own_environment(**environment_of_databases()),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                timeout=limit + 5,
                check=False,
            )
        told = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()] if told.exists() else []
        output = (Path(folder) / "printed").read_text(encoding="utf-8", errors="replace")
    stage = next((entry["stage"] for entry in reversed(told) if "stage" in entry), "")
    if stage == "ready":
        return None
    ended = next((entry for entry in told if "message" in entry), None)
    exceptions = told_by("start", ended["exceptions"] if ended else [])
    waiting = [] if ended else read_stack(output, project)
    return {
        "step": step,
        "check": None,
        "route": None,
        "way": None,
        "task": None,
        "promise": "The project starts.",
        "message": ended["message"] if ended else f"after {limit:g} s it was still loading ({stage or 'nothing'})",
        "project": str(project),
        "exceptions": exceptions,
        "frame": own_frame(exceptions) or (waiting[0] if waiting else None),
        "warnings": [],
        "waiting": waiting,
        "timeline": [],
        "log": output[-10_000:],
        "shape": (ended or {}).get("shape") or {"settings": {}, "protocols": None, "routes": [], "consumers": {}},
        "startup": stage,
    }


def environment_of_databases():
    return {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ}


def read_stack(output, project):
    """Return the learner's frames in what faulthandler printed, the innermost first."""
    found = re.findall(r'^  File "(.+)", line (\d+) in (.+)$', output, re.MULTILINE)
    frames = [place(project, file, int(line), function) for file, line, function in found]
    return [frame for frame in frames if frame["inside"]]
