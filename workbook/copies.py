"""A learner's own copy of a step, in my/: making it, putting it aside, what it began with."""

import shutil
import time
from dataclasses import replace

from workbook.diff import contents
from workbook.lesson import material_of
from workbook.speech import Refusal, spell
from workbook.steps import files_of, step_before

HOME = "my"


def copy_of(root, step):
    """Return the learner's copy of a finished step, a Step too, whether or not it exists."""
    return replace(step, folder=root / HOME / step.folder.name)


def existing_copy(root, step):
    """Return the learner's copy of a finished step. Raises Refusal if it is not begun yet."""
    copy = copy_of(root, step)
    if not copy.folder.is_dir():
        raise Refusal(f"You have no {shown(root, copy.folder)} yet. Begin it: {spell('start', step.name)}")
    return copy


def shown(root, path):
    """Return a path as the learner would type it in the workbook's folder."""
    return path.relative_to(root).as_posix()


def starting_point(root, step, mine=None):
    """Return what is in each file of a copy that is just begun, as bytes by path, without writing anything.

    mine: the learner's own copy of the step before, whose files take the place of the finished ones.
    Raises Refusal for a step whose lesson.toml is not written yet.
    """
    material = material_of(step)
    if material is None:
        raise Refusal(f"{step.name} can be read and run, but not yet be built step by step: it has no lesson.toml.")
    finished = contents(step.folder)
    files = {path: content for path, content in finished.items() if path not in material.hers}
    before = step_before(root, step)
    if before is None:
        return files | at_the_beginning(material, finished)
    earlier = contents(before.folder, before.name, step.name)
    if mine is None:
        return files | {path: earlier[path] for path in material.hers if path in earlier}
    own = contents(mine.folder, before.name, step.name)
    # What this step leaves as it was is the learner's too: given files may not fit to what she has called things.
    given = {path: content for path, content in files.items() if content != earlier.get(path)}
    return own | given


def given_files(root, step):
    """Return the paths of what a copy begins with and nobody has to touch, whatever she has called her own files."""
    hers = material_of(step).hers
    before = step_before(root, step)
    earlier = set(contents(before.folder, before.name, step.name)) if before else set()
    # What an earlier step had already may be hers from there.
    python = (path for path in files_of(step.folder) if path.suffix == ".py" and path not in earlier)
    always = [
        path for path in files_of(step.folder) if path.name == "manage.py" or path.suffix in (".html", ".js", ".css")
    ]
    return sorted({*always, *python} - set(hers))


def at_the_beginning(material, finished):
    """Return the files of the first step that are hers, taken back to a project that knows no WebSocket."""
    files = {}
    for edit in material.before:
        path = next(path for path in material.hers if path.as_posix() == edit.file)
        text = files.get(path, finished[path]).decode()
        files[path] = edit(text).encode()
    return files


def make_copy(root, step, mine=None):
    """Make the learner's copy of a finished step. Returns it. Raises Refusal."""
    files = starting_point(root, step, mine)
    copy = copy_of(root, step)
    unfinished = copy.folder.with_name(f".{copy.folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        write_files(unfinished, files)
        # Only now, and at once: nobody finds half a copy.
        unfinished.rename(copy.folder)
    except OSError as error:
        raise Refusal(f"{shown(root, copy.folder)} cannot be made: {error.strerror}.", 1) from error
    return copy


def write_files(folder, files):
    """Write what is in each file, as bytes by path, into folder. Raises OSError."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def put_aside(root, copy):
    """Rename a copy to its name with the date and time. Returns the new folder. Raises Refusal."""
    stamp = time.strftime("%Y-%m-%d-%H%M")
    names = [f"{copy.folder.name}.{stamp}", *(f"{copy.folder.name}.{stamp}-{number}" for number in range(2, 100))]
    aside = next(copy.folder.with_name(name) for name in names if not copy.folder.with_name(name).exists())
    try:
        copy.folder.rename(aside)
    except OSError as error:
        raise Refusal(
            f"{shown(root, copy.folder)} cannot be put aside: {error.strerror}. Is a server still running in it?", 1
        ) from error
    return aside


def last_aside(copy):
    """Return the folder of this copy that was put aside last, or None."""
    asides = copy.folder.parent.glob(f"{copy.folder.name}.*")
    return max((folder for folder in asides if folder.is_dir()), key=lambda folder: folder.name, default=None)
