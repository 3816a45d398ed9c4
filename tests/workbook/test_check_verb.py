"""`make gsN check`, `hint` and `progress`: what is on the screen, in JSON, and in the exit status."""

import json
import shutil
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.mistakes.catalogue import read_mistakes
from tests.tasks import TASKS
from workbook import check as check_module
from workbook import checker as checker_module
from workbook.cli import main
from workbook.keeping import fingerprint, keep, kept_of
from workbook.lesson import Task
from workbook.progress import ago
from workbook.screen import WIDTH, diagnosis_lines, timeline_lines, under_way
from workbook.speech import Refusal
from workbook.steps import all_steps
from workbook.verdict import AGAIN, CORE, FAILED, NOT_CHECKED, OPEN, PASSED, REST, SLOW, WIRE, Verdict

LESSON = """
hers = ["app/hers.py"]

[[task]]
title = "Open"
look = "Look here."
missing = "A line."
lines = ["app/hers.py:opened"]

[[task]]
title = "Speak"
after = 1
look = "Look there."
missing = "A word."
lines = ["app/hers.py:spoken"]

[[task]]
title = "Count"
look = "And there."
missing = "A number."
lines = ["app/hers.py:opened"]
"""
README = """# gs1 · The title

*Reading: 1 minutes · building: 2 minutes.*

*You learn: it.*

### 1. Open

Open it.

### 2. Speak

Say it.

### 3. Count

Count it.
"""
FAILURE = {
    "promise": "It is open.",
    "what": "Nobody answered the handshake.",
    "place": {"file": "app/hers.py", "line": 3, "source": "pass"},
    "timeline": [[0.0, "client", "→ handshake /ws/"], [0.1, "log", "  File x"], [1.5, "client", "  nobody answered"]],
    "evidence": {"something": "known"},
}


def plan(parts=1, **levels):
    """Return the news of a plan with one check for each task and level, as t1=[CORE, WIRE]."""
    checks = [
        {"id": f"{name}-{level}", "task": int(name[1:]) or None, "level": level, "promise": "It is open."}
        for name, its in levels.items()
        for level in its
    ]
    return {"news": "plan", "checks": checks, "parts": parts}


def result(name, level, outcome="passed", reason="", failure=None, order=None):
    task = int(name[1:]) or None
    failure = failure or (FAILURE if outcome == "failed" else None)
    news = {
        "news": "result",
        "id": f"{name}-{level}",
        "task": task,
        "level": level,
        "order": level if order is None else order,
    }
    return {**news, "outcome": outcome, "reason": reason, "failure": failure}


def begun(name, level=CORE, part=0):
    return {"news": "begun", "part": part, "id": f"{name}-{level}", "order": level}


class FakeChecker:
    """Answers from a script: for each question a list of news."""

    script = ()
    asked = None

    def __init__(self, root, step_name, kept):
        self.answer = None
        type(self).asked = []

    def ask(self, copy, levels, tasks):
        self.asked.append((levels, tasks))
        self.answer = self.script[len(self.asked) - 1]

    def answers(self):
        yield from self.answer

    def printed(self):
        return ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


PLAN = plan(t1=[CORE, WIRE], t2=[CORE], t3=[CORE], t0=[REST])
DONE, END = {"news": "done", "part": 0}, {"news": "end"}


@pytest.fixture
def call(book, monkeypatch, capsys):
    """A function that calls the command with a script of news in place of real checks; returns (status, out, err)."""
    folder = book.add_step(
        "gs1_basic", **{"lesson.toml": LESSON, "README.md": README, "app/hers.py": "opened = 1\nspoken = 2\n"}
    )
    book.write("my/gs1_basic/app/hers.py", "\n\npass\n")
    for path in ("manage.py", "gs1/settings.py"):
        book.write(f"my/gs1_basic/{path}", (folder / path).read_bytes())
    monkeypatch.setattr("workbook.cli.enter", lambda *arguments: None)
    monkeypatch.setattr(check_module, "Checker", FakeChecker)
    monkeypatch.setattr(check_module, "diagnose", lambda *arguments: [])
    monkeypatch.setenv("COLUMNS", str(WIDTH))

    def call(*words, script=()):
        FakeChecker.script = script
        status = main(book.root, list(words))
        return status, *capsys.readouterr()

    call.book = book
    call.step = all_steps(book.root)[0]
    return call


