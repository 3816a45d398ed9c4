"""make gsN watch: checks the learner's copy at every save, in a process that is warm already."""

import os
import sys
import threading
import time
from contextlib import contextmanager

from workbook.check import diagnose, screen
from workbook.checker import Checker
from workbook.copies import existing_copy, shown
from workbook.hint import hint_lines
from workbook.keeping import databases_of, keep_verdict
from workbook.lesson import material_of
from workbook.screen import Line, show
from workbook.speech import Refusal
from workbook.verdict import CORE, Verdict

KEYS = "h hint · r run again · q quit"
GLANCE = 0.3  # seconds; a screen that stands still for longer looks as if the save had not been seen


def watch(call):
    """Check at every save until q or Ctrl-C. Returns 0. Raises Refusal."""
    copy = existing_copy(call.root, call.step)
    with Checker(call.root, call.step.name, databases_of(call.root)) as checker, keys_without_enter():
        listen_for_saves(copy.folder, checker.events)
        listen_for_keys(checker.events)
        Watch(call.root, call.step, copy, checker).run()
    return 0


class Watch:
    """What happens between the first screen and the last: events in, screens out."""

    def __init__(self, root, step, copy, checker):
        """Watch a copy with a Checker, in whose queue saves and keys arrive too."""
        self.root = root
        self.step = step
        self.copy = copy
        self.checker = checker
        self.verdict = None

    def run(self):
        """Check, and check again, until somebody wants to stop. Raises Refusal if the checks themselves fail."""
        self.begin()
        while True:
            kind, what = self.checker.events.get()
            if kind == "key" and what == "q":
                return
            if kind == "key" and what == "h":
                self.give_a_hint()
            elif kind == "saved" or (kind == "key" and what == "r"):
                self.begin()
            elif kind == "news" and self.checker.concerns(what):
                self.checker.refuse_if_it_never_ran(what)
                self.hear(what)

    def give_a_hint(self):
        """Show the next hint for the task on the screen, below it."""
        first = self.verdict.first_failure
        number, failure = first or (None, {})
        lines = hint_lines(self.root, self.step, number, bool(self.verdict.broken), failure.get("promise"))
        show([Line(), *lines, Line(KEYS, "dim")])

    def begin(self):
        """Begin to check the copy as it is now."""
        if not self.copy.folder.is_dir():
            raise Refusal(f"{shown(self.root, self.copy.folder)} is gone, so there is nothing to watch.", 1)
        # What she is working on comes first: she does not wait for all that has been right before.
        self.first = self.verdict.failed_checks if self.verdict else ()
        self.verdict = Verdict(material_of(self.step).tasks, self.copy.folder)
        self.rounds = self.verdict.rounds()
        self.drawn = None
        self.lines = []
        self.drawn_at = time.monotonic()
        self.ask()

    def ask(self):
        """Ask for the next round of checks. Returns whether there is one."""
        question = next(self.rounds, None)
        if question:
            self.checker.ask(self.copy, *question, first=self.first)
        return bool(question)

    def hear(self, news):
        """Take news in; the screen follows as soon as there is something to say."""
        self.verdict.hear(news, self.checker.printed)
        if news["news"] == "end" and not self.ask():
            keep_verdict(self.root, self.step, self.copy, self.verdict)
            self.draw("")
        elif news["news"] == "end" or self.is_news(news):
            self.draw("checking on …")

    def is_news(self, news):
        """Return whether there is another first failure than the one on the screen, or all that is quick has passed.

        Until one of them is there, what is known by now is news at every glance.
        """
        if news["news"] == "broken" or self.finding() not in (None, self.drawn):
            return True
        is_late = self.verdict.results and time.monotonic() - self.drawn_at > GLANCE
        return self.drawn is None and is_late

    def finding(self):
        """Return what the screen is to be about: the number of the first task that has failed, a word, or None."""
        if self.verdict.broken:
            return "broken"
        if first := self.verdict.first_failure:
            return first[0] or "kept"
        return "no failure" if self.verdict.is_known(CORE) else None

    def draw(self, note):
        """Show the verdict as far as it is known; note: what is going on."""
        self.drawn = self.finding()
        self.drawn_at = time.monotonic()
        diagnoses = diagnose(self.step, self.copy, self.verdict)
        lines = screen(self.root, self.step, self.copy, self.verdict, diagnoses)
        lines.append(Line(f"{KEYS}    {note}".rstrip(), "dim"))
        if lines != self.lines:
            show(lines, clear=True)
            self.lines = lines


def listen_for_saves(folder, events):
    """Put ("saved", paths) into the queue at each change in folder, by-products aside."""
    from watchfiles import DefaultFilter, watch

    is_hers = DefaultFilter(ignore_entity_patterns=(*DefaultFilter.ignore_entity_patterns, r"\.sqlite3"))

    def listen():
        # Editors write in steps: what comes within so many milliseconds is one save.
        for changes in watch(
            folder, watch_filter=is_hers, debounce=60, step=20, rust_timeout=60_000, yield_on_timeout=True
        ):
            if changes:
                events.put(("saved", sorted(path for _, path in changes)))

    threading.Thread(target=listen, daemon=True).start()


def listen_for_keys(events):
    """Put ("key", letter) into the queue for each key, if there is somebody to press one."""
    if not sys.stdin.isatty():
        return

    def listen():
        while letter := read_key():
            events.put(("key", letter.lower()))

    threading.Thread(target=listen, daemon=True).start()


if os.name == "nt":
    import msvcrt

    def read_key():
        """Wait for a key and return it."""
        return msvcrt.getwch()

    @contextmanager
    def keys_without_enter():
        """Do nothing: msvcrt reads keys as they come."""
        yield
else:
    import termios
    import tty

    def read_key():
        """Wait for a key and return it; "" when there will be none any more."""
        return os.read(0, 1).decode(errors="replace")

    @contextmanager
    def keys_without_enter():
        """Let keys be read as they come, as long as it lasts."""
        if not sys.stdin.isatty():
            yield
            return
        before = termios.tcgetattr(0)
        tty.setcbreak(0)
        try:
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
