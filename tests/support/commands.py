"""The project's management commands, each run in a process of its own."""

import contextlib
import shlex
import subprocess

from tests.support.server import expect_no_trouble, own_environment
from tests.support.stem import python, run_python

PATIENCE = 30  # seconds that a command may take


def manage(project, *words, status=0, **environment):
    """Run a command of the project to its end, with warnings as errors; return the CompletedProcess.

    Raises AssertionError if it fails with an exception, or ends with another status than this; None stands for any.
    """
    return run(["-W", "error", "manage.py", *words], project, own_environment(**environment), status)


def run(words, folder, environment, status=0):
    """The same for any program of Python's, in this folder and with all of this environment."""
    command = shlex.join(words[words.index("manage.py") :] if "manage.py" in words else words)
    try:
        done = run_python(words, folder, environment, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"`{command}` was still running after {PATIENCE} s") from None
    printed = in_short(done.stderr.strip() or done.stdout.strip())
    assert "Traceback" not in done.stderr, f"`{command}` failed: {printed}"
    ended = f"`{command}` ended with status {done.returncode}"
    assert status in (None, done.returncode), f"{ended}, not {status}: {printed}"
    return done


def in_short(printed):
    """Return what a program printed, its last line first: of a traceback, that is the exception."""
    return "\n".join([(printed.splitlines() or ["it printed nothing"])[-1], printed])


@contextlib.contextmanager
def worker(channel, project, timeline, **environment):
    """Run `manage.py runworker CHANNEL` meanwhile; what it prints goes to the timeline, and may be no trouble."""
    process = python(["manage.py", "runworker", channel], project, own_environment(**environment), subprocess.PIPE)
    try:
        yield
    finally:
        has_ended = process.poll() is not None
        process.kill()
        with process.stdout:
            printed = process.stdout.read()
        process.wait()
        for line in printed.splitlines():
            timeline.add("worker", line)
        # First of all that: whatever the check has missed comes of it.
        assert not has_ended, f"`manage.py runworker {channel}` ended by itself: {in_short(printed.strip())}"
    expect_no_trouble(printed, "the worker")