FIRST_FAILS = [[PLAN, result("t1", CORE, "failed"), result("t3", CORE), DONE, END]]
ALL_PASS = [
    [PLAN, result("t1", CORE), result("t2", CORE), result("t3", CORE), DONE, END],
    [PLAN, result("t1", WIRE), DONE, END],
    [PLAN, result("t0", REST), DONE, END],
    [PLAN, DONE, END],
]


def test_a_failure_is_one_screen(call):
    status, out, err = call("gs1", "check", script=FIRST_FAILS)
    assert (status, err) == (1, "")
    assert out == (
        "gs1 · The title                                                     my/gs1_basic\n"
        "\n"
        " ✗  1  Open\n"
        " –  2  Speak  (first task 1)\n"
        " ✓  3  Count\n"
        "\n"
        "✗ Task 1 · Open\n"
        "  Expected   It is open.\n"
        "  Happened   Nobody answered the handshake.\n"
        "  Your line  my/gs1_basic/app/hers.py, line 3\n"
        "             pass\n"
        "\n"
        "    0.00 s  client   → handshake /ws/\n"
        "    1.50 s  client     nobody answered\n"
        "\n"
        "Next: python -m workbook gs1 hint  or  python -m workbook gs1 watch\n"
    )
    assert FakeChecker.asked == [([CORE, REST], [1, 2, 3])], "there is nothing more to check"


