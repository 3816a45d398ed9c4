"""make gsN carry: takes an edit of a step through the later ones, by a three-way merge from step to step."""

import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

from workbook.diff import is_binary, renamed, renamed_path
from workbook.repository import Repository, Stored, now, store
from workbook.speech import spell
from workbook.steps import ABOUT_IT, steps_after


def carry(call):
    """Carry what changed in call.step since a revision (HEAD). Returns 1 if a file needs a hand, else 0.

    The paths are those changed in call.step. What a later step changed in them by itself is kept, and goes on
    to the steps after it as well.
    """
    repository = Repository(call.root, call.options["since"] or "HEAD")
    later = steps_after(call.root, call.step)
    paths = [path for path in repository.changed_in(call.step.folder) if path not in ABOUT_IT]
    if not later or not paths:
        print(f"Nothing to carry: {call.step.name} " + ("is the last step." if not later else "has not changed."))
        return 0
    troubles = []
    for step, following in pairwise([call.step, *later]):
        paths = [target for path in paths if (target := carry_file(repository, step, following, path, troubles))]
    print(f"Then: {spell('lessons')}")
    return 1 if troubles else 0


def carry_file(repository, step, following, path, troubles):
    """Carry one file of step into following. Returns its path there, or None if it goes no further.

    What needs a hand is printed and added to troubles.
    """
    target = renamed_path(path, step.name, following.name)
    base = adapted(repository.then(step.folder / path), step.name, following.name)
    theirs = adapted(now(step.folder / path), step.name, following.name)
    ours = now(following.folder / target)
    merged, trouble = merge(base, ours, theirs, step.name, following.name)
    shown = f"{following.folder.name}/{target.as_posix()}"
    if merged != ours:
        store(following.folder / target, merged)
        print(f"{shown}{'' if merged else ': deleted'}")
    if trouble:
        troubles.append(shown)
        print(f"{shown}: {trouble}, needs a hand")
        return None
    if ours is None and base is not None and theirs is not None:
        print(f"{shown}: left out, {following.name} has no such file")
        return None
    return target


def adapted(stored, name, following_name):
    """Return a stored file (or None) with the project's name replaced."""
    return stored and stored._replace(content=renamed(stored.content, name, following_name))


def merge(base, ours, theirs, name, following_name):
    """Return what ours becomes when the change from base to theirs is made in it, and what is wrong then.

    Each is a Stored, or None where there is no such file. The second value is "" if all is well.
    """
    if ours in (base, theirs) or theirs == base:
        return (ours if theirs == base else theirs), ""
    if ours is None:
        return None, ""
    if theirs is None:
        return ours, f"deleted in {name}, but different here"
    if is_binary(ours.content) or is_binary(theirs.content):
        return ours, "binary, and different here"
    if has_markers(ours.content) or has_markers(theirs.content):
        return ours, "has conflict markers"
    content, is_clean = merge_text(base.content if base else b"", ours.content, theirs.content, name, following_name)
    is_executable = ours.is_executable if base and theirs.is_executable == base.is_executable else theirs.is_executable
    return Stored(content, is_executable), "" if is_clean else "conflict, marked in the file"


def has_markers(content):
    """Return whether a merge has left something to decide in content."""
    return b"<<<<<<< " in content and b">>>>>>> " in content


def merge_text(base, ours, theirs, name, following_name):
    """Let git merge three contents. Returns the merged content, and whether it is without conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, label) for label in ("ours", "base", "theirs")]
        for file, content in zip(files, (ours, base, theirs), strict=True):
            file.write_bytes(content)
        labels = ["-L", following_name, "-L", f"{name} before", "-L", name]
        merged = subprocess.run(["git", "merge-file", "-p", *labels, *map(str, files)], capture_output=True)
    return merged.stdout, merged.returncode == 0
