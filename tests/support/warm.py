"""The process that checks a learner's copy: warm, because all that is not hers is imported and collected before.

`python -m tests.support.warm FOLDER KEPT [STEP]` reads requests from stdin and writes news to stdout, a line of JSON
each. Every request is answered by forks, each with a part of the checks, which alone load her project; a new request
ends the one before. Where there is no fork (on Windows) the process answers one request and ends. FOLDER is for what
the checks write, KEPT for the files of migrated.py; with STEP, requests about other steps find no checks, and it is
warm sooner.

A request: {"run", "step", "project" (folder), "levels" (list), "tasks" (numbers, null for what is of no task), "all"
(no task waits for another), "first" (names of checks to begin with), "only" (ids of the checks to make, null for all),
"now" (file that is to name the check that is being made, or null), "parts" (at most so many processes at once),
"limit" (seconds), "log" (file for what is printed past us)}. The news: {"run", "news": "plan", "checks": [{"id",
"task", "level", "promise"}], "parts" (how many there are)} first, then those of each Teller, and {"run", "news":
"end"} last.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.support.migrated import keeping_in
from tests.support.plan import IN_PROCESS, choose, dealt
from tests.support.preloaded import WITH_A_LOOP, preload
from tests.support.server import own_environment
from tests.support.stem import stem

PLUGINS = ("pytest_asyncio.plugin", "pytest_django.plugin", "pytest_timeout")

# A learner's code may use what is deprecated; what is never awaited stays an error.
WARNINGS = (
    "default",
    "error::RuntimeWarning",
    "error::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestAssertRewriteWarning",
    # From Python 3.13 on: each check's threads end with a connection to SQLite.
    "ignore:unclosed database:ResourceWarning",
)

CAN_FORK = hasattr(os, "fork")


class Kennel:
    """A pytest plugin: when all checks of all steps are collected, it waits for requests; children make the checks."""

    def __init__(self, news, until_end, folder, step=None):
        self.news = news
        self.until_end = until_end
        self.folder = Path(folder)
        self.step = step
        self.children = []
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
        self.folder.mkdir(exist_ok=True)
        has_stem = False
        while request := self.next_request():
            if not has_stem and not IN_PROCESS.issuperset(request["levels"]):
                # The servers of the checks are warm, too, by the time that they are asked for.
                self.until_end.enter_context(stem(self.folder.parent, own_environment()))
                has_stem = True
            checks, chosen = choose(session.items, request)
            parts = dealt(chosen, request["parts"] if CAN_FORK else 1)
            self.tell(run=request["run"], news="plan", checks=checks, parts=len(parts))
            marks = prepare(request)
            if not CAN_FORK:
                return become_child(session, request, self.news, 0, parts[0], marks)
            ended, is_child = os.pipe()
            self.children = []
            for number, share in enumerate(parts):
                pid = os.fork()
                # Twice, because nobody knows which of the two comes first.
                with contextlib.suppress(PermissionError, ProcessLookupError):
                    os.setpgid(pid, self.children[0] if self.children else pid)
                if pid == 0:
                    os.close(ended)
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    return become_child(session, request, self.news, number, share, marks)
                self.children.append(pid)
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
        """Wait until the children have ended, or end them when there is another request, or nobody any more to ask."""
        with os.fdopen(ended):
            readable, _, _ = select.select([0, ended], [], [])
            if ended not in readable:
                self.read()
        # The group, because servers and browsers of the checks belong to it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.children[0], signal.SIGKILL)
        for child in self.children:
            os.waitpid(child, 0)
        # One of them may have been in the middle of a line.
        print(file=self.news)

    def tell(self, **news):
        print(json.dumps(news), file=self.news, flush=True)


def prepare(request):
    """Make what the children find; return the folder in which they tell each other what has failed."""
    # Two saves in one second, of one length: Python would take the older one's compiled file.
    for folder in Path(request["project"]).rglob("__pycache__"):
        shutil.rmtree(folder, ignore_errors=True)
    marks = Path(f"{request['log']}-{request['run']}")
    marks.mkdir()
    return marks


def become_child(session, request, news, number, share, marks):
    """Load the learner's project, and leave in session only this share of what is asked for."""
    from tests.support.telling import Teller

    log = open(request["log"], "ab", buffering=0)  # noqa: SIM115  (open as long as the process)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    # pytest has no other way to say it this late: each part begins by emptying its folder.
    session.config._tmp_path_factory._given_basetemp /= str(number)
    teller = Teller(session, request, news, log, number, share, marks)
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
    us = os.getpid()
    with contextlib.ExitStack() as until_end:
        folder, kept, *step = sys.argv[1:]
        until_end.enter_context(keeping_in(kept))
        status = pytest.main(arguments, plugins=[Kennel(news, until_end, folder, *step)])
        news.flush()
        if os.getpid() != us:
            # A child: what it has found here is its parent's. Threads that hang in a learner's code nobody waits for.
            os._exit(int(status))
    os._exit(int(status))


if __name__ == "__main__":
    main()
