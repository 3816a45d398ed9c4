"""`make gsN start` and `reset`: what a copy begins with, and that nothing of hers is ever lost."""

import re
from pathlib import Path

import pytest

from tests.workbook.conftest import ROOT
from workbook.cli import main
from workbook.copies import starting_point
from workbook.diff import contents
from workbook.lesson import Edit, finished_lines, material_of, python_lines, task_text, text_lines
from workbook.steps import all_steps, step_before

STEPS = [step for step in all_steps(ROOT) if material_of(step)]
each_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
LESSON = 'hers = ["app/hers.py", "app/new.py"]\n\n[[task]]\ntitle = "Write it"\n'
README = (
    "# gs2 · More\n\n## Build it yourself\n\n### 1. Write it\n\nIn `hers.py`,\nwrite it.\n\nLast words.\n\n## Break\n"
)
MY = "my/gs2_more"


@pytest.fixture
def book(book):
    """A workbook with two small steps, of which the second has a lesson to be built, and a third that has none."""
    given = {"app/given.py": "given = 1\n", "app/hers.py": "hers = 1\n"}
    first = {**given, "app/kept.py": "kept = 'gs1'\n"}
    book.add_step("gs1_basic", **first)
    second = {"app/given.py": "given = 2\n", "app/hers.py": "hers = 2\n", "app/kept.py": "kept = 'gs2'\n"}
    book.add_step("gs2_more", **second, **{"app/new.py": "new = 2\n", "lesson.toml": LESSON, "README.md": README})
    book.add_step("gs3_last")
    return book


def text_of(book, path):
    return (book.root / path).read_text(encoding="utf-8")


def names(book):
    return sorted(path.name for path in (book.root / "my").iterdir())


def test_a_copy_begins_with_what_is_given_and_with_hers_as_the_step_before_left_them(book):
    done = book.call("gs2", "start")
    assert (done.returncode, done.stderr) == (0, "")
    assert text_of(book, f"{MY}/app/given.py") == "given = 2\n"
    assert text_of(book, f"{MY}/app/hers.py") == "hers = 1\n"
    assert text_of(book, f"{MY}/app/kept.py") == "kept = 'gs2'\n"
    for path in ("app/new.py", "README.md", "lesson.toml"):
        assert not (book.root / MY / path).exists()


def test_start_says_what_to_open_what_to_do_and_what_comes_next(book):
    assert book.call("gs2", "start", WORKBOOK_FACE="make").stdout == (
        "my/gs2_more is there: the finished gs1, and all of gs2 that is not its lesson.\n"
        "\nYours to write:\n  my/gs2_more/app/hers.py\n  my/gs2_more/app/new.py  (a new file)\n"
        "\nThe lesson: gs2_more/README.md\nTask 1 of 1: Write it\n  In `hers.py`, write it.\n"
        "\nNext: make gs2 watch  (it checks each time that you save)\n"
    )


def test_a_copy_that_is_there_stays_as_it_is(book):
    book.call("gs2", "start")
    book.write(f"{MY}/app/hers.py", "mine\n")
    done = book.call("gs2", "start")
    assert done.returncode == 0
    assert done.stdout == (
        "You have my/gs2_more already, and it stays as it is.\n"
        "  python -m workbook gs2 watch  goes on with it\n"
        "  python -m workbook gs2 reset  puts it aside, and begins again\n"
    )
    assert text_of(book, f"{MY}/app/hers.py") == "mine\n"


def test_half_a_copy_from_before_is_no_copy(book):
    book.write("my/.gs2_more/app/junk.py", "")
    assert book.call("gs2", "start").returncode == 0
    assert not (book.root / MY / "app/junk.py").exists()
    assert names(book) == ["gs2_more"]


def test_from_mine_goes_on_from_her_own_files(book):
    book.write("my/gs1_basic/app/hers.py", "own = 'gs1.settings'\n")
    book.write("my/gs1_basic/app/helper.py", "helper = 1\n")
    book.write("my/gs1_basic/app/given.py", "given = 'by her'\n")
    done = book.call("gs2", "start", "--from", "mine")
    assert done.stdout.startswith("my/gs2_more is there: your own gs1, and all of gs2 that is not its lesson.\n")
    assert text_of(book, f"{MY}/app/hers.py") == "own = 'gs2.settings'\n"
    assert text_of(book, f"{MY}/app/helper.py") == "helper = 1\n"
    assert text_of(book, f"{MY}/app/given.py") == "given = 2\n", "what the step brings is given"
    assert not (book.root / MY / "app/kept.py").exists(), "what she has not is not brought back"


