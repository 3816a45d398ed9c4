"""SQLite files that are migrated once and copied then: `migrate` takes most of a second, a copy nothing.

The environment variable WORKBOOK_MIGRATED names the folder in which they are kept, for this process and those that it
starts. Without it nothing is kept. A file is known by what it was made from: the project's migrations and settings.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

FOLDER = "WORKBOOK_MIGRATED"


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
    digest = hashlib.sha256()
    settings = {path.parent for path in project.glob("*/settings.py")}
    for path in sorted({*project.rglob("migrations/*.py"), *(path for each in settings for path in each.glob("*.py"))}):
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes())
    return Path(folder) / digest.hexdigest()


def copy_to(project, file):
    """Copy the project's migrated file to `file`; return whether there was one."""
    kept = kept_file(project)
    if kept is None or not kept.exists():
        return False
    shutil.copyfile(kept, file)
    return True


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
