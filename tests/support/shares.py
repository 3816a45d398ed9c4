"""How the tests are shared out among processes: of one step each, all shares about equally long."""

import math
from dataclasses import dataclass

from tests.tasks import case_of

WORKBOOK = "workbook"  # stands for a step where tests belong to none
PROOF = "proof"  # of the workbook's tests those that take longer

# Seconds that a test takes, more or less, by what it needs: "own" is nothing, or servers of its own.
SECONDS = {
    "own": 0.5,
    "process": 0.06,
    "wire": 0.1,
    "redis": 0.15,
    "postgres": 0.15,
    "browser": 1.0,
    WORKBOOK: 0.05,
    PROOF: 3.0,
}
# A share is about as long as this: shorter ones would not pay for the start of a child and of the servers it needs.
# It is long enough, too, for the tests that wait until time has passed.
SHARE_SECONDS = 30


@dataclass
class Share:
    """Tests for one child: `items` of `step`, or of the workbook."""

    step: str
    items: list
    seconds: float = 0.0

    def add(self, items):
        self.items += items
        self.seconds += sum(map(seconds_of, items))


def in_shares(items):
    """Return the Shares that `items` make, the longest first."""
    shares = [share for step, own in grouped(items, step_of) for share in shares_of(step, own)]
    return sorted(shares, key=lambda share: -share.seconds)


def shares_of(step, items):
    """Return the Shares of one step; its patient tests are in the longest one, whose other tests pass the time."""
    patient = [item for item in items if item.get_closest_marker("patient")]
    shares = list(by_need(step, [item for item in items if item not in patient]))
    if patient:
        longest = max(shares, key=lambda share: share.seconds, default=Share(step, []))
        shares = [longest, *(share for share in shares if share is not longest)]
        longest.add(patient)
        longest.seconds = max(longest.seconds, SHARE_SECONDS)
    return shares


def by_need(step, items):
    """Yield Shares of `items`: what needs the same servers is together, the many that need a browser in parts."""
    share = Share(step, [])
    for kind, alike in grouped(sorted(items, key=lambda item: list(SECONDS).index(kind_of(item))), kind_of):
        seconds = sum(map(seconds_of, alike))
        if kind in ("browser", WORKBOOK, PROOF) and seconds > SHARE_SECONDS:
            yield from in_parts(step, alike)
            continue
        if share.items and share.seconds + seconds > SHARE_SECONDS:
            yield share
            share = Share(step, [])
        share.add(alike)
    if share.items:
        yield share


def in_parts(step, items):
    """Yield Shares of these items, which are alike, none longer than SHARE_SECONDS."""
    parts = math.ceil(sum(map(seconds_of, items)) / SHARE_SECONDS)
    for n in range(parts):
        share = Share(step, [])
        share.add(items[len(items) * n // parts : len(items) * (n + 1) // parts])
        yield share


def grouped(items, key):
    """Return (value of key, the items that have it) in the order in which the values first appear."""
    groups = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups.items()


def step_of(item):
    case = case_of(item)
    return case.step if case else WORKBOOK


def kind_of(item):
    """Return what the test needs, a key of SECONDS."""
    case = case_of(item)
    if case is None:
        return PROOF if item.get_closest_marker("proof") else WORKBOOK
    return "browser" if item.get_closest_marker("browser") else case.way or "own"


def seconds_of(item):
    return SECONDS[kind_of(item)]


def divided(items):
    """Return the tests that share their work among processes themselves, and all others."""
    busy = [item for item in items if item.get_closest_marker("busy")]
    return busy, [item for item in items if item not in busy]
