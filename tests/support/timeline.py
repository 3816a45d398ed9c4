"""What happened, in order: the page that a failed check shows."""

import json
import logging
import time
from pathlib import Path

ENDED = "the consumer has ended"
LONGEST_PAYLOAD = 80  # characters of one entry's text; a 1 MiB frame is not for reading


class Timeline:
    """Collects entries from the client, the consumer, the log and exceptions, and prints them by time.

    Entries of another process come from files that the process writes (see `recorder`), which are
    read when the timeline is printed.
    """

    def __init__(self):
        self.entries = []
        self.sources = []
        # In process: the exceptions with which consumers ended, and the tasks that they run in.
        self.failures = []
        self.consumers = []
        self.began = time.time()

    def add(self, lane, text, at=None):
        """Add one entry. `lane` says who tells it (client, consumer, log, error); `at` is a Unix time in seconds."""
        self.entries.append((at or time.time(), lane, text))

    def follow(self, source):
        """Add what `source()` yields, entries as `add` takes them, each time that the timeline is read."""
        self.sources.append(source)

    def read(self):
        """Return all entries as (seconds since the check began, lane, text), oldest first."""
        entries = self.entries + [entry for source in self.sources for entry in source()]
        return [(at - self.began, lane, text) for at, lane, text in sorted(entries, key=lambda entry: entry[0])]

    def texts(self, lane):
        """Return the texts of one lane, oldest first."""
        return [text for _, entry_lane, text in self.read() if entry_lane == lane]

    def __str__(self):
        return "\n".join(f"{at:7.3f} s  {lane:<9} {text}" for at, lane, text in self.read())


class LogLane(logging.Handler):
    """Adds to a timeline what this process logs, from WARNING on: what a step catches, it may tell only there."""

    def __init__(self, timeline):
        super().__init__(logging.WARNING)
        self.timeline = timeline

    def emit(self, record):
        for line in self.format(record).splitlines():
            self.timeline.add("log", line, record.created)


def shorten(value, longest=LONGEST_PAYLOAD):
    """Return `value` (text, bytes or an event) as one readable line; what is cut is said with its length."""
    line = value if isinstance(value, str) else repr(value)
    if len(line) > longest:
        line = f"{line[:longest]}… ({len(line):,} characters)"
    return line


def read_events(path, port):
    """Yield timeline entries of the connection from client port `port` out of the recorder's file."""
    # Most lines are of other connections: looking is quicker than decoding.
    for at, client_port, text in map(json.loads, filter(lambda line: f" {port}, " in line, lines_of(path))):
        if client_port == port:
            yield at, "consumer", text


def lines_of(path):
    """Return the whole lines of the recorder's file: what stands after the last line feed is still being written."""
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


def read_all_events(path):
    """Yield (Unix time, client port, text) of every event in the recorder's file."""
    yield from map(json.loads, lines_of(path))


def open_consumers(path, since=0.0):
    """Return how many connections have begun since the Unix time `since` and not ended, by the recorder's file."""
    last_of_each = {port: text for at, port, text in read_all_events(path) if at >= since}
    return sum(text != ENDED for text in last_of_each.values())
