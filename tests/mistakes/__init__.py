"""Mistakes by name: from the evidence of a failed check to what went wrong, in words.

    from tests.mistakes import diagnose

    for mistake in diagnose(report.evidence):
        print(mistake.name, mistake.sentence, mistake.mend, mistake.note)

What is said stands in catalogue/*.toml, how it is recognised in recognise_*.py. What is not listed gets no name.
"""

from dataclasses import dataclass

from tests.mistakes.catalogue import fill, read_mistakes
from tests.mistakes.clues import Clues
from tests.mistakes.recognisers import RECOGNISERS

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that was recognised: `sentence` names it in this project's words, `note` is its place on the page."""

    id: str
    name: str
    sentence: str
    mend: str
    apart: str
    note: str


def diagnose(evidence):
    """Return a Diagnosis for each listed mistake that the evidence of a failed check shows."""
    clues = Clues(evidence)
    mistakes = read_mistakes()
    found = [(mistakes[name], details) for name in RECOGNISERS if (details := recognised(name, clues)) is not None]
    return [
        Diagnosis(
            mistake.id,
            mistake.title,
            fill(mistake.sentence, details),
            fill(mistake.mend, details),
            mistake.apart if len(found) > 1 else "",
            mistake.note,
        )
        for mistake, details in found
    ]


def recognised(name, clues):
    """Return the details with which the recogniser of that mistake answers, or None."""
    try:
        return RECOGNISERS[name](clues)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError):
        # Code that nobody has foreseen is looked at: the failure itself is told all the same, only without a name.
        return None
