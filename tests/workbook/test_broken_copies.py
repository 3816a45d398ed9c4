"""A broken copy is still a learner's: each ends in a sentence with file and line, and what can be checked is."""

import pytest

from tests.mistakes.catalogue import Edit
from workbook.verdict import CORE, FAILED, NOT_CHECKED, REST, SO_FAR, WIRE

pytestmark = pytest.mark.proof

CONNECT = """    def websocket_connect(self, event):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        text = event.get("text")
        if text is None:"""
IMPORTS = "from channels.exceptions import StopConsumer\n"


def in_consumers(new, old=IMPORTS):
    return [Edit("app/consumers.py", old, new)]


# name: (edits of the finished gs2, what is said, file, the line's text)
DOES_NOT_LOAD = {
    "a syntax error": (in_consumers("import (\n"), "SyntaxError: ", "app/consumers.py", "import ("),
    "an indentation": (in_consumers(f"  {IMPORTS}"), "IndentationError: ", "app/consumers.py", IMPORTS.strip()),
    "an import of nothing": (
        in_consumers("from channels.exceptions import Stop\n"),
        "ImportError: cannot import name 'Stop'",
        "app/consumers.py",
        "from channels.exceptions import Stop",
    ),
    "a name of nothing": (
        [Edit("app/routing.py", "consumers.CountConsumer", "consumers.Counter")],
        "AttributeError: module 'app.consumers' has no attribute 'Counter'",
        "app/routing.py",
        'path("ws/sc/count/", consumers.Counter.as_asgi()),',
    ),
    "settings that fail": (
        [Edit("gs2/settings.py", "USE_TZ = True", "USE_TZ = true")],
        "NameError: name 'true' is not defined",
        "gs2/settings.py",
        "USE_TZ = true",
    ),
    "an app that is not there": (
        [Edit("gs2/settings.py", '    "app",\n', '    "ap",\n')],
        "ModuleNotFoundError: No module named 'ap'",
        None,
        None,
    ),
    "an exit": (
        in_consumers(f"{IMPORTS}\nraise SystemExit(3)\n"),
        "Your code ends Python: SystemExit(3)",
        "app/consumers.py",
        "raise SystemExit(3)",
    ),
    "a hard exit": (
        in_consumers(f"{IMPORTS}\nimport os\n\nos._exit(0)\n"),
        "loading gs2/asgi.py ended Python",
        None,
        None,
    ),
    "an endless loop": (
        in_consumers(f"{IMPORTS}\nwhile True:\n    pass\n"),
        "gs2/asgi.py was still being loaded after some seconds",
        "app/consumers.py",
        None,
    ),
}


@pytest.mark.parametrize("name", DOES_NOT_LOAD)
def test_a_project_that_does_not_load(finished, ask, checker, monkeypatch, name):
    edits, what, file, source = DOES_NOT_LOAD[name]
    monkeypatch.setattr(checker, "limit", 3.0)
    copy = finished("gs2")
    for edit in edits:
        edit.apply(copy.folder)
    verdict = ask(copy, [CORE, REST], [1, 2, 3, 4, 5, 6])
    assert verdict.broken["what"].startswith(what)
    place = verdict.broken["place"]
    assert (place and place["file"]) == file
    if source:
        assert place["source"] == source
    assert {verdict.of(number).result for number in verdict.tasks} == {NOT_CHECKED}
    assert list(verdict.rounds())[1:] == [], "there is nothing more to ask for"


@pytest.mark.parametrize("path", ["gs2/settings.py", "gs2/asgi.py"])
def test_a_file_that_is_looked_for_by_its_name(finished, ask, path):
    copy = finished("gs2")
    (copy.folder / path).rename(copy.folder / "gs2/other.py")
    verdict = ask(copy, [CORE, REST], [1])
    assert verdict.broken == {"what": f"{path} is missing: it is looked for by this name.", "place": None}


# name: (edits of the finished gs2, what is said of task 1, the line's text)
HANGS = {
    "a sync handler that never returns": ("while True:\n            pass", "Nobody answered the handshake.", "pass"),
    "a long sleep": ("time.sleep(1000)", "Nobody answered the handshake.", "time.sleep(1000)"),
    "a flood of prints": (
        'while True:\n            print("flood")',
        "Nobody answered the handshake.",
        'print("flood")',
    ),
    "an exit": ("import os\n        os._exit(0)", "Python ended: without a word", None),
    "an exception": ("self.nothing()", "AttributeError: ", "self.nothing()"),
    "nothing": ("pass", "Nobody answered the handshake.", None),
}


@pytest.mark.parametrize("name", HANGS)
def test_a_handler_that_does_not_answer(finished, ask, name):
    line, what, source = HANGS[name]
    copy = finished("gs2")
    Edit("app/consumers.py", CONNECT, CONNECT.replace('self.send({"type": "websocket.accept"})', line)).apply(
        copy.folder
    )
    verdict = ask(copy, [CORE, REST], [1, 2])
    number, failure = verdict.first_failure
    assert number == 1
    assert failure["what"].startswith(what), failure
    if source:
        assert failure["place"]["file"] == "app/consumers.py"
        assert failure["place"]["source"] in (source, "while True:")
    assert (verdict.of(2).result, verdict.of(2).reason) == (NOT_CHECKED, "first task 1")


FAR_AWAY = """import asyncio
        import itertools
        import statistics
        asyncio.get_running_loop().call_soon(statistics.fmean, itertools.count())
        """


# As a task does that belongs to nobody.
KEEPS_THE_FIRST = """try:
            while True:
                pass
        except BaseException:
            pass
        while True:
            pass
        """


