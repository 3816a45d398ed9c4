"""`make lessons`: the generated parts of the lessons, and the check that they are not stale."""

import pytest

from tests.workbook.conftest import ROOT
from workbook.lessons import LONGEST_DIFF, folded

LESSON = """# {name} · The title of {name}

*Reading: 10 minutes · building: {building} minutes.*

*You learn: what {name} | shows.*

By hand.

<!-- diff: begin -->
old
<!-- diff: end -->

By hand too.
"""
ROOT_README = "Before.\n\n<!-- steps: begin -->\n<!-- steps: end -->\n\nAfter.\n"


@pytest.fixture
def lessons(book):
    """A workbook with two steps and their lessons."""
    for number, folder in enumerate(("gs1_basic", "gs2_more"), 1):
        readme = LESSON.format(name=f"gs{number}", building=number * 5)
        book.add_step(folder, **{"README.md": readme, "app/views.py": f"x = {number}\n"})
    book.write("gs2_more/app/page.css", "a\nb\n")
    book.write("README.md", ROOT_README)
    return book


DIFF = """By hand.

<!-- diff: begin -->
```diff
--- gs1_basic/app/views.py
+++ gs2_more/app/views.py
@@ -1 +1 @@
-x = 1
+x = 2
```

Also changed: `app/page.css` (+2 -0). `make gs2 diff` shows all.
<!-- diff: end -->

By hand too.
"""
TABLE = """Before.

<!-- steps: begin -->
| Step | What you learn | Minutes |
| --- | --- | --- |
| [gs1_basic](gs1_basic/) | what gs1 \\| shows | 15 |
| [gs2_more](gs2_more/) | what gs2 \\| shows | 20 |
<!-- steps: end -->

After.
"""


def text_of(book, path):
    return (book.root / path).read_text(encoding="utf-8")


def test_the_generated_parts_are_written(lessons):
    first = text_of(lessons, "gs1_basic/README.md")
    done = lessons.call("lessons")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "gs2_more/README.md: written\nREADME.md: written\n"
    assert text_of(lessons, "gs2_more/README.md").endswith(DIFF)
    assert text_of(lessons, "README.md") == TABLE
    assert text_of(lessons, "gs1_basic/README.md") == first


def test_a_second_call_has_nothing_to_do(lessons):
    lessons.call("lessons")
    assert lessons.call("lessons").stdout == "The lessons are up to date.\n"
    assert lessons.call("lessons", "--check").returncode == 0


def test_without_other_files_none_are_named(lessons):
    (lessons.root / "gs2_more" / "app" / "page.css").unlink()
    lessons.call("lessons")
    assert "```\n\n`make gs2 diff` shows all.\n<!--" in text_of(lessons, "gs2_more/README.md")


def test_the_check_finds_what_is_stale_and_changes_nothing(lessons):
    lessons.call("lessons")
    lessons.write("gs2_more/app/views.py", "x = 3\n")
    before = text_of(lessons, "gs2_more/README.md")
    done = lessons.call("lessons", "--check")
    assert done.returncode == 1
    assert done.stdout == "gs2_more/README.md: stale\nBring them up to date: python -m workbook lessons\n"
    assert text_of(lessons, "gs2_more/README.md") == before
    assert "Bring them up to date: make lessons" in lessons.call("lessons", CHECK="1", WORKBOOK_FACE="make").stdout


@pytest.mark.parametrize(
    ("path", "markers"),
    [("gs2_more/README.md", "<!-- diff: begin -->"), ("README.md", "<!-- steps: end -->")],
)
def test_missing_markers_are_named_with_their_file(lessons, path, markers):
    lessons.write(path, text_of(lessons, path).replace(markers, ""))
    done = lessons.call("lessons")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{lessons.root / path} needs the two lines <!-- ")
    assert markers in done.stderr
    assert done.stderr.endswith(" -->: what stands between them is generated.\n")


def test_a_missing_lesson_is_named(lessons):
    (lessons.root / "gs2_more" / "README.md").unlink()
    assert lessons.call("lessons").stderr.startswith(f"{lessons.root}/gs2_more/README.md needs the two lines")


@pytest.mark.parametrize("line", ["# gs1 ·", "*Reading: 10 minutes", "*You learn:"])
def test_a_lesson_has_to_begin_as_agreed(lessons, line):
    readme = text_of(lessons, "gs1_basic/README.md").replace(line, "?")
    file = lessons.write("gs1_basic/README.md", readme)
    done = lessons.call("lessons")
    assert done.returncode == 2
    assert done.stderr == (
        f"{file} has to begin with the lines `# gs1 · …`, "
        "`*Reading: N minutes · building: N minutes.*` and `*You learn: ….*`.\n"
    )


def test_the_lessons_of_this_workbook_are_up_to_date(book):
    done = book.finish([book.programs / "python3", "-m", "workbook", "lessons", "--check"], {}, cwd=ROOT)
    assert done.returncode == 0, f"stale: run make lessons\n{done.stdout}{done.stderr}"


def test_a_long_diff_is_folded():
    short, long = "+x\n" * LONGEST_DIFF, "+x\n" * (LONGEST_DIFF + 1)
    assert folded(short) == f"```diff\n{short}```"
    assert folded(long).startswith(f"<details><summary>The difference to the step before, {LONGEST_DIFF + 1} lines<")
    assert f"\n\n```diff\n{long}```\n\n</details>" in folded(long)