def test_a_dumb_terminal_gets_plain_signs(call, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    out = call("gs1", "check", script=FIRST_FAILS)[1]
    assert out.isascii()
    assert " x  1  Open\n -  2  Speak  (first task 1)\n +  3  Count\n" in out


def test_all_is_done(call):
    call.book.add_step("gs2_more")
    status, out, _ = call("gs1", "check", script=ALL_PASS)
    assert status == 0
    assert " ✓     All else that it promises\n" in out
    assert out.endswith(
        "\nEvery task is done.\nBeside the finished step: python -m workbook gs1 compare\n"
        "Next: python -m workbook gs2 start\n"
    )
    assert FakeChecker.asked == [
        ([CORE, REST], [1, 2, 3]),
        ([WIRE], [1]),
        ([CORE, REST], [None]),
        ([WIRE, SLOW], [None]),
    ]


def test_the_last_step_is_done(call):
    out = call("gs1", "check", script=ALL_PASS)[1]
    assert out.endswith(
        "\nEvery task of the last step is done.\nBeside the finished step: python -m workbook gs1 compare\n"
    )


def test_quick_says_what_it_has_left_out(call):
    status, out, _ = call("gs1", "check", "--quick", script=ALL_PASS)
    assert status == 0
    assert out.endswith("\nNothing is wrong in what was checked.\nNext: python -m workbook gs1 check\n")
    assert len(FakeChecker.asked) == 1


WITH_AGAIN = plan(t1=[CORE], t2=[CORE], t3=[CORE], t0=[REST, AGAIN])
LEFT_OUT = [
    [WITH_AGAIN, *ALL_PASS[0][1:]],
    [WITH_AGAIN, result("t0", REST), DONE, END],
    [WITH_AGAIN, DONE, END],
    [WITH_AGAIN, result("t0", AGAIN), DONE, END],
]


def test_what_takes_minutes_is_left_out_until_somebody_asks(call):
    status, out, _ = call("gs1", "check", script=LEFT_OUT)
    assert status == 0
    assert " ✓     All else that it promises\n" in out
    assert out.endswith(
        "\nIt takes a while to check with servers, too, what earlier steps promised:\n"
        "  python -m workbook gs1 check --all\n"
    )
    assert ([AGAIN], [None]) not in FakeChecker.asked
    assert json.loads(call("gs1", "check", "--json", script=LEFT_OUT)[1])["left_out"] == 1


def test_all_leaves_nothing_out(call):
    status, out, _ = call("gs1", "check", "--all", script=LEFT_OUT)
    assert status == 0
    assert " ✓     All else that it promises\n" in out
    assert "It takes a while" not in out
    assert FakeChecker.asked[-1] == ([AGAIN], [None])
    assert json.loads(call("gs1", "check", "--all", "--json", script=LEFT_OUT)[1])["left_out"] == 0


def test_all_finds_what_is_broken(call):
    script = [*LEFT_OUT[:3], [WITH_AGAIN, result("t0", AGAIN, "failed"), DONE, END]]
    status, out, _ = call("gs1", "check", "--all", script=script)
    assert status == 1
    assert "\n✗ All else that it promises\n" in out


def test_quick_and_all_are_a_contradiction(call):
    status, out, err = call("gs1", "check", "--quick", "--all")
    assert (status, out) == (2, "")
    assert err == "Quick leaves out what all asks for: say one of them.\n"


@pytest.mark.parametrize(("value", "number_left_out"), [("1", 0), ("yes", 0), ("0", 1), ("no", 1), ("", 1)])
def test_a_flag_can_be_off(call, monkeypatch, value, number_left_out):
    """As ALL=0 in a call of make, or in the environment of whoever wants it on elsewhere."""
    monkeypatch.setenv("ALL", value)
    assert json.loads(call("gs1", "check", "--json", script=LEFT_OUT)[1])["left_out"] == number_left_out


def test_who_waits_sees_how_far_it_is(call, monkeypatch):
    shown = []
    monkeypatch.setattr(check_module, "under_way", lambda: nullcontext(shown.append))
    call("gs1", "check", script=[[PLAN, begun("t1"), *ALL_PASS[0][1:]], ALL_PASS[1], [PLAN, begun("t0", REST)], [END]])
    assert shown[:3] == ["loading your project", "0 of 5 checks · task 1", "1 of 5 checks · task 1"]
    assert "4 of 5 checks · all else that it promises" in shown


@pytest.mark.parametrize(("term", "is_shown"), [("xterm", True), ("dumb", False)])
def test_what_goes_on_is_shown_on_a_terminal(monkeypatch, capsys, term, is_shown):
    """On one that can take a line back; it is gone at the end. Anywhere else there is nothing."""
    with under_way() as tell:
        tell("1 of 2")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with under_way() as tell:
        tell("1 of 2")
    out, err = capsys.readouterr()
    assert out == ""
    assert ("1 of 2" in err) == is_shown
    assert not is_shown or err.rpartition("1 of 2")[2].count("\x1b[2K"), "the line stays"


def test_what_could_not_be_checked_says_why(call):
    missing = result(
        "t1", WIRE, "not checked", "no Chromium found; install it (Debian: apt install chromium) or set it"
    )
    status, out, _ = call("gs1", "check", script=[ALL_PASS[0], [PLAN, missing, DONE, END], *ALL_PASS[2:]])
    assert status == 0
    assert " –  1  Open  (no Chromium found; install it (Debian: apt install chromium)" in out
    assert "Nothing is wrong in what was checked.\n  Missing    no Chromium found; install it (Debian:" in out
    assert "chromium) or set\n             it\n" in out, "on the row it was cut"
    assert max(map(len, out.splitlines())) <= WIDTH


@pytest.mark.parametrize(
    ("way", "behind"),
    [("postgres", "PostgreSQL, as with DATABASE_URL"), ("redis", "Redis, as with REDIS_URL")],
)
def test_what_was_behind_the_project_is_told(call, way, behind):
    fails = result("t1", CORE, "failed", failure=FAILURE | {"evidence": {"way": way}})
    status, out, _ = call("gs1", "check", script=[[PLAN, fails, result("t3", CORE), DONE, END]])
    assert status == 1
    assert f"  Expected   It is open.\n  With       {behind}\n  Happened   Nobody" in out


def test_a_busy_machine_is_told(call):
    fails = result("t1", CORE, "failed", failure=FAILURE | {"busy": "This machine is busy: check again."})
    _, out, _ = call("gs1", "check", script=[[PLAN, fails, result("t3", CORE), DONE, END]])
    assert "\n  Perhaps    This machine is busy: check again.\n" in out


def test_a_promise_of_before_is_broken(call):
    broken = [PLAN, result("t0", REST, "failed"), DONE, END]
    status, out, _ = call("gs1", "check", script=[*ALL_PASS[:2], broken, ALL_PASS[3]])
    assert status == 1
    assert " ✗     All else that it promises\n" in out
    assert "\n✗ All else that it promises\n  Expected   It is open.\n" in out
    # Hints are about tasks.
    assert out.endswith("\nNext: python -m workbook gs1 watch  or  python -m workbook gs1 compare\n")


def test_a_project_that_does_not_load(call):
    broken = {"news": "broken", "error": "NameError: name 'x' is not defined", "place": FAILURE["place"]}
    status, out, _ = call(
        "gs1", "check", script=[[{"news": "loading", "what": "gs1/settings.py"}, broken, PLAN, DONE, END]]
    )
    assert status == 1
    assert " –  1  Open  (the project has to load first)\n" in out
    assert "\n✗ Your project does not load\n  Happened   NameError: name 'x' is not defined\n  Your line  my/" in out


def test_a_given_file_that_is_gone(call):
    (call.book.root / "my/gs1_basic/manage.py").unlink()
    out = call("gs1", "check", script=FIRST_FAILS)[1]
    assert "\nmy/gs1_basic/manage.py is gone. It was given: copy it from gs1_basic.\n" in out


def test_of_many_given_files_that_are_gone_some_are_named(call):
    for name in "abcd":
        call.book.write(f"gs1_basic/app/{name}.css", "")
    out = call("gs1", "check", script=FIRST_FAILS)[1]
    assert "\nmy/gs1_basic/app/c.css is gone. It was given: copy it from gs1_basic.\n(and 1 more)\n" in out


def test_json(call):
    status, out, _ = call("gs1", "check", "--json", script=FIRST_FAILS)
    assert status == 1
    told = json.loads(out)
    assert told["passed"] is False
    assert [task["result"] for task in told["tasks"]] == [FAILED, NOT_CHECKED, PASSED, OPEN]
    assert told["failure"]["place"]["line"] == 3
    assert told["failure"]["task"] == 1
    assert told["mistakes"] == []


def test_there_is_nothing_to_check(call):
    shutil.rmtree(call.book.root / "my")
    for verb in ("check", "watch", "hint", "try", "compare"):
        status, out, err = call("gs1", verb)
        assert (status, out) == (2, "")
        assert err == "You have no my/gs1_basic yet. Begin it: python -m workbook gs1 start\n"


def hung(where, printed):
    """Return the verdict after a process had to be ended."""
    verdict = Verdict({1: Task("Open")}, where)
    return verdict, lambda: printed


@pytest.mark.parametrize(("level", "promise"), [(WIRE, "Every handler comes to its end."), (SLOW, "It is open.")])
def test_what_was_promised_where_a_process_had_to_be_ended(tmp_path, level, promise):
    verdict, printed = hung(tmp_path, "Timeout (0:01:20)!\n")
    for news in (plan(t1=[level]), begun("t1", level), END):
        verdict.hear(news, printed)
    assert verdict.first_failure[1]["promise"] == promise


def test_a_process_that_had_to_be_ended_while_it_checked(tmp_path):
    file = tmp_path / "app.py"
    file.write_text("first\nsecond\n")
    verdict, printed = hung(
        tmp_path, f'Timeout (0:00:08)!\nThread\n  File "/else.py", line 9 in x\n  File "{file}", line 2 in f\n'
    )
    for news in (plan(t1=[CORE]), begun("t1"), END):
        verdict.hear(news, printed)
    assert verdict.first_failure[1]["promise"] == "Every handler comes to its end."
    assert verdict.first_failure[1]["what"] == "It was still busy after some seconds"
    assert verdict.first_failure[1]["place"] == {"file": "app.py", "line": 2, "source": "second"}


def test_of_several_parts_one_ends_early(tmp_path):
    """What the others find counts all the same, and of a task its first failure is told, however late it comes."""
    verdict, printed = hung(tmp_path, "last words\n")
    late, early = (result("t1", level, "failed", failure={**FAILURE, "what": what}) for level, what in enumerate("ba"))
    news = [plan(parts=3, t1=[CORE, REST]), begun("t1", CORE, 1), begun("t1", REST, 0), early, late]
    for each in [*news, {"news": "done", "part": 0}, {"news": "loading", "part": 2, "what": "gs1/asgi.py"}]:
        verdict.hear(each, printed)
    assert [each["id"] for each in verdict.under_way] == ["t1-0"]
    assert verdict.first_failure[1]["what"] == "b"
    verdict.hear({"news": "begun", "part": 2, "id": "t1-1", "order": 1}, printed)
    verdict.hear(END, printed)
    assert verdict.is_cut_short
    assert not verdict.under_way
    assert verdict.first_failure[1]["what"] == "b"
    assert verdict.results["t1-1"]["failure"]["what"] == "Python ended: last words"


def test_a_process_that_ends_by_itself(tmp_path):
    verdict, printed = hung(tmp_path, "last words\n\n")
    for news in (plan(t1=[CORE]), begun("t1"), END):
        verdict.hear(news, printed)
    assert verdict.first_failure[1]["what"] == "Python ended: last words"


def test_a_process_that_ends_leaves_no_other_task_open(tmp_path):
    verdict = Verdict({1: Task("Open"), 2: Task("Speak", after=1), 3: Task("Count")}, tmp_path)
    rounds = verdict.rounds(is_quick=True)
    assert next(rounds) == ([CORE, REST], [1, 2, 3])
    for news in (plan(t1=[CORE], t2=[CORE], t3=[CORE]), begun("t1"), END):
        verdict.hear(news)
    assert next(rounds) == ([CORE, REST], [3])
    verdict.hear(begun("t3"))
    verdict.hear(result("t3", CORE))
    verdict.hear(DONE)
    assert list(rounds) == []


@pytest.mark.parametrize(
    ("printed", "what"),
    [
        ("Timeout (0:00:08)!\n", "gs1/asgi.py was still being loaded after some seconds"),
        ("", "loading gs1/asgi.py ended Python"),
    ],
)
def test_a_process_that_ends_while_it_loads(tmp_path, printed, what):
    verdict, printed = hung(tmp_path, printed)
    for news in (plan(t1=[CORE]), {"news": "loading", "what": "gs1/asgi.py"}, END):
        verdict.hear(news, printed)
    assert verdict.broken == {"what": what, "place": None}


def test_what_was_left_out_because_its_task_had_failed_is_no_result(tmp_path):
    verdict = Verdict({1: Task("Open")}, tmp_path)
    verdict.hear(plan(t1=[CORE, REST]))
    verdict.hear(result("t1", CORE, "failed"))
    verdict.hear(result("t1", REST, "not checked", "its task has failed already"))
    assert list(verdict.results) == ["t1-0"]


def test_a_project_that_does_not_load_gets_its_name_too(finished):
    copy = finished("gs1")
    read_mistakes()["channels-not-installed"].programs[0].apply(copy.folder)
    verdict = Verdict(TASKS["gs1"], copy.folder, broken={"what": "It does not load.", "place": None})
    assert [diagnosis.id for diagnosis in check_module.diagnose(copy, copy, verdict)] == ["channels-not-installed"]


def test_so_far_is_not_yet_passed(tmp_path):
    verdict = Verdict({1: Task("Open"), 2: Task("Speak")}, tmp_path)
    verdict.hear(plan(t1=[CORE, WIRE], t2=[WIRE]))
    verdict.hear(result("t1", CORE))
    assert [verdict.of(number).result for number in (1, 2)] == ["passed so far", "open"]
    assert verdict.worth_a_look() == [1, 2]


@pytest.mark.parametrize("step", TASKS)
def test_no_task_passes_that_waits_for_one_that_has_failed(tmp_path, step):
    """Its checks may have been quicker, or have nothing to do with the mistake: it cannot be said before."""
    tasks = TASKS[step]
    for failed in tasks:
        verdict = Verdict(tasks, tmp_path)
        verdict.hear(plan(**{f"t{number}": [CORE, REST] for number in tasks}))
        for number in tasks:
            verdict.hear(result(f"t{number}", CORE))
            verdict.hear(result(f"t{number}", REST, "failed" if number == failed else "passed"))
        told = {number: verdict.of(number).result for number in tasks}
        waiting = {number for number in tasks if failed in those_before(tasks, number)}
        assert told == {
            number: FAILED if number == failed else NOT_CHECKED if number in waiting else PASSED for number in tasks
        }


def test_what_waits_for_two_waits_for_the_first(tmp_path):
    """Another part may have checked the second while the first one failed."""
    verdict = Verdict({1: Task("Open"), 2: Task("Speak", after=1), 3: Task("Count", after=2)}, tmp_path)
    for news in (plan(t1=[CORE], t2=[CORE], t3=[CORE]), result("t2", CORE, "failed"), result("t1", CORE, "failed")):
        verdict.hear(news)
    assert [(verdict.of(number).result, verdict.of(number).reason) for number in (2, 3)] == [
        (NOT_CHECKED, "first task 1")
    ] * 2


def those_before(tasks, number):
    """Yield the tasks without which that one cannot be checked."""
    while number := tasks[number].after:
        yield number


@pytest.mark.parametrize("has_ended", [False, True])
def test_checks_that_do_not_start_are_no_fault_of_hers(tmp_path, has_ended):
    (tmp_path / "tests/support").mkdir(parents=True)
    (tmp_path / "tests/support/warm.py").write_text('raise SystemExit("no checks today")')
    copy = SimpleNamespace(name="gs1", folder=tmp_path)
    with checker_module.Checker(tmp_path) as checker:
        if has_ended:
            checker.process.wait()
        checker.ask(copy, [CORE], [1])
        with pytest.raises(Refusal, match=r"(?s)The checks themselves have failed.*no checks today"):
            list(checker.answers())


@pytest.mark.parametrize("kept", [None, "kept"])
def test_databases_are_kept_where_they_are_to_be(tmp_path, kept):
    """Without a folder in one that ends with the checks."""
    (tmp_path / "tests/support").mkdir(parents=True)
    (tmp_path / "tests/support/warm.py").write_text("import sys; raise SystemExit(sys.argv[2])")
    with checker_module.Checker(tmp_path, kept=kept and tmp_path / "new" / kept) as checker:
        checker.process.wait()
        folder = Path(checker.trouble.read_text().strip())
        assert folder.is_dir()
    assert folder.is_dir() == bool(kept)
    assert folder.name == "kept"


DIAGNOSIS = SimpleNamespace(
    name="nobody accepts", sentence="It waits.", mend="Accept it.", note="notes/x.md#y", apart="By this."
)


def test_a_mistake_is_named():
    lines = [line.text for line in diagnosis_lines([DIAGNOSIS])]
    assert lines == [
        "",
        "  This is: nobody accepts",
        "  It waits.",
        "  Mend       Accept it.",
        "  Tell apart By this.",
        "  Read       notes/x.md#y",
    ]


def test_of_a_long_timeline_the_end_is_shown_and_what_is_left_out_is_said():
    lines = [line.text for line in timeline_lines([[0.0, "client", str(number)] for number in range(12)])]
    assert lines[1] == "  (3 earlier lines left out)"
    assert lines[2].endswith(" 3")
    assert len(lines) == 11
    assert list(timeline_lines([])) == []


def test_hints_come_one_by_one_and_need_no_new_check(call):
    call("gs1", "check", script=FIRST_FAILS)
    first, second, third, again = (call("gs1", "hint", script=[])[1] for _ in range(4))
    assert first == (
        "Task 1 · Open\n  Open it.\n\n  Look       Look here.\n\nMore: python -m workbook gs1 hint  (what is missing)\n"
    )
    assert "  Missing    A line.\n" in second
    assert second.endswith("More: python -m workbook gs1 hint  (the lines)\n")
    assert "\n  gs1_basic/app/hers.py, line 1\n    opened = 1\n" in third
    assert third.endswith("These are all hints. Write it in my/gs1_basic, then: python -m workbook gs1 check\n")
    assert again == third


def test_each_task_has_hints_of_its_own(call):
    call("gs1", "check", script=FIRST_FAILS)
    call("gs1", "hint")
    call.book.write("my/gs1_basic/app/hers.py", "changed\n")
    second_fails = [[PLAN, result("t1", CORE), result("t2", CORE, "failed"), DONE, END]]
    out = call("gs1", "hint", script=second_fails)[1]
    assert out.startswith("Task 2 · Speak\n  Say it.\n\n  Look       Look there.\n\nMore")


def test_a_hint_for_what_does_not_load(call):
    broken = {"news": "broken", "error": "NameError", "place": None}
    out = call("gs1", "hint", script=[[broken, PLAN, DONE, END]])[1]
    assert out == "Your project does not load. What stops it, and where:\n  python -m workbook gs1 check\n"


def test_a_hint_when_nothing_fails(call):
    out = call("gs1", "hint", script=[ALL_PASS[0], *ALL_PASS[1:]])[1]
    assert out == "No task has failed.\nWhat there is to do: python -m workbook gs1 check\n"


def test_a_hint_when_something_fails_that_is_no_task(call):
    fails = [
        [PLAN, result("t1", CORE), result("t2", CORE), result("t3", CORE), result("t0", REST, "failed"), DONE, END]
    ]
    out = call("gs1", "hint", script=fails)[1]
    assert out == (
        "What has failed belongs to no task, and has no hint. Promised is:\n  It is open.\n"
        "What came, and where: python -m workbook gs1 check\n"
    )


def test_progress_at_a_glance(call):
    call.book.add_step("gs2_more", **{"lesson.toml": LESSON})
    call.book.add_step("gs3_last")
    before = call("progress")[1].splitlines()
    assert before[0] == "gs1_basic  ···  not checked yet: python -m workbook gs1 check"
    assert before[1] == "gs2_more   ···  not begun: python -m workbook gs2 start"
    assert before[2] == "gs3_last        to be read and run"
    call("gs1", "check", script=FIRST_FAILS)
    assert call("progress")[1].splitlines()[0] == "gs1_basic  ✗–✓  task 1: Open  (checked just now)"
    call.book.write("my/gs1_basic/app/hers.py", "changed\n")
    assert call("progress")[1].splitlines()[0] == "gs1_basic  ✗–✓  task 1: Open  (checked just now, changed since)"
    call("gs1", "check", script=ALL_PASS)
    assert call("progress")[1].splitlines()[0] == "gs1_basic  ✓✓✓  done  (checked just now)"


def test_what_cannot_be_read_is_as_if_nothing_was_kept(call):
    keep(call.book.root, call.step, {"hints": {}})
    assert kept_of(call.book.root, call.step) == {"hints": {}}
    call.book.write("my/.workbench/gs1.json", "{ half")
    assert kept_of(call.book.root, call.step) == {}


def test_a_fingerprint_tells_every_change(call):
    copy = SimpleNamespace(folder=call.book.root / "my/gs1_basic")
    first = fingerprint(copy)
    call.book.write("my/gs1_basic/__pycache__/x.pyc", "by-product")
    assert fingerprint(copy) == first
    call.book.write("my/gs1_basic/app/other.py", "")
    assert fingerprint(copy) != first


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "just now"), (5, "5 min ago"), (130, "2 h ago"), (3000, "2 days ago")]
)
def test_how_long_ago(minutes, words):
    assert ago(time.time() - minutes * 60 - 1) == words


