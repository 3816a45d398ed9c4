"""The process that checks a learner's copy: warm, because all that is not hers is imported and collected before.

`python -m tests.support.warm FOLDER [STEP]` reads requests from stdin and writes news to stdout, a line of JSON each.
Every request is answered by a fork, which alone loads her project; a new request ends the one before. Where there is
no fork (on Windows) the process answers one request and ends. FOLDER is for what the checks write; with STEP, requests
about other steps find no checks, and it is warm sooner.

A request: {"run", "step", "project" (folder), "levels" (list), "tasks" (numbers, null for what is of no task), "all"
(no task waits for another), "first" (names of checks to begin with), "limit" (seconds), "log" (file for what is printed
past us)}. The news: see Teller, and {"run", "news": "end"} last.
"""

import contextlib
import json
import os
import select
import signal
import sys
from pathlib import Path

import pytest

from tests.support.preloaded import WITH_A_LOOP, preload

PLUGINS = ("pytest_asyncio.plugin", "pytest_django.plugin", "pytest_timeout")

# A learner's code may use what is deprecated; what is never awaited stays an error.
WARNINGS = (
    "default",
    "error::RuntimeWarning",
    "error::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestAssertRewriteWarning",
)


class Kennel:
    """A pytest plugin: when all checks of all steps are collected, it waits for requests; each child runs its part."""

    def __init__(self, news, step=None):
        self.news = news
        self.step = step
        self.child = None
        self.waiting = b""

    def pytest_sessionstart(self, session):
        # What runs all steps at once has nothing to do here.
        session.config.pluginmanager.unregister(name="conductor")
        # Not said as --step, which would load the finished one.
        session.config.option.step = self.step

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        """Return None in a child, which goes on to run what it is asked for, and True when there is nothing to do."""
        self.tell(news="warm")
        while request := self.next_request():
            if not hasattr(os, "fork"):
                return become_child(session, request, self.news)
            ended, is_child = os.pipe()
            self.child = os.fork()
            if self.child == 0:
                os.close(ended)
                os.setpgid(0, 0)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                return become_child(session, request, self.news)
            os.close(is_child)
            self.wait_for_end(ended)
            self.tell(run=request["run"], news="end")
        return True

    def next_request(self):
        """Return the next request, None at the end of them; of several that wait, the last one counts."""
        while b"\n" not in self.waiting:
            if not self.read():
                return None
        *_, last, self.waiting = self.waiting.split(b"\n")
        return json.loads(last)

    def read(self):
        """Read what there is on stdin. Returns False at its end."""
        more = os.read(0, 65536)
        self.waiting += more
        return bool(more)

    def wait_for_end(self, ended):
        """Wait until the child has ended, or end it when there is another request, or nobody any more to ask."""
        with os.fdopen(ended):
            readable, _, _ = select.select([0, ended], [], [])
            if ended not in readable:
                self.read()
        # The group, because servers and browsers of the checks belong to it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

    def tell(self, **news):
        print(json.dumps(news), file=self.news, flush=True)


def become_child(session, request, news):
    """Load the learner's project, and leave in session only what is asked for."""
    from tests.support.telling import Teller

    log = open(request["log"], "ab", buffering=0)  # noqa: SIM115  (open as long as the process)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    teller = Teller(session, request, news, log)
    session.config.pluginmanager.register(teller, "teller")
    teller.prepare()


def main():
    """Collect the checks and wait for requests."""
    news = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks; its end is ours.
    preload(WITH_A_LOOP)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    os.environ.pop("CI", None)  # A learner's machine may lack a browser.

    root = Path(__file__).resolve().parents[2]
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    warnings = [word for rule in WARNINGS for word in ("-W", rule)]
    quiet = ["-p", "no:cacheprovider", "-p", "no:terminal", "--capture=no"]
    arguments = [
        f"--rootdir={root}",
        f"--basetemp={sys.argv[1]}",
        "--proof",
        *plugins,
        *warnings,
        *quiet,
        str(root / "tests/steps"),
    ]
    status = pytest.main(arguments, plugins=[Kennel(news, *sys.argv[2:])])
    news.flush()
    # Threads that hang in a learner's code are nobody to wait for.
    os._exit(int(status))


if __name__ == "__main__":
    main()
