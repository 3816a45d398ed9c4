"""What a mutant is, and which ones a step has: those of the lines that it changes against the step before."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from workbook.diff import contents
from workbook.steps import step_before

# Not of the lesson: Django writes them.
NOT_THESE = ("manage.py", "migrations/")


@dataclass(frozen=True)
class Mutant:
    """One edit of one file of a step.

    path: the file, in the step's folder. line: the number of the first line that differs, from 1. old, new: the lines
    that differ, each without the space around it. text: the whole file, edited. operator: the name of what made it.
    """

    path: str
    operator: str
    line: int
    old: str
    new: str
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {in_a_line(self.old)} → {in_a_line(self.new) or '(nothing)'}"


def in_a_line(text):
    """Return several lines as one."""
    return " ".join(text.split("\n"))


def mutants_of(root, step):
    """Return the mutants of a step's Python and scripts, by file and line."""
    before = step_before(root, step)
    earlier = contents(before.folder, before.name, step.name) if before else {}
    found = []
    for path, content in contents(step.folder).items():
        name = path.as_posix()
        if path.suffix in (".py", ".js") and not any(part in name for part in NOT_THESE):
            text = content.decode()
            lines = changed_lines(earlier.get(path, b"").decode(), text)
            found += mutants_in(name, text, lines, edits_for(path))
    return found


def edits_for(path):
    """Return the function that yields (operator, edited text) for the text of a file of this kind and some lines.

    It may leave out what touches none of these lines.
    """
    # Imported late: what only reads the results does without libcst and mutmut.
    if path.suffix == ".py":
        from tests.mutation.python import edits
    else:
        from tests.mutation.scripts import edits
    return edits


def changed_lines(before, after):
    """Return the numbers, from 1, of the lines of `after` that are not the same in `before`."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    opcodes = matcher.get_opcodes()
    return {number + 1 for kind, *_, begin, end in opcodes if kind != "equal" for number in range(begin, end)}


def mutants_in(path, text, lines, edits):
    """Return the mutants of one file that touch one of these lines, each once, by line."""
    found = {}
    for operator, edited in edits(text, lines):
        mutant, touched = mutant_of(path, operator, text, edited)
        if touched & lines:
            found.setdefault(edited, mutant)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def mutant_of(path, operator, text, edited):
    """Return (the mutant that makes `edited` of `text`, the numbers of the lines it touches)."""
    old, new = text.split("\n"), edited.split("\n")
    begin = common(old, new)
    end = common(old[begin:][::-1], new[begin:][::-1])
    old, new = old[begin : len(old) - end], new[begin : len(new) - end]
    touched = set(range(begin + 1, begin + 1 + len(old)))
    return Mutant(path, operator, begin + 1, stripped(old), stripped(new), edited), touched


def common(one, other):
    """Return how many items two lists have in common at their beginnings."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def stripped(lines):
    """Return lines as a text, each without the space around it, and none that is empty."""
    return "\n".join(line.strip() for line in lines if line.strip())


def source_of(step, mutant):
    """Return the path of the mutant's file in the folder of a step, or of a copy."""
    return Path(step.folder, mutant.path)
