"""`make gsN watch`: a screen at each save, keys, and an end. The checks are a script; one test has real ones."""

import contextlib
import os
import pty
import queue
import select
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.support.warm import Kennel
from tests.workbook.conftest import ROOT, wait_for
from tests.workbook.test_check_verb import ALL_PASS, DONE, END, FIRST_FAILS, PLAN, begun, call, result  # noqa: F401
from workbook import watch as watch_module
from workbook.checker import Checker
from workbook.speech import Refusal
from workbook.verdict import CORE
from workbook.watch import KEYS, Watch

SCREEN = " ✗  1  Open\n"


class FakeChecker:
    """Puts the answer to each question into the queue at once, and the events that the script has after it."""

    def __init__(self, *script):
        self.events = queue.Queue()
        self.script = list(script)
        self.first = []

    def ask(self, copy, levels, tasks, first=()):
        self.first.append([*first])
        for news in self.script.pop(0):
            self.events.put(("news", news))
        while self.script and isinstance(self.script[0], str):
            event = self.script.pop(0)
            self.events.put(("saved", []) if event == "saved" else ("key", event))

    def concerns(self, news):
        return news.get("run") != "old"

    def refuse_if_it_never_ran(self, news):
        if "of" in news:
            raise Refusal("They do not run.", 1)

    def printed(self):
        return ""


@pytest.fixture
def watch(call, capsys, monkeypatch):  # noqa: F811
    """A function that watches with a script, and returns the screens; `watch.copy` is the copy that it watches."""
    monkeypatch.setattr(watch_module, "diagnose", lambda *arguments: [])
    copy = SimpleNamespace(folder=call.book.root / "my/gs1_basic", name="gs1")

    def watch(*script):
        Watch(call.book.root, call.step, copy, FakeChecker(*script)).run()
        return capsys.readouterr().out.split("gs1 · The title")[1:]

    watch.root, watch.copy = call.book.root, copy
    return watch


def test_the_first_failure_is_shown_at_once_and_the_rest_later(watch):
    early, late = watch(*FIRST_FAILS, "q")
    assert SCREEN in early
    assert early.endswith("\nh hint · r run again · q quit    checking on …\n")
    assert SCREEN in late
    assert late.endswith(f"{KEYS}\n")


def test_an_earlier_failure_takes_the_place_of_a_later_one(watch):
    failures = [PLAN, result("t3", CORE, "failed"), result("t1", CORE, "failed"), DONE, END]
    assert [title in screen for title, screen in zip(("Task 3", "Task 1", "Task 1"), watch(failures, "q"), strict=True)]


def test_when_all_that_is_quick_has_passed_that_is_shown(watch):
    first, *_, last = watch(*ALL_PASS, "q")
    assert " ✓  1  Open\n" in first
    assert first.endswith("checking on …\n")
    assert "Every task of the last step is done." in last


def test_until_then_what_is_known_is_shown_at_every_glance(watch, monkeypatch):
    monkeypatch.setattr(watch_module, "GLANCE", -1)
    screens = [[f" ✓  {number}" in screen for number in (1, 2, 3)] for screen in watch(*ALL_PASS, "q")]
    assert screens[:3] == [[True, False, False], [True, True, False], [True, True, True]]


def test_the_same_screen_is_not_drawn_twice(watch, monkeypatch):
    monkeypatch.setattr(watch_module, "GLANCE", -1)
    screens = watch(*ALL_PASS, "q")
    first, *others = ALL_PASS
    assert watch([first[0], begun("t1"), begun("t3"), *first[1:]], *others, "q") == screens


def test_a_project_that_does_not_load_is_shown_and_has_a_hint(watch):
    broken = {"news": "broken", "error": "NameError: name 'x' is not defined", "place": None}
    *_, last = watch([broken, PLAN, DONE, END], "h", "q")
    assert "\n✗ Your project does not load\n  Happened   NameError: name 'x' is not defined\n" in last
    assert "\nYour project does not load. What stops it, and where:\n  python -m workbook gs1 check\n" in last


def test_what_comes_late_from_before_is_not_heard(watch):
    old = {**result("t1", CORE, "failed"), "run": "old"}
    assert not any("✗" in screen for screen in watch([old, *ALL_PASS[0]], *ALL_PASS[1:], "q"))


