"""A pytest plugin: for each line on stdin it runs the checks up to the first failure, and tells which on stdout.

So one server and one browser do for all mutants of a page's script. A line may name the only check to run. An answer is
a line of JSON, {"failed": name}, with null when all have passed. What is printed besides goes to stderr.
"""

import json
import os
import signal
import sys

import pytest
from _pytest.runner import runtestprotocol

from tests.support.verdicts import FAILED_TASKS

ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
# What a shell starts in the background ignores Ctrl-C, and hands that on to the servers that the checks stop so.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Answer until stdin ends."""
    for line in sys.stdin:
        only = [item for item in session.items if item.name == line.strip()]
        chosen = only if line.strip() else session.items
        print(json.dumps({"failed": first_failure(session, chosen)}), file=ANSWERS, flush=True)
    # Only now the server and the browser may go.
    session._setupstate.teardown_exact(None)
    return True


def first_failure(session, items):
    """Return the name of the first of these checks that fails, or cannot be run; None if all pass."""
    for item in items:
        session.config.stash[FAILED_TASKS].names.clear()
        # As if it had never run; pytest has no public word for that.
        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=session)
        if not all(report.passed for report in reports):
            print(*(report.longreprtext for report in reports if not report.passed), flush=True)
            # The next mutant, a neighbour, meets it first.
            items.insert(0, items.pop(items.index(item)))
            return item.name
    return None
