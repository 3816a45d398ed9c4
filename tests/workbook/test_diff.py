"""`make gs2 diff`: what a step changes, with the project's own name taken out of the comparison."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbook.test_run import read_until_closed
from workbook.diff import changes, coloured, diff_text


@pytest.fixture
def two(book):
    """Two steps that are the same but for their name. Returns their folders."""
    for name, folder in (("gs1", "gs1_basic"), ("gs2", "gs2_more")):
        settings = f'ROOT_URLCONF = "{name}.urls"\n# {name}_basic gs12 {name}\n'.replace("gs2_basic", "gs1_basic")
        book.add_step(folder, **{f"{name}/settings.py": settings, "app/views.py": "one\ntwo\nthree\n"})
    return book.root / "gs1_basic", book.root / "gs2_more"


def test_a_step_that_changes_nothing_has_no_diff(two):
    assert diff_text(*two) == ""


def test_a_changed_file(two):
    (two[1] / "app" / "views.py").write_text("one\n2\nthree\nfour\n")
    assert diff_text(*two) == (
        "--- gs1_basic/app/views.py\n+++ gs2_more/app/views.py\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n"
    )
    (change,) = changes(*two)
    assert (change.path, change.kind, change.added, change.removed) == (Path("app/views.py"), "changed", 2, 1)


def test_the_projects_folder_is_compared_with_the_renamed_one(two):
    (two[1] / "gs2" / "settings.py").write_text('ROOT_URLCONF = "gs2.other"\n# gs1_basic gs12 gs2\n')
    assert diff_text(*two) == (
        "--- gs1_basic/gs1/settings.py\n+++ gs2_more/gs2/settings.py\n@@ -1,2 +1,2 @@\n"
        '-ROOT_URLCONF = "gs2.urls"\n+ROOT_URLCONF = "gs2.other"\n # gs1_basic gs12 gs2\n'
    )


def test_new_and_deleted_files(two):
    (two[0] / "old.py").write_text("-- gone\n")
    (two[1] / "new.py").write_text("++ come\n")
    (two[1] / "empty.py").touch()
    assert diff_text(*two) == (
        "--- /dev/null\n+++ gs2_more/empty.py\n"
        "--- /dev/null\n+++ gs2_more/new.py\n@@ -0,0 +1 @@\n+++ come\n"
        "--- gs1_basic/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n--- gone\n"
    )
    counts = [(change.kind, change.added, change.removed) for change in changes(*two)]
    assert counts == [("new", 0, 0), ("new", 1, 0), ("deleted", 0, 1)]


def test_a_binary_file_is_only_named(two):
    (two[0] / "a.png").write_bytes(b"\0gs1")
    (two[1] / "a.png").write_bytes(b"\0gs2")
    (two[1] / "b.png").write_bytes(b"\xff")
    assert diff_text(*two) == "Binary file gs2_more/a.png: changed\nBinary file gs2_more/b.png: new\n"
    assert [change.added for change in changes(*two)] == [0, 0]


def test_a_missing_line_feed_is_told(two):
    (two[1] / "app" / "views.py").write_text("one\ntwo\nthree")
    assert diff_text(*two).endswith("-three\n+three\n\\ No newline at end of file\n")


def test_only_line_feeds_end_a_line(two):
    for folder in two:
        (folder / "app" / "views.py").write_bytes("a\x0cb\u2028c\n".encode())
    (two[1] / "app" / "views.py").write_bytes("a\x0cb\u2028d\n".encode())
    assert diff_text(*two).endswith("@@ -1 +1 @@\n-a\x0cb\u2028c\n+a\x0cb\u2028d\n")


@pytest.mark.parametrize("path", ["README.md", "app/__pycache__/x.pyc", "db.sqlite3", "db.sqlite3-wal", ".x.swp"])
def test_lessons_and_by_products_are_left_out(book, two, path):
    book.write(f"gs2_more/{path}", "x")
    assert diff_text(*two) == ""


def test_a_readme_further_down_belongs_to_the_step(book, two):
    book.write("gs2_more/app/README.md", "x\n")
    assert [change.path for change in changes(*two)] == [Path("app/README.md")]


def test_a_copy_elsewhere_is_compared_by_its_own_path(book, two):
    copy = book.root / "my" / "gs1_basic"
    book.add_step("my/gs1_basic", **{"app/views.py": "one\n"})
    (copy / "my").rename(copy / "gs1")
    text = diff_text(two[0], copy)
    assert "--- gs1_basic/app/views.py\n+++ my/gs1_basic/app/views.py\n" in text


def test_the_last_line_counts(book, two):
    (two[1] / "app" / "views.py").write_text("one\n2\nthree\n")
    (two[1] / "new.py").write_text("1\n2\n")
    done = book.call("gs2", "diff")
    assert (done.returncode, done.stderr) == (0, "")
    *text, last = done.stdout.splitlines(keepends=True)
    assert "".join(text) == diff_text(*two)
    assert last == "gs1 → gs2: files 1 changed, 1 new, 0 deleted; lines +3 -1\n"


def test_the_first_step_has_none_before_it(book, two):
    done = book.call("gs1", "diff")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "gs1 is the first step: there is none before it to compare with.\n"


def in_a_terminal(book, **env):
    """Return what a terminal gets of the diff."""
    ours, theirs = pty.openpty()
    with book.start("gs2", "diff", stdout=theirs, stderr=theirs, env=env):
        os.close(theirs)
        said = read_until_closed(ours)
    os.close(ours)
    return said


def test_colours_are_for_terminals_whose_user_wants_them(book, two):
    (two[1] / "app" / "views.py").write_text("one\n2\nthree\n")
    assert "\033[31m-two\033[0m\r\n\033[32m+2\033[0m\r\n" in in_a_terminal(book)
    assert "\033" not in in_a_terminal(book, NO_COLOR="1")
    assert "\033" not in book.call("gs2", "diff").stdout


def test_each_kind_of_line_has_its_colour():
    lines = coloured("--- a\n+++ b\n@@ 1 @@\n c\n-d\n+e\n").splitlines()
    assert lines[:3] == ["\033[1m--- a\033[0m", "\033[1m+++ b\033[0m", "\033[36m@@ 1 @@\033[0m"]
    assert lines[3:] == [" c", "\033[31m-d\033[0m", "\033[32m+e\033[0m"]


@pytest.mark.parametrize(("lines", "wanted"), [(20_000, 10), (1, 0)], ids=["head", "gone"])
def test_a_reader_that_stops_early_is_no_error(book, two, lines, wanted):
    (two[1] / "long.txt").write_text("a line\n" * lines)
    reader, writer = os.pipe()
    process = book.start("gs2", "diff", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.read(reader, wanted)
    os.close(reader)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")


def test_the_text_is_the_same_under_any_locale(book, two):
    (two[1] / "app" / "views.py").write_text("äöü ☂\n", encoding="utf-8")
    done = book.call_from_cold("gs2", "diff", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert sys.getdefaultencoding() == "utf-8"