def test_what_has_failed_comes_first_after_a_save(call, monkeypatch):  # noqa: F811
    monkeypatch.setattr(watch_module, "diagnose", lambda *arguments: [])
    copy = SimpleNamespace(folder=call.book.root / "my/gs1_basic", name="gs1")
    failed = {**result("t1", CORE, "failed"), "id": "tests/steps/test_x.py::test_it[gs1]"}
    checker = FakeChecker([PLAN, failed, result("t3", CORE), DONE, END], "saved", *ALL_PASS, "q")
    Watch(call.book.root, call.step, copy, checker).run()
    assert checker.first == [[], *[["test_it[gs1]"]] * len(ALL_PASS)]


@pytest.mark.parametrize("event", ["saved", "r"])
def test_a_save_or_r_begins_again(watch, event):
    first, *_, last = watch(*FIRST_FAILS, event, *ALL_PASS, "q")
    assert SCREEN in first
    assert "Every task of the last step is done." in last


def test_h_shows_a_hint_below(watch):
    *_, last = watch(*FIRST_FAILS, "h", "x", "q")
    assert "  Look       Look here.\n" in last
    assert last.endswith(f"{KEYS}\n")


def test_a_copy_that_is_gone_ends_it(watch):
    watch.copy.folder = watch.root / "my/nothing"
    with pytest.raises(Refusal, match="my/nothing is gone, so there is nothing to watch"):
        watch(*FIRST_FAILS)


def test_checks_that_cannot_run_end_it(watch):
    with pytest.raises(Refusal, match="They do not run"):
        watch([{"news": "end", "of": 1}])


def test_half_a_line_of_a_part_that_was_ended_is_no_news():
    reading, writing = os.pipe()
    half = "import time; print('{\"news\": ', end='', flush=True); time.sleep(60)"
    part = subprocess.Popen([sys.executable, "-c", half], stdout=writing, start_new_session=True)
    assert select.select([reading], [], [], 20)[0], "the part has written nothing"
    ended, is_child = os.pipe()
    os.close(is_child)
    with os.fdopen(writing, "w") as news:
        kennel = Kennel(news, None, "a folder")
        kennel.children = [part.pid]
        kennel.wait_for_end(ended)
        kennel.tell(news="end")
    part.wait()
    checker = SimpleNamespace(events=queue.Queue())
    Checker.listen(checker, SimpleNamespace(stdout=os.fdopen(reading, "rb"), pid=part.pid))
    assert [news for _, news in checker.events.queue] == [{"news": "end"}, {"news": "end", "of": part.pid}]


# The command in a process of its own, without the environment that it would make.
COMMAND = """
import sys

import workbook.cli

workbook.cli.enter = lambda *arguments: None
sys.exit(workbook.cli.main(*sys.argv[1:2], sys.argv[2:]))
"""


@pytest.fixture
def terminal(book, started):
    """`gs2 watch` on a terminal of its own, in a real copy that is just begun."""
    for folder in ("gs1_basic", "gs2_sync_consumer"):
        book.add_real_step(folder)
    (book.root / "tests").symlink_to(ROOT / "tests")
    book.call("gs2", "start")
    ours, theirs = pty.openpty()
    started.append(
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(book.root), "gs2", "watch"],
            cwd=ROOT,
            env={**book.env, "TERM": "xterm", "COLUMNS": "80"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    yield Terminal(ours, started[-1], book.root / "my/gs2_sync_consumer")
    os.close(ours)


class Terminal:
    """What is shown on a terminal, and somebody who presses keys."""

    def __init__(self, end, process, copy):
        self.end = end
        self.process = process
        self.copy = copy
        self.seen = ""

    def shows(self, words):
        """Return whether these words were shown since the last call of `press`."""
        with contextlib.suppress(BlockingIOError, OSError):
            while more := os.read(self.end, 65536):
                self.seen += more.decode(errors="replace")
        return words in self.seen

    def press(self, key):
        self.seen = ""
        os.write(self.end, key.encode())


@pytest.mark.timeout(120)
def test_the_real_thing_on_a_terminal(terminal):
    wait_for(lambda: terminal.shows("Task 1"), "the first screen", within=40)
    # Looking out for saves begins in a thread, and nothing tells when: a save that it missed is made again.
    right = (ROOT / "gs2_sync_consumer/app/consumers.py").read_bytes()
    for _ in range(20):
        (terminal.copy / "app/consumers.py").write_bytes(right)
        with contextlib.suppress(AssertionError):
            wait_for(lambda: terminal.shows("Task 5"), "a screen after the save", within=6)
            break
    terminal.press("h")
    wait_for(lambda: terminal.shows("a second path."), "the hint", within=40)
    terminal.press("r")
    wait_for(lambda: terminal.shows("Task 5"), "a new screen", within=40)
    terminal.press("q")
    assert terminal.process.wait(timeout=20) == 0
    assert not terminal.shows("Traceback"), terminal.seen