def test_the_real_thing(call, monkeypatch, capsys):
    """A real copy, real checks, a mistake by name."""
    monkeypatch.undo()
    monkeypatch.setattr("workbook.cli.enter", lambda *arguments: None)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    from tests.workbook.conftest import ROOT

    shutil.rmtree(call.book.root / "gs1_basic")
    call.book.add_real_step("gs1_basic")
    (call.book.root / "tests").symlink_to(ROOT / "tests")
    call.book.add_real_step("gs2_sync_consumer")
    assert main(call.book.root, ["gs2", "start"]) == 0
    call.book.write("my/gs2_sync_consumer/app/routing.py", (ROOT / "gs2_sync_consumer/app/routing.py").read_bytes())
    right = (ROOT / "gs2_sync_consumer/app/consumers.py").read_text(encoding="utf-8")
    wrong = right.replace('self.send({"type": "websocket.accept"})', "pass", 1)
    call.book.write("my/gs2_sync_consumer/app/consumers.py", wrong)
    capsys.readouterr()
    assert main(call.book.root, ["gs2", "check", "--quick"]) == 1
    out = capsys.readouterr().out
    assert " ✗  1  Accept the handshake\n –  2  Answer a text frame  (first task 1)\n" in out
    assert "  Happened   Nobody answered the handshake.\n" in out
    assert "  This is: " in out
    assert len(out.splitlines()) <= 40
    assert max(map(len, out.splitlines())) <= WIDTH
