"""The mutation's own parts: which lines, which edits, what is listed, what is told. Its runs are `make mutate`."""

import sys
import tomllib
from dataclasses import dataclass, replace
from runpy import run_path

import pytest

from tests.mutation import equivalents, report, scripts
from tests.mutation.__main__ import evenly, main
from tests.mutation.judging import HUNG, WHOLE, Judge, ProgramJudge, Way, name_of, with_the_same_scripts
from tests.mutation.mutants import Mutant, changed_lines, mutant_of, mutants_in
from tests.mutation.reach import MODULE, Chart, marked, stretches_in
from tests.support.plan import CORE, WIRE, urgency
from tests.workbook.conftest import ROOT
from workbook.steps import Step, all_steps

BEFORE = "one\ntwo\nthree\n"
AFTER = "one\nTWO\nthree\nfour\n"


def ones(text, _):
    """Yield an edit of each line."""
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        yield "ones", "".join([*lines[:at], f"1{line}", *lines[at + 1 :]])


def test_only_lines_that_the_step_changes():
    assert changed_lines(BEFORE, AFTER) == {2, 4}
    assert changed_lines("", BEFORE) == {1, 2, 3}
    found = mutants_in("app/x.py", AFTER, changed_lines(BEFORE, AFTER), ones)
    assert [(mutant.line, mutant.old, mutant.new) for mutant in found] == [(2, "TWO", "1TWO"), (4, "four", "1four")]
    assert found[0].text == "one\n1TWO\nthree\nfour\n"


def test_an_edit_over_several_lines_counts_for_each_of_them():
    text = "call(\n    a,\n    b,\n)\n"
    mutant, touched = mutant_of("x.py", "leave_out", text, "pass\n")
    assert touched == {1, 2, 3, 4}
    assert (mutant.old, mutant.new) == ("call(\na,\nb,\n)", "pass")
    assert mutants_in("x.py", text, {3}, lambda *_: [("leave_out", "pass\n")] * 2) == [mutant]


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("if (a === b) c();", ["if (a !== b) c();", "if (a === b) ;"]),
        ("if (a && !b) c;", ["if (a || !b) c;", "if (a && b) c;", "if (!(a && !b)) c;", "if (a && !b) ;"]),
        ("const a = true;", ["const a = false;"]),
        ("const a = 10;", ["const a = 11;", "const a = 9;"]),
        ("const a = 'b';", ["const a = 'XXbXX';"]),
        ("const a = `b ${c} `;", ["const a = `XXb XX${c} `;"]),
        ("const a = b?.c ?? d;", ["const a = b.c ?? d;", "const a = b?.c && d;"]),
        ("const a = { b: c(), d };", []),
        ("const a = /b/;  // true", []),
        ('"use strict";', []),
        ("a.b(() => {\n  return;\n});", [";", "a.b(() => {\n  ;\n});"]),
        ("for (const a of b) a.c();", ["for (const a of b) ;"]),
        ("let a; a = b;", ["let a; ;"]),
    ],
)
def test_edits_of_a_script(text, edited):
    assert [each for _, each in scripts.edits(text)] == edited


ENTRIES = tomllib.loads("""
[[equivalent]]
steps = "gs1 gs2"
reason = "No one can tell."
changes = [["app/x.py", "TWO", "1TWO"], ["app/x.py", "four", "4", "5"]]

[[equivalent]]
steps = "gs3"
reason = "Whatever becomes of it."
changes = [["app/x.py", "four"]]
words = [["app/x.py", "Say so.", "is gone"]]
""")["equivalent"]


def test_what_is_listed_and_what_is_stale():
    known = list(equivalents.from_entries(ENTRIES, "gs2"))
    two, four = mutants_in("app/x.py", AFTER, {2, 4}, ones)
    assert equivalents.about(two, known).reason == "No one can tell."
    assert equivalents.about(four, known) is None
    assert list(equivalents.from_entries(ENTRIES, "gs4")) == []
    assert equivalents.stale([two, four], known) == known[1:]
    assert list(map(str, known[1:])) == ["gs2 app/x.py: four → 4", "gs2 app/x.py: four → 5"]


@pytest.mark.parametrize(
    ("old", "new", "is_listed"),
    [
        ("four", "5", True),
        ("four", "", True),
        ("five", "4", False),
        ('say("Say so.", 1)', 'say("XXSay so.XX", 1)', True),
        ('say("Say so.", 1)', 'say("say so.", 1)', True),
        ('say("Say so.", 1)', 'say("SAY SO.", 1)', True),
        ('say("Say so.", 1)', 'say("Say so.", 2)', False),
        ('say("Say so.", 1)', "say(None, 1)", False),
        ('say("Say so.", 1)', "say(1)", False),
        ('say(f"{it} is gone", 1)', 'say(f"{it} XXis goneXX", 1)', True),
    ],
)
def test_a_whole_line_or_the_words_in_it_are_listed(old, new, is_listed):
    mutant = Mutant("app/x.py", "any", 1, old, new, "")
    known = list(equivalents.from_entries(ENTRIES, "gs3"))
    assert bool(equivalents.about(mutant, known)) is is_listed
    assert not equivalents.about(replace(mutant, path="app/y.py"), known)
    assert str(known[0]) == "gs3 app/x.py: four → anything"
    assert str(known[1]) == "gs3 app/x.py: the words of Say so. → anything"


