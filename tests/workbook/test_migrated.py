"""The SQLite files that are migrated once and copied then."""

import contextlib
import os
import sqlite3

import pytest

from tests.support import migrated
from tests.support.migrated import FOLDER, copy_to, keep, keeping_in, one_at_a_time


@pytest.fixture
def project(tmp_path):
    """A project with settings and one migration."""
    for name in ("gs5/settings.py", "app/migrations/0001_first.py", "app/consumers.py"):
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text("first")
    return tmp_path / "project"


@pytest.fixture
def file(tmp_path):
    """A database that was just migrated, and that somebody still has open."""
    with contextlib.closing(sqlite3.connect(tmp_path / "new")) as database:
        database.executescript("PRAGMA journal_mode=WAL; CREATE TABLE it (is_here)")
        yield tmp_path / "new"


@pytest.fixture
def kept(project, file, tmp_path, monkeypatch):
    """The folder in which the project's database is kept."""
    (tmp_path / "kept").mkdir()
    monkeypatch.delenv(FOLDER, raising=False)
    with keeping_in(tmp_path / "kept"):
        keep(project, file)
        yield tmp_path / "kept"
    assert FOLDER not in os.environ


def tables_in(file):
    with contextlib.closing(sqlite3.connect(file)) as database:
        return [name for (name,) in database.execute("SELECT name FROM sqlite_master")]


def test_it_is_copied_for_the_next(project, kept, tmp_path):
    assert copy_to(project, tmp_path / "copy")
    assert tables_in(tmp_path / "copy") == ["it"]
    (project / "app/consumers.py").write_text("second")
    assert copy_to(project, tmp_path / "copy")


@pytest.mark.parametrize("name", ["gs5/settings.py", "app/migrations/0001_first.py", "app/migrations/0002_second.py"])
def test_what_it_was_made_from_has_changed(project, kept, tmp_path, name):
    (project / name).write_text("second")
    assert not copy_to(project, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_another_django_has_other_migrations(project, kept, tmp_path, monkeypatch):
    monkeypatch.setattr("django.__version__", "another")
    assert not copy_to(project, tmp_path / "copy")


def test_so_many_are_kept_as_were_used_last(project, file, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(migrated, "MOST", 2)
    settings = project / "gs5/settings.py"

    def use(text):
        settings.write_text(text)
        if not copy_to(project, tmp_path / "copy"):
            keep(project, file)
        # Files that were used within one tick of the clock would be equally old.
        for path in kept.iterdir():
            os.utime(path, (path.stat().st_mtime - 10,) * 2)

    for text in ("first", "second", "first", "third"):
        use(text)
    assert len([*kept.iterdir()]) == 2
    settings.write_text("second")
    assert not copy_to(project, tmp_path / "copy")
    settings.write_text("first")
    assert copy_to(project, tmp_path / "copy")


@pytest.mark.parametrize("broken", [lambda whole: b"", lambda whole: b"broken", lambda whole: whole[: len(whole) // 2]])
def test_what_is_broken_is_made_anew(project, file, kept, tmp_path, broken):
    """As after a power cut: otherwise a right copy would fail from then on."""
    (whole,) = kept.iterdir()
    whole.write_bytes(broken(whole.read_bytes()))
    assert not copy_to(project, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    keep(project, file)
    assert copy_to(project, tmp_path / "copy")


def test_one_makes_it_and_the_others_wait(project, kept, tmp_path):
    """So there is one to copy when it is their turn."""
    fcntl = pytest.importorskip("fcntl")

    def is_free():
        with next(kept.glob("*.lock")).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with one_at_a_time(project):
        assert not is_free()
    assert is_free()


def test_the_first_one_stays(project, file, kept, tmp_path):
    """Others may be copying it."""
    keep(project, tmp_path / "another")
    assert copy_to(project, tmp_path / "copy")
    assert tables_in(tmp_path / "copy") == ["it"]
    assert len([*kept.iterdir()]) == 1


def test_without_a_folder_nothing_is_kept(project, file, tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    with one_at_a_time(project):
        keep(project, file)
    assert not copy_to(project, tmp_path / "copy")