@pytest.mark.parametrize(
    ("busy", "file"),
    [
        ("while True:\n            pass\n        ", "app/consumers.py"),
        (FAR_AWAY, None),
        (KEEPS_THE_FIRST, "app/consumers.py"),
    ],
)
def test_an_endless_loop_in_a_coroutine(finished, ask, checker, monkeypatch, busy, file):
    """In a line of hers, or in code that hers has called later; also where what interrupts it is kept once."""
    monkeypatch.setattr(checker, "limit", 4.0)
    copy = finished("gs3")
    awaited = 'async def websocket_connect(self, event):\n        await self.send({"type": "websocket.accept"})\n\n'
    whole = f'    """The same as EchoConsumer, awaited."""\n\n    {awaited}'
    Edit("app/consumers.py", whole, whole.replace("await self.send", f"{busy}await self.send")).apply(copy.folder)
    verdict = ask(copy, [CORE, REST], [1, 4])
    assert verdict.failures[1]["what"].startswith("After some seconds your code was still busy")
    assert (verdict.failures[1]["place"] or {"file": None})["file"] == file
    assert verdict.of(4).result == SO_FAR, "the other tasks can still be checked"


def test_a_task_that_is_cancelled_and_awaited(finished, ask):
    copy = finished("gs3")
    stop = "            self.counting.cancel()\n            await self.answer"
    Edit("app/consumers.py", stop, stop.replace("await", "await self.counting\n            await")).apply(copy.folder)
    failure = ask(copy, [CORE, REST], [5]).failures[5]
    assert failure["what"] == "CancelledError: what was awaited had been cancelled."
    assert failure["place"]["source"] == "await self.counting"


def test_frames_that_come_on_and_on(finished, ask, checker, monkeypatch):
    """A check that waits for another one is interrupted; nothing was busy, and no line of hers stopped anything."""
    monkeypatch.setattr(checker, "limit", 4.0)
    copy = finished("gs6")
    Edit("app/consumers.py", 'if users["names"] != self.users["names"]:', "if True:").apply(copy.folder)
    Edit("app/presence.py", "sorted(names)", "sorted(names, reverse=True)").apply(copy.folder)
    verdict = ask(copy, [CORE, REST], [6])
    assert verdict.failures[6]["what"].startswith("Frames came on and on"), verdict.failures
    assert verdict.failures[6]["place"] is None


def test_a_server_may_take_its_time_to_start(finished, ask, checker, monkeypatch):
    monkeypatch.setattr(checker, "limit", 3.0)
    copy = finished("gs2")
    slow = "import os\nimport time\n\nif 'RECORDED_APPLICATION' in os.environ:\n    time.sleep(4)\n"
    Edit("gs2/settings.py", "USE_TZ = True", f"USE_TZ = True\n{slow}").apply(copy.folder)
    verdict = ask(copy, [WIRE], [1])
    assert verdict.results
    assert verdict.is_right, verdict.failures


def test_a_coroutine_that_nobody_awaits_is_told_in_pythons_words(finished, ask):
    copy = finished("gs4")
    group_add = "async_to_sync(self.channel_layer.group_add)(EVERYONE"
    Edit("app/consumers.py", group_add, "self.channel_layer.group_add(EVERYONE").apply(copy.folder)
    _, failure = ask(copy, [CORE], [1]).first_failure
    assert failure["what"] == "RuntimeWarning: coroutine 'InMemoryChannelLayer.group_add' was never awaited"


def test_what_is_printed_stands_in_the_timeline_up_to_a_limit(finished, ask):
    copy = finished("gs2")
    Edit("app/consumers.py", CONNECT, CONNECT.replace("self.send", 'print("here\\n" * 500)\n        self.sand')).apply(
        copy.folder
    )
    _, failure = ask(copy, [CORE], [1]).first_failure
    printed = [text for _, lane, text in failure["timeline"] if lane == "print"]
    assert printed == ["here"] * 40


def test_settings_are_looked_at_even_if_the_rest_does_not_load(finished, ask):
    copy = finished("gs1")
    (copy.folder / "app/consumers.py").unlink()
    Edit("gs1/settings.py", '    "daphne",\n', "").apply(copy.folder)
    verdict = ask(copy, [CORE, REST])
    assert verdict.broken["what"].startswith("ImportError: cannot import name 'consumers'")
    assert verdict.of(1).result == FAILED


def test_a_missing_migration_is_told_as_such(finished, ask):
    copy = finished("gs5")
    (copy.folder / "app/migrations/0001_rooms_and_messages.py").unlink()
    number, failure = ask(copy, [CORE], [1, 2]).first_failure
    # The first task of gs5 is about the database's address, the second about what is in it.
    assert number == 2
    assert "python manage.py makemigrations" in failure["what"]


def test_two_saves_in_one_second_are_told_apart(finished, ask):
    copy = finished("gs2")
    file = copy.folder / "app/consumers.py"
    right = file.read_text(encoding="utf-8")
    for text, result in (
        (right, SO_FAR),
        (right.replace("websocket.accept", "websocket.acccpt"), FAILED),
        (right, SO_FAR),
    ):
        file.write_text(text, encoding="utf-8")
        assert ask(copy, [CORE], [1]).of(1).result == result


def test_a_new_question_ends_the_one_before(finished, ask, checker):
    slow = finished("gs2")
    Edit("app/consumers.py", CONNECT, CONNECT.replace("self.send", "time.sleep(1000)\n        self.send")).apply(
        slow.folder
    )
    checker.ask(slow, [CORE, REST], [1])
    while checker.events.get()[1]["news"] != "begun":
        pass
    Edit("app/consumers.py", "time.sleep(1000)\n        ", "").apply(slow.folder)
    assert ask(slow, [CORE], [1]).of(1).result == SO_FAR