REFUSED = {
    ("gs2", "start", "--from", "yours"): "FROM is mine, or it is left out; 'yours' is neither.",
    ("gs2", "start", "--from", "mine"): "You have no my/gs1_basic. Without FROM=mine, the finished gs1 is taken.",
    ("gs3", "start"): "gs3 can be read and run, but not yet be built step by step: it has no lesson.toml.",
    ("gs2", "reset", "--back"): "Nothing of my/gs2_more was put aside.",
    ("gs2", "compare"): "You have no my/gs2_more yet. Begin it: python -m workbook gs2 start",
    ("gs2", "start", "now"): "Unrecognized arguments: now. The call is: python -m workbook gs2 start --from …",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_call_that_cannot_be_done_gets_a_sentence(book, words):
    done = book.call(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{REFUSED[words]}\n")
    assert not (book.root / "my").exists()


def test_the_first_step_has_nothing_before_it(book):
    book.write("gs1_basic/lesson.toml", LESSON)
    assert (
        book.call("gs1", "start", FROM="mine").stderr == "gs1 is the first step: there is nothing of yours before it.\n"
    )


def test_the_first_step_begins_without_any_websocket(book):
    book.write("gs1_basic/lesson.toml", LESSON)
    assert book.call("gs1", "start").stdout.startswith(
        "my/gs1_basic is there: a Django project that knows no WebSocket yet.\n"
    )


def test_reset_puts_her_work_aside_and_says_the_way_back(book):
    book.call("gs2", "start")
    book.write(f"{MY}/app/hers.py", "mine\n")
    done = book.call("gs2", "reset")
    assert done.returncode == 0
    aside = re.search(r"Your work until now is in (my/gs2_more\.\d{4}-\d\d-\d\d-\d{4})\.\n", done.stdout)[1]
    assert done.stdout.endswith("The way back: python -m workbook gs2 reset --back\n")
    assert text_of(book, f"{aside}/app/hers.py") == "mine\n"
    assert text_of(book, f"{MY}/app/hers.py") == "hers = 1\n"


def test_the_way_back_loses_nothing_either(book):
    book.call("gs2", "start")
    for text in ("first\n", "second\n", "third\n"):
        book.write(f"{MY}/app/hers.py", text)
        assert book.call("gs2", "reset").returncode == 0
    book.write(f"{MY}/app/hers.py", "fourth\n")
    done = book.call("gs2", "reset", BACK="1")
    assert text_of(book, f"{MY}/app/hers.py") == "third\n"
    assert "is my/gs2_more again." in done.stdout
    assert "What was there is in my/gs2_more." in done.stdout
    assert done.stdout.endswith("Go on with it: python -m workbook gs2 watch\n")
    kept = {(path / "app/hers.py").read_text(encoding="utf-8") for path in (book.root / "my").glob("gs2_more*")}
    assert kept == {"first\n", "second\n", "third\n", "fourth\n"}


def test_reset_of_nothing_begins(book):
    assert book.call("gs2", "reset").stdout.startswith("my/gs2_more is there")
    assert names(book) == ["gs2_more"]


def test_reset_refuses_before_it_touches_anything(book):
    book.call("gs2", "start")
    assert book.call("gs2", "reset", "--from", "mine").returncode == 2
    assert names(book) == ["gs2_more"]


def test_a_copy_that_cannot_be_made(book):
    book.write("my", "a file where the folder is to be")
    done = book.call("gs2", "start")
    assert done.returncode == 1
    assert done.stderr.startswith("my/gs2_more cannot be made: ")


def test_a_copy_that_cannot_be_put_aside(book, monkeypatch, capsys):
    book.call("gs2", "start")

    def in_use(path, target):
        raise PermissionError(13, "Permission denied")

    # As on Windows, as long as a server runs in the folder.
    monkeypatch.setattr(Path, "rename", in_use)
    assert main(book.root, ["gs2", "reset"]) == 1
    assert capsys.readouterr().err == (
        "my/gs2_more cannot be put aside: Permission denied. Is a server still running in it?\n"
    )


def test_compare_tells_what_differs_and_what_is_the_same(book):
    book.call("gs2", "start")
    book.write(f"{MY}/app/extra.py", "extra = 1\n")
    done = book.call("gs2", "compare")
    assert done.returncode == 0
    assert "--- my/gs2_more/app/hers.py\n+++ gs2_more/app/hers.py\n@@ -1 +1 @@\n-hers = 1\n+hers = 2\n" in done.stdout
    assert done.stdout.endswith(
        "\n- is my/gs2_more, + is gs2_more.\nThe same: 4 of 6 files.\nDifferent: app/hers.py.\n"
        "Only yours: app/extra.py.\nOnly in the finished step: app/new.py.\n"
    )


def test_compare_of_the_same(book):
    book.call("gs2", "start")
    book.write(f"{MY}/app/hers.py", "hers = 2\n")
    book.write(f"{MY}/app/new.py", "new = 2\n")
    assert book.call("gs2", "compare").stdout == "The same: 6 of 6 files.\n"


def test_the_step_tells_how_to_go_on(book):
    assert "\nBuild it yourself: python -m workbook gs2 start\n" in book.call("gs2").stdout
    book.call("gs2", "start")
    assert "\nYour own is in my/gs2_more. Go on: python -m workbook gs2 watch\n" in book.call("gs2").stdout
    assert "\nRun it: python -m workbook gs3 run\n" in book.call("gs3").stdout


@each_step
def test_a_real_copy_begins_where_the_step_before_ended(step):
    material, before = material_of(step), step_before(ROOT, step)
    files, finished = starting_point(ROOT, step), contents(step.folder)
    given = {path: content for path, content in finished.items() if path not in material.hers}
    assert given.items() <= files.items()
    if before:
        earlier = contents(before.folder, before.name, step.name)
        assert {path: files.get(path) for path in material.hers} == {path: earlier.get(path) for path in material.hers}


@each_step
def test_what_a_real_lesson_is_about_is_there_and_changes(step):
    files, finished = starting_point(ROOT, step), contents(step.folder)
    for path in material_of(step).hers:
        assert finished.get(path) != files.get(path), f"{path} is the same before and after"


def test_before_the_first_step_nobody_speaks_websocket():
    files = starting_point(ROOT, STEPS[0])
    code = {path: content for path, content in files.items() if path.suffix == ".py"}
    assert code
    for path, content in code.items():
        assert b"daphne" not in content, path
        assert b"channels" not in content, path


@each_step
def test_every_task_has_three_hints_and_a_text(step):
    for number, task in material_of(step).tasks.items():
        assert task.look
        assert task.missing
        assert task.lines
        for place in task.lines:
            _, begin, lines = finished_lines(step, place)
            assert begin > 0
            assert lines
        assert task_text(step, number) or not step.readme.exists()


@each_step
def test_the_last_hint_shows_files_that_are_hers(step):
    hers = {path.as_posix() for path in material_of(step).hers}
    for task in material_of(step).tasks.values():
        assert {place.partition(":")[0] for place in task.lines} <= hers


CODE = "import os\n\nX = 1\n\n\nclass A:\n    @property\n    def b(self):\n        return 1\n\n\nY = (\n    2,\n)\n"


@pytest.mark.parametrize(("symbol", "lines"), [("X", (3, 3)), ("A", (6, 9)), ("A.b", (7, 9)), ("Y", (12, 14))])
def test_a_symbol_has_its_lines(symbol, lines):
    assert python_lines(CODE, symbol) == lines


def test_a_place_may_go_from_one_symbol_to_another(tmp_path):
    (tmp_path / "gs1_a").mkdir()
    (tmp_path / "gs1_a/x.py").write_text(CODE)
    (tmp_path / "gs1_a/x.html").write_text("<p>\n  <b>\n</p>\n")
    step = all_steps(tmp_path)[0]
    assert finished_lines(step, "x.py:X..A")[1:] == (3, CODE.splitlines()[2:9])
    assert finished_lines(step, "x.py:return 1") == ("x.py", 9, ["return 1"])
    assert finished_lines(step, "x.html:<b>") == ("x.html", 2, ["<b>"])


@pytest.mark.parametrize("symbol", ["Z", "A.c", "X.y"])
def test_a_symbol_that_is_not_there(symbol):
    with pytest.raises(ValueError, match=f"nothing defines {symbol}"):
        python_lines(CODE, symbol)


def test_a_line_that_is_not_there():
    with pytest.raises(ValueError, match="no line begins with <i>"):
        text_lines("<b>\n", "<i>")


def test_an_edit_takes_lines_out():
    assert Edit("f", "b", "c", "B\n")("a\nb 1\n c\nc 2\nd\n") == "a\nB\nd\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\n", "f has 0 lines that begin with 'b', not one"),
        ("b\nb\nc\n", "f has 2 lines that begin with 'b', not one"),
        ("b\nd\n", "in f no line after 'b' begins with 'c'"),
    ],
)
def test_an_edit_that_no_longer_fits(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        Edit("f", "b", "c", "")(text)
