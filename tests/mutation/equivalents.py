"""equivalent.toml: the mutants that live and change nothing that is promised, each with the reason.

An entry has `steps`, the `reason`, and

changes   [file, old lines, new lines], one for each mutant; lines without the space around them, as a run prints them
words     [file, old lines]: every mutant of the lines that only says something else, to people
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "equivalent.toml"


@dataclass(frozen=True)
class Equivalent:
    """One or several mutants of a step that are equivalent for one reason; `new` is None where any words will do."""

    step: str
    path: str
    old: str
    new: str | None
    reason: str

    def matches(self, mutant):
        """Return whether this is about the mutant: any object with path, old, new and operator."""
        if (self.path, self.old) != (mutant.path, mutant.old):
            return False
        return mutant.operator == "string" if self.new is None else self.new == mutant.new

    def __str__(self):
        return f"{self.step} {self.path}: {self.old} → {'(other words)' if self.new is None else self.new}"


def read(step, file=FILE):
    """Return the Equivalents of the step of that name."""
    return list(from_entries(tomllib.loads(file.read_text(encoding="utf-8")).get("equivalent", ()), step))


def from_entries(entries, step):
    """Yield the Equivalents of the step of that name in the entries of the file."""
    for entry in entries:
        if step in entry["steps"].split():
            for path, old, new in entry.get("changes", ()):
                yield Equivalent(step, path, old, new, entry["reason"].strip())
            for path, old in entry.get("words", ()):
                yield Equivalent(step, path, old, None, entry["reason"].strip())


def about(mutant, equivalents):
    """Return the Equivalent that is about the mutant, or None."""
    return next((each for each in equivalents if each.matches(mutant)), None)


def stale(mutants, equivalents):
    """Return the equivalents that are about none of the mutants."""
    return [each for each in equivalents if not any(each.matches(mutant) for mutant in mutants)]
