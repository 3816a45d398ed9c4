"""equivalent.toml: the mutants that live and change nothing that is promised, each with the reason.

An entry has `steps`, the `reason`, and one of these two, or both:

- `changes`: [file, old lines, new lines, …], each new one a mutant, without the space around the lines, as a run prints
  them. [file, old lines] is whatever is made of these lines.
- `words`: [file, text, …]: the mutants that change nothing but such a text, in whatever line: `XX` around it, all its
  letters small, or all capital. Of an f-string a text is what stands between two braces.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "equivalent.toml"


@dataclass(frozen=True)
class Equivalent:
    """A mutant of a step that is equivalent, and why. Two lines that are the same to the letter count as one.

    old, new: the lines; new is None for whatever is made of them. text: instead of both, a text whose words may change.
    """

    step: str
    path: str
    reason: str
    old: str = ""
    new: str | None = None
    text: str = ""

    def matches(self, mutant):
        """Return whether this is about the mutant: any object with path, old and new."""
        if self.path != mutant.path:
            return False
        if self.text:
            return self.text in mutant.old and self.without(mutant.old) == self.without(mutant.new)
        return self.old == mutant.old and self.new in (None, mutant.new)

    def without(self, lines):
        """Return the lines without the text, however a mutant writes it."""
        return re.sub(f"(?:XX)?{re.escape(self.text)}(?:XX)?", "", lines, flags=re.IGNORECASE)

    def __str__(self):
        what = f"the words of {self.text}" if self.text else self.old
        return f"{self.step} {self.path}: {what} → {'anything' if self.new is None else self.new}"


def read(step, file=FILE):
    """Return the Equivalents of the step of that name."""
    return list(from_entries(tomllib.loads(file.read_text(encoding="utf-8")).get("equivalent", ()), step))


def from_entries(entries, step):
    """Yield the Equivalents of the step of that name in the entries of the file."""
    for entry in entries:
        if step in entry["steps"].split():
            reason = entry["reason"].strip()
            for path, old, *news in entry.get("changes", ()):
                for new in news or [None]:
                    yield Equivalent(step, path, reason, old, new)
            for path, *texts in entry.get("words", ()):
                for text in texts:
                    yield Equivalent(step, path, reason, text=text)


def about(mutant, equivalents):
    """Return the Equivalent that is about the mutant, or None."""
    return next((each for each in equivalents if each.matches(mutant)), None)


def stale(mutants, equivalents):
    """Return the equivalents that are about none of the mutants."""
    return [each for each in equivalents if not any(each.matches(mutant) for mutant in mutants)]
