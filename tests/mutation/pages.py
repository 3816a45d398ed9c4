"""A pytest plugin: for each line on stdin it runs the checks up to the first failure, and tells which on stdout.

So one server and one browser do for all mutants of a page's script. Lines are JSON: the names of the only checks to
run, null for all; once all have passed, the quickest come first. An answer is {"begun": name} for each check, and
{"failed": name} at the end, with null when all have passed. What is printed besides goes to stderr. Where pages are
marked (see reach.py), the file named by $TOLD tells which check has come by which place.
"""

import json
import os
import signal
import sys

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.reach import FROM_A_PAGE
from tests.support import browser
from tests.support.verdicts import FAILED_TASKS

# What a page does within five seconds it mostly does in less than one; a mutant that fails is tried twice.
browser.PATIENCE = {"expected": 2_000, "usable": 6_000}

SECONDS = pytest.StashKey()  # how long a check took the last time
ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
# What a check says may hold half a character, which a page has sent.
sys.stdout.reconfigure(errors="backslashreplace")
# What a shell starts in the background ignores Ctrl-C, and hands that on to the servers that the checks stop so.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Answer until stdin ends."""
    for line in sys.stdin:
        only = json.loads(line)
        # A list of its own, in the order that it is in by now.
        chosen = [item for item in session.items if only is None or item.name in only]
        failed = first_failure(session, chosen)
        if failed:
            # The next mutant, a neighbour, meets it first.
            session.items.sort(key=lambda item: item.name != failed)
        elif only is None:
            session.items.sort(key=lambda item: item.stash[SECONDS])
        answer(failed=failed)
    # Only now the server and the browser may go.
    session._setupstate.teardown_exact(None)
    return True


def answer(**what):
    print(json.dumps(what), file=ANSWERS, flush=True)


def first_failure(session, items):
    """Return the name of the first of these checks that fails, or cannot be run; None if all pass."""
    for item in items:
        answer(begun=item.name)
        session.config.stash[FAILED_TASKS].names.clear()
        # As if it had never run; pytest has no public word for that.
        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=session)
        item.stash[SECONDS] = sum(report.duration for report in reports)
        if not all(report.passed for report in reports):
            print(*(report.longreprtext for report in reports if not report.passed), flush=True)
            return item.name
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item):
    """Keep what marked pages have told on the console."""
    timeline = item.funcargs.get("timeline")
    places = (
        {match[1] for text in timeline.texts("browser") if (match := FROM_A_PAGE.fullmatch(text))} if timeline else ()
    )
    with open(os.environ["TOLD"], "a", encoding="utf-8") as told:
        told.writelines(f"{item.name}\t{place}\n" for place in sorted(places))