LISTED = """
[[equivalent]]
steps = "gs1"
reason = "No one can tell."
changes = [["app/x.py", "TWO", "1TWO"]]
"""


def test_results_are_kept_and_told(tmp_path):
    folder = tmp_path / "tests/mutation/results"
    folder.mkdir(parents=True)
    (tmp_path / "gs1_basic").mkdir()
    (tmp_path / "tests/mutation/equivalent.toml").write_text(LISTED)
    listed, alive, untried, dead = mutants_in("app/x.py", "TWO\nfour\nfive\nsix\n", {1, 2, 3, 4}, ones)
    result = report.Result("2001-02-03", "another", made=5)
    result.add(dead, "wire", report.LATE)
    result.add(listed, "process", "")
    result.add(alive, "services", "")
    result.add(untried, "process", "")
    results = {"app/x.py": result, "app/y.py": report.Result("2001-02-04", "", made=1, dead={"process": 1})}
    report.write("gs1", results, folder)
    assert report.read("gs1", folder) == results
    assert report.read("gs2", folder) == {}
    text = report.page(tmp_path)
    assert "\n| gs1 | `app/x.py` | 4 of 5 |  | 1 |  |  | 1 | 1 | 1 | 1 |\n" in text
    assert "\n| gs1 | `app/y.py` | 1 | 1 |  |  |  |  |  |  |  |\n" in text
    assert "\n| **gs1** | **all of these** | 5 of 6 | 1 | 1 |  |  | 1 | 1 | 1 | 1 |\n" in text
    assert "\n- gs1: 2001-02-03 to 2001-02-04; changed since then: `app/x.py`.\n" in text
    assert "## Alive\n\nNo check notices these yet.\n\n### gs1\n\n- `app/x.py`, line 2: `four`\n  - `1four`\n" in text
    assert "five" not in text
    assert "### gs1\n\nNo one can tell.\n\n- `app/x.py`, line 1: `TWO`\n  - `1TWO`\n" in text


def test_files_that_are_none_are_no_success(monkeypatch, capsys):
    monkeypatch.setattr("tests.mutation.__main__.mutants_of", lambda *_: [])
    monkeypatch.setattr(equivalents, "read", lambda _: [])
    assert main(["gs1", "--only", "sockte.js", "--only", "urls"]) == 2
    assert capsys.readouterr().err == "gs1 has no mutants in files named like sockte.js or urls.\n"


def test_a_sample_is_spread_evenly():
    assert evenly("abcdefgh", 4) == ["a", "c", "e", "g"]
    assert evenly("ab", 4) == ["a", "b"]


def test_each_kept_result_is_of_a_step_and_each_listed_mutant_of_a_line_of_it():
    steps = {step.name: step for step in all_steps(ROOT)}
    for file in report.RESULTS.glob("*.json"):
        assert file.stem in steps
        assert report.read(file.stem), "a result of nothing"
    for step in steps.values():
        for each in equivalents.read(step.name):
            assert is_in(each, step), f"the line is gone: {each}"


def is_in(equivalent, step: Step):
    """Return whether the lines of a listed mutant stand in the step."""
    lines = (step.folder / equivalent.path).read_text(encoding="utf-8").split("\n")
    return (equivalent.text or equivalent.old) in "\n".join(line.strip() for line in lines if line.strip())


def test_scripts_are_checked_where_they_come_to_life(tmp_path):
    """With the next step too, if all scripts are the same there."""

    def step(name, **scripts):
        folder = tmp_path / f"{name}_step"
        (folder / "app").mkdir(parents=True)
        (folder / "manage.py").touch()
        for script, text in scripts.items():
            (folder / "app" / f"{script}.js").write_text(text)
        return Step(folder)

    one, two, three = step("gs1", socket="a"), step("gs2", socket="a", counters="b"), step("gs3", socket="a")
    assert with_the_same_scripts(tmp_path, one) == [two]
    assert with_the_same_scripts(tmp_path, two) == []
    assert with_the_same_scripts(tmp_path, three) == []


