"""`make gs1 carry`: an edit of a step goes through the later ones, by a three-way merge from step to step."""

import shutil
import subprocess

import pytest

from tests.workbook.conftest import Workbook

VIEWS = "".join(f"line {number}\n" for number in range(1, 30))
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.example",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.example"}  # fmt: skip
FOLDERS = {"gs1": "gs1_basic", "gs2": "gs2_middle", "gs3": "gs3_last"}


class Kept:
    """A workbook of three steps in a git repository; gs2 and gs3 each have a line of their own at the end."""

    def __init__(self, book):
        self.book = book
        book.env |= GIT

    def begin(self):
        """Make the steps, and let git keep them. Returns itself."""
        for number, (name, folder) in enumerate(FOLDERS.items(), 1):
            own = "".join(f"own of gs{own}\n" for own in range(2, number + 1))
            settings = f'CONF = "{name}.urls"\n'
            self.book.add_step(folder, **{"app/views.py": VIEWS + own, f"{name}/settings.py": settings})
            self.book.write(f"{folder}/app/logo.png", b"\0gs1")
        self.git("init", "--quiet", "--template=")
        self.commit()
        return self

    def git(self, *words):
        subprocess.run(["git", *words], cwd=self.book.root, env=self.book.env, check=True, capture_output=True)

    def commit(self):
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "x")

    def path(self, step, name):
        return self.book.root / FOLDERS[step] / name

    def edit(self, step, old, new, name="app/views.py"):
        file = self.path(step, name)
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def text(self, step, name="app/views.py"):
        return self.path(step, name).read_text()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The workbook of Kept, made once: each test has a copy."""
    if not shutil.which("git"):
        pytest.skip("needs git")
    return Kept(Workbook(tmp_path_factory.mktemp("kept"))).begin().book.root


@pytest.fixture
def kept(book, original):
    book.root = shutil.copytree(original, book.root.with_name("a kept workbook"), symlinks=True)
    return Kept(book)


def test_an_edit_goes_through_all_later_steps(kept):
    kept.edit("gs1", "line 3\n", "line three of gs1\n")
    done = kept.book.call("gs1", "carry")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("gs2_middle/app/views.py\ngs3_last/app/views.py\nThen: python -m workbook lessons\n")
    assert kept.text("gs2") == VIEWS.replace("line 3\n", "line three of gs2\n") + "own of gs2\n"
    assert kept.text("gs3") == VIEWS.replace("line 3\n", "line three of gs3\n") + "own of gs2\nown of gs3\n"


def test_from_a_middle_step_only_the_later_ones_change(kept):
    kept.edit("gs2", "line 3\n", "three\n")
    assert kept.book.call("gs2", "carry").returncode == 0
    assert "line 3\n" in kept.text("gs1")
    assert "three\n" in kept.text("gs3")


def test_the_projects_folder_is_carried_into_the_renamed_one(kept):
    kept.edit("gs1", "CONF", "# new\nCONF", "gs1/settings.py")
    kept.book.call("gs1", "carry")
    assert kept.text("gs3", "gs3/settings.py") == '# new\nCONF = "gs3.urls"\n'


def test_a_second_call_changes_nothing_more(kept):
    kept.edit("gs1", "line 3\n", "three\n")
    kept.book.call("gs1", "carry")
    done = kept.book.call("gs1", "carry")
    assert (done.returncode, done.stdout) == (0, "Then: python -m workbook lessons\n")


def test_a_later_steps_own_edits_are_kept(kept):
    kept.edit("gs1", "line 3\n", "three\n")
    kept.edit("gs2", "line 20\n", "twenty\n")
    kept.edit("gs3", "own of gs3\n", "mine\n")
    kept.edit("gs2", "CONF", "# not carried\nCONF", "gs2/settings.py")
    assert kept.book.call("gs1", "carry").returncode == 0
    assert "three\n" in kept.text("gs2")
    assert "twenty\n" in kept.text("gs2")
    assert "three\n" in kept.text("gs3")
    assert "mine\n" in kept.text("gs3")
    assert "# not carried" not in kept.text("gs3", "gs3/settings.py")


def test_a_conflict_is_marked_reported_and_goes_no_further(kept):
    kept.edit("gs2", "line 3\n", "three of the lesson\n")
    kept.commit()
    kept.edit("gs1", "line 3\n", "three\n")
    kept.edit("gs1", "CONF", "# new\nCONF", "gs1/settings.py")
    done = kept.book.call("gs1", "carry")
    assert done.returncode == 1
    assert "gs2_middle/app/views.py: conflict, marked in the file, needs a hand\n" in done.stdout
    assert "gs3_last/app/views.py" not in done.stdout
    assert "gs3_last/gs3/settings.py\n" in done.stdout
    assert "<<<<<<< gs2\nthree of the lesson\n=======\nthree\n>>>>>>> gs1\n" in kept.text("gs2")
    assert "three" not in kept.text("gs3")

    marked = kept.text("gs2")
    again = kept.book.call("gs1", "carry")
    assert again.returncode == 1
    assert "gs2_middle/app/views.py: has conflict markers, needs a hand\n" in again.stdout
    assert kept.text("gs2") == marked


def test_a_new_file_is_copied_with_its_mode_and_the_new_name(kept):
    new = kept.path("gs1", "app/new/tool.py")
    new.parent.mkdir()
    new.write_text("import gs1\n")
    new.chmod(0o755)
    kept.path("gs1", "db.sqlite3").write_text("ignored")
    assert kept.book.call("gs1", "carry").returncode == 0
    copied = kept.path("gs3", "app/new/tool.py")
    assert copied.read_text() == "import gs3\n"
    assert copied.stat().st_mode & 0o777 == 0o755
    assert not kept.path("gs2", "db.sqlite3").exists()


def test_a_changed_mode_is_carried(kept):
    kept.path("gs1", "manage.py").chmod(0o755)
    kept.book.call("gs1", "carry")
    assert kept.path("gs3", "manage.py").stat().st_mode & 0o111 == 0o111


def test_a_new_file_that_is_there_in_another_form_is_a_conflict(kept):
    kept.path("gs1", "new.py").write_text("one\n")
    kept.path("gs2", "new.py").write_text("two\n")
    done = kept.book.call("gs1", "carry")
    assert done.returncode == 1
    assert "gs2_middle/new.py: conflict" in done.stdout


def test_a_deletion_is_carried_where_the_file_is_the_same(kept):
    kept.path("gs1", "gs1/settings.py").unlink()
    done = kept.book.call("gs1", "carry")
    assert done.returncode == 0
    assert "gs3_last/gs3/settings.py: deleted\n" in done.stdout
    assert not kept.path("gs2", "gs2/settings.py").exists()


def test_a_deletion_is_reported_where_the_file_is_different(kept):
    kept.path("gs1", "app/views.py").unlink()
    done = kept.book.call("gs1", "carry")
    assert done.returncode == 1
    assert "gs2_middle/app/views.py: deleted in gs1, but different here, needs a hand\n" in done.stdout
    assert kept.text("gs2").endswith("own of gs2\n")


def test_an_edit_of_a_file_that_a_later_step_does_not_have_is_left_out(kept):
    kept.path("gs2", "app/views.py").unlink()
    kept.commit()
    kept.edit("gs1", "line 3\n", "three\n")
    done = kept.book.call("gs1", "carry")
    assert done.returncode == 0
    assert "gs2_middle/app/views.py: left out, gs2 has no such file\n" in done.stdout
    assert not kept.path("gs2", "app/views.py").exists()
    assert "three" not in kept.text("gs3")


def test_a_binary_file_is_copied_where_it_was_the_same_else_reported(kept):
    kept.path("gs3", "app/logo.png").write_bytes(b"\0mine")
    kept.path("gs1", "app/logo.png").write_bytes(b"\0new gs1")
    done = kept.book.call("gs1", "carry")
    assert done.returncode == 1
    assert kept.path("gs2", "app/logo.png").read_bytes() == b"\0new gs1"
    assert kept.path("gs3", "app/logo.png").read_bytes() == b"\0mine"
    assert "gs3_last/app/logo.png: binary, and different here, needs a hand\n" in done.stdout


def test_the_lesson_is_never_carried(kept):
    kept.path("gs1", "README.md").write_text("new")
    done = kept.book.call("gs1", "carry")
    assert (done.returncode, done.stdout) == (0, "Nothing to carry: gs1 has not changed.\n")


def test_after_the_last_step_there_is_nothing(kept):
    done = kept.book.call("gs3", "carry")
    assert (done.returncode, done.stdout) == (0, "Nothing to carry: gs3 is the last step.\n")


@pytest.mark.parametrize("way", ["option", "variable"])
def test_an_older_base_can_be_named(kept, way):
    kept.edit("gs1", "line 3\n", "three\n")
    kept.commit()
    assert kept.book.call("gs1", "carry").stdout.startswith("Nothing to carry")
    if way == "option":
        kept.book.call("gs1", "carry", "--since", "HEAD~1")
    else:
        kept.book.call("gs1", "carry", SINCE="HEAD~1")
    assert "three\n" in kept.text("gs3")


def test_an_unknown_revision(kept):
    done = kept.book.call("gs1", "carry", "--since", "nosuch")
    assert (done.returncode, done.stderr) == (2, "git knows no revision 'nosuch' here.\n")


def test_without_a_repository(steps):
    done = steps.call("gs1", "carry", GIT_CEILING_DIRECTORIES=str(steps.root.parent))
    assert done.returncode == 2
    assert done.stderr == f"carry compares with what git has kept, and {steps.root} is in no git repository.\n"


def test_without_git(steps):
    (steps.programs / "git").unlink(missing_ok=True)
    done = steps.call("gs1", "carry")
    assert (done.returncode, done.stderr) == (2, "carry needs git, and there is none on the PATH.\n")
