"""SQLite files that are migrated once and copied then: `migrate` takes most of a second, a copy nothing.

The environment variable WORKBOOK_MIGRATED names the folder in which they are kept, for this process and those that it
starts. Without it nothing is kept. A file is known by what it was made from: the project's migrations and settings, and
Django, whose own apps have migrations too.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import django

try:
    import fcntl
except ImportError:  # On Windows one process makes all checks.
    fcntl = None

FOLDER = "WORKBOOK_MIGRATED"
MOST = 20  # files that a folder keeps: each save of other settings makes a new one


@contextlib.contextmanager
def keeping_in(folder):
    """Let this process and those that it starts meanwhile keep theirs in `folder`."""
    os.environ[FOLDER] = str(folder)
    try:
        yield
    finally:
        del os.environ[FOLDER]


def kept_file(project):
    """Return where the project's file is kept, or will be; None where nothing is."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return None
    digest = hashlib.sha256(django.__version__.encode())
    settings = {path.parent for path in project.glob("*/settings.py")}
    for path in sorted({*project.rglob("migrations/*.py"), *(path for each in settings for path in each.glob("*.py"))}):
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes())
    return Path(folder) / digest.hexdigest()


def copy_to(project, file):
    """Copy the project's migrated file to `file`; return whether there was one."""
    kept = kept_file(project)
    if kept is None:
        return False
    try:
        shutil.copyfile(kept, file)
    except FileNotFoundError:
        return False
    if not is_sound(file):
        for each in (kept, file):
            each.unlink(missing_ok=True)
        return False
    # It is what is used that stays, not what is new.
    with contextlib.suppress(FileNotFoundError):
        os.utime(kept)
    return True


def is_sound(file):
    """Return whether a file is a whole database: after a power cut it may be empty, or hold anything."""
    if not file.stat().st_size:
        return False
    with contextlib.closing(sqlite3.connect(file)) as database, contextlib.suppress(sqlite3.DatabaseError):
        return database.execute("PRAGMA quick_check").fetchone() == ("ok",)
    return False


@contextlib.contextmanager
def one_at_a_time(project):
    """Wait for the others that make the project's file just now: there is one to copy then."""
    kept = kept_file(project)
    if kept is None or fcntl is None:
        yield
        return
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(project, file):
    """Keep `file`, which has just been migrated, for the next who needs one."""
    kept = kept_file(project)
    if kept is None or kept.exists():
        return
    # Others may keep theirs at the same time.
    ours = kept.with_suffix(f".{os.getpid()}")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(ours)) as target:
        # With what stands in its WAL only: somebody may still have it open.
        source.backup(target)
    ours.replace(kept)
    forget_the_oldest(kept.parent)


def forget_the_oldest(folder):
    """Leave only so many files in the folder as MOST says."""
    # Another process may do the same, and on Windows what is open cannot go.
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-MOST]:
            path.unlink()
