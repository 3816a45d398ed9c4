"""equivalent.toml: the mutants that live and change nothing that is promised, each with the reason.

An entry has `steps`, the `reason`, and `changes`: [file, old lines, new lines], one for each mutant, without the space
around the lines, as a run prints them.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "equivalent.toml"


@dataclass(frozen=True)
class Equivalent:
    """A mutant of a step that is equivalent, and why. Two lines that are the same to the letter count as one."""

    step: str
    path: str
    old: str
    new: str
    reason: str

    def matches(self, mutant):
        """Return whether this is about the mutant: any object with path, old and new."""
        return (self.path, self.old, self.new) == (mutant.path, mutant.old, mutant.new)

    def __str__(self):
        return f"{self.step} {self.path}: {self.old} → {self.new}"


def read(step, file=FILE):
    """Return the Equivalents of the step of that name."""
    return list(from_entries(tomllib.loads(file.read_text(encoding="utf-8")).get("equivalent", ()), step))


def from_entries(entries, step):
    """Yield the Equivalents of the step of that name in the entries of the file."""
    for entry in entries:
        if step in entry["steps"].split():
            for change in entry["changes"]:
                yield Equivalent(step, *change, entry["reason"].strip())


def about(mutant, equivalents):
    """Return the Equivalent that is about the mutant, or None."""
    return next((each for each in equivalents if each.matches(mutant)), None)


def stale(mutants, equivalents):
    """Return the equivalents that are about none of the mutants."""
    return [each for each in equivalents if not any(each.matches(mutant) for mutant in mutants)]
