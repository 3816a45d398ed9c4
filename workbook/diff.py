"""make gsN diff: what a step changes against the one before, the project's own name taken out of it."""

import difflib
import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from workbook.speech import wants_colour
from workbook.steps import files_of, project_name, step_before

COLOURS = {"---": "1", "+++": "1", "@@": "36", "-": "31", "+": "32"}


@dataclass(frozen=True)
class Change:
    """One file's change. kind: "new", "deleted" or "changed"; lines: its unified diff, one line if binary."""

    path: Path
    kind: str
    lines: tuple[str, ...]

    @property
    def added(self):
        """Return the number of lines that came."""
        return sum(line.startswith("+") for line in self.lines[2:])

    @property
    def removed(self):
        """Return the number of lines that went."""
        return sum(line.startswith("-") for line in self.lines[2:])


def diff(call):
    """Print what call.step changes. Returns 0, whether or not there is a change."""
    before = step_before(call.root, call.step)
    if not before:
        print(f"{call.step.name} is the first step: there is none before it to compare with.")
        return 0
    found = changes(before.folder, call.step.folder)
    text = as_text(found)
    print(coloured(text) if wants_colour() else text, end="")
    print(f"{before.name} → {call.step.name}: {summary(found)}")
    return 0


def diff_text(before, after):
    """Return the unified diff from the step in folder before to the one in after; "" if they are the same."""
    return as_text(changes(before, after))


def as_text(found):
    """Return the diff of several changes."""
    return "".join(line for change in found for line in change.lines)


def changes(before, after):
    """Return a Change for each file that differs between the steps in the two folders, sorted by path."""
    old_name, new_name = project_name(before), project_name(after)
    top = os.path.commonpath([before.parent, after.parent])
    old, new = contents(before, old_name, new_name), contents(after)
    found = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            old_path = before.relative_to(top) / renamed_path(path, new_name, old_name)
            new_path = after.relative_to(top) / path
            kind = "new" if path not in old else "deleted" if path not in new else "changed"
            lines = diff_lines(kind, old_path, new_path, old.get(path, b""), new.get(path, b""))
            found.append(Change(path, kind, tuple(lines)))
    return found


def contents(folder, old_name="", new_name=""):
    """Return what is in each file of a step, by path; in both, old_name becomes new_name."""
    return {
        renamed_path(path, old_name, new_name): renamed((folder / path).read_bytes(), old_name, new_name)
        for path in files_of(folder)
    }


def renamed_path(path, old_name, new_name):
    """Return path with the word old_name replaced."""
    return Path(renamed(path.as_posix().encode(), old_name, new_name).decode())


def renamed(content, old_name, new_name):
    """Return text, as bytes, with the word old_name replaced: in gs1.asgi, not in gs1_basic."""
    if old_name == new_name or is_binary(content):
        return content
    return re.sub(rf"\b{old_name}\b".encode(), new_name.encode(), content)


def is_binary(content):
    """Return whether bytes are something else than text in UTF-8."""
    try:
        return "\0" in content.decode()
    except UnicodeDecodeError:
        return True


def diff_lines(kind, old_path, new_path, old, new):
    """Return the lines, each with its end, of the unified diff between two contents."""
    if is_binary(old) or is_binary(new):
        return [f"Binary file {old_path if kind == 'deleted' else new_path}: {kind}\n"]
    old_label = "/dev/null" if kind == "new" else old_path.as_posix()
    new_label = "/dev/null" if kind == "deleted" else new_path.as_posix()
    lines = list(difflib.unified_diff(text_lines(old), text_lines(new), old_label, new_label))
    # An empty file has no lines to differ in, but that it came or went is worth its two.
    lines = lines or [f"--- {old_label}\n", f"+++ {new_label}\n"]
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]


def text_lines(content):
    """Return the lines of bytes of text; unlike str.splitlines, split at line feeds alone."""
    return list(io.StringIO(content.decode()))


def coloured(text):
    """Return a unified diff in the colours of a terminal."""
    return "".join(coloured_line(line) for line in text.splitlines(keepends=True))


def coloured_line(line):
    """Return one line of a diff in its colour."""
    for beginning, colour in COLOURS.items():
        if line.startswith(beginning):
            return f"\033[{colour}m{line.rstrip()}\033[0m\n"
    return line


def summary(found):
    """Return the counts of several changes in words."""
    kinds = Counter(change.kind for change in found)
    files = ", ".join(f"{kinds[kind]} {kind}" for kind in ("changed", "new", "deleted"))
    added, removed = sum(change.added for change in found), sum(change.removed for change in found)
    return f"files {files}; lines +{added} -{removed}"