def test_checks_that_are_named_come_first():
    """Then those of a low level, then those that need no crowd."""

    @dataclass
    class Item:
        name: str
        marks: tuple = ()

        @property
        def nodeid(self):
            return self.name

        def get_closest_marker(self, name):
            return name if name in self.marks else None

    levels = {"a": CORE, "b": CORE, "c": WIRE, "d": WIRE}
    items = [Item("c"), Item("a", ("unhurried",)), Item("d"), Item("b")]
    items.sort(key=lambda item: urgency(item, levels[item.name], ["d"]))
    assert [item.name for item in items] == ["d", "b", "a", "c"]


EXAMPLE = """\
def one(a):
    \"\"\"The docstring.\"\"\"
    if a:
        return (
            1
        )
    elif a is None:
        @str
        def other():
            return 2
    return 3


one(0)
"""


def test_which_checks_come_by_an_edit(tmp_path, monkeypatch):
    """Those that reach the statement; all, if it is reached while the project loads, or is in no function."""
    copy = Step(tmp_path / "gs9_copy")
    copy.folder.mkdir()
    (copy.folder / "manage.py").touch()
    file = copy.folder / "example.py"
    file.write_text(EXAMPLE)
    monkeypatch.syspath_prepend(copy.folder)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    chart = Chart(tmp_path)
    with chart.marking(copy):
        one = run_path(file)["one"]
        for check, argument in (("a", 1), ("b", None), ("a", 1), ("c", 0)):
            chart.now.write_text(check)
            one(argument)
    del sys.modules[MODULE]
    assert file.read_text() == EXAMPLE
    assert not (copy.folder / f"{MODULE}.py").exists()

    def checks(line, old="x"):
        return chart.checks_for(Mutant("example.py", "ones", line, old, "y", "…"))

    assert [checks(line) for line in (1, 14)] == [None, None]
    assert [checks(line) for line in (3, 11)] == [None, None], "it was called while the module was loaded"
    assert checks(4, "return (\n1\n)") == checks(5) == ["a"]
    assert checks(8) == ["b"]
    assert checks(10) == []


SCRIPT = """\
function one({ a }) {
  if (a) {
    b = {
      c: 1,
    };
  } else {
    d();
  }
  e(() => { f(); });
}
"""


def test_blocks_of_a_script_are_marked():
    """At their beginning, if they have lines of their own; an object or what a function is given is no block."""
    stretches = stretches_in("x.js", SCRIPT)
    assert sorted((each.first, each.last) for each in stretches) == [(2, 9), (3, 5), (7, 7)]
    lines = marked(SCRIPT, stretches, "at({place!r});").split("\n")
    assert [lines[number] for number in (1, 3, 8)] == ["  at('x.js:2');", "    at('x.js:3');", "    at('x.js:7');"]
    assert [line for line in lines if "at(" not in line] == SCRIPT.split("\n")


MUTANT = Mutant("x.py", "ones", 1, "x", "y", "y")


class Told(Judge):
    """A judge whose checks go as it is told: what is found each time, with the mutant and with the step as it is."""

    def __init__(self, *found, only=None):
        self.left = list(found)
        self.copies, self.only = [], only

    def checks_for(self, mutant, way):
        return self.only

    def first_failure(self, way, limit, only, until=None):
        return self.left.pop(0)


@pytest.mark.parametrize(
    ("found", "waits", "what"),
    [
        ([None], True, None),
        (["a"], False, "a"),
        ([HUNG, None, HUNG], False, HUNG),
        (["a", None, "a"], True, "a"),
        (["a", "a", "a", None, "a"], True, "a"),  # The step as it is failed, too.
        (["a", None, None, "a", "a", "a", None, None], True, None),  # Now and then.
    ],
)
def test_a_busy_machine_kills_no_mutant(found, waits, what):
    judge = Told(*found)
    assert judge.try_out(MUTANT, Way("wire", waits=waits), 1) == what
    assert not judge.left


def test_a_mutant_that_no_check_comes_by_lives():
    assert Told("a", only=[]).try_out(MUTANT, Way("wire"), 1) is None


@pytest.mark.proof
def test_a_judge_makes_the_checks_that_come_by(tmp_path):
    step = next(step for step in all_steps(ROOT) if step.name == "gs2")
    path, old, new = "app/consumers.py", 'self.send({"type": "websocket.accept"})', "pass"
    text = (step.folder / path).read_text()
    line = text[: text.index(old)].count("\n") + 1
    judge = ProgramJudge(ROOT, step, tmp_path, WHOLE)
    way, *_ = judge.ways
    try:
        assert judge.learn(way) is None
        here = Mutant(path, "leave_out", line, old, new, text.replace(old, new, 1))
        names = judge.checks_for(here, way)
        assert names
        assert judge.try_out(here, way, 60) in map(name_of, names)
        # The same mutant, met only by checks that do not come by it, would live.
        assert judge.found(here, way, 60, []) is None
    finally:
        judge.end()
