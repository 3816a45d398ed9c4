"""What a verdict looks like: one screen, 80 columns, plain signs where a console has no others."""

import os
import re
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass

from workbook.verdict import FAILED, NOT_CHECKED, OPEN, PASSED, SO_FAR

WIDTH = 80
LONGEST_TIMELINE = 9  # lines

# What becomes of what a console may not have.
PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "·": "-", "→": ">", "←": "<", "…": "...", "━": "-", "“": '"', "”": '"'}
)
SIGNS = {
    PASSED: ("✓", "green"),
    SO_FAR: ("✓", "dim green"),
    FAILED: ("✗", "bold red"),
    NOT_CHECKED: ("–", "yellow"),
    OPEN: ("·", "dim"),
}
CHATTER = re.compile(r" INFO  |- - \[")
LANES = {"client": "cyan", "consumer": "magenta", "print": "green"}


@dataclass(frozen=True)
class Line:
    """One line of the screen and its style, as rich knows it."""

    text: str = ""
    style: str = ""


def show(lines, clear=False):
    """Print lines on the terminal; clear: on an empty one."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    plain = console.legacy_windows or os.environ.get("TERM") == "dumb"
    if clear and console.is_terminal:
        console.clear()
    for line in lines:
        console.print(Text(line.text.translate(PLAIN) if plain else line.text, style=line.style))


@contextmanager
def under_way():
    """Yield a function that shows on the terminal, in one line, what goes on; the line is gone at the end.

    Where nobody watches (stderr is no terminal, or one that cannot take a line back) nothing is shown.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda text: None
        return
    with console.status("", spinner="line") as status:
        yield lambda text: status.update(text.translate(PLAIN) if console.legacy_windows else text)


# What a check has behind the project, by its way: with what the learner has by default the same may work.
BEHIND = {"redis": "Redis, as with REDIS_URL", "postgres": "PostgreSQL, as with DATABASE_URL"}


def overview(step, copy_name, verdict):
    """Return the lines with all tasks."""
    title = step.headline
    gap = max(2, WIDTH - len(title) - len(copy_name))
    yield Line(f"{title}{' ' * gap}{copy_name}", "bold")
    yield Line()
    for number, task in verdict.tasks.items():
        result = verdict.of(number)
        yield row(f"{number:>2}  {task.title}", result)
    kept = verdict.of(None)
    if kept.result in (PASSED, FAILED):
        yield row("    All else that it promises", kept)


def row(text, result):
    """Return the line of one task; it says why a task could not be checked."""
    sign, style = SIGNS[result.result]
    reason = f"  ({result.reason})" if result.reason else ""
    return Line(cut(f" {sign} {text}{reason}"), style)


def failure_lines(verdict, copy_name, diagnoses):
    """Return the lines that show the first failure in full."""
    number, failure = verdict.first_failure
    title = f"Task {number} · {verdict.tasks[number].title}" if number else "All else that it promises"
    yield Line()
    yield Line(f"✗ {title}", "bold red")
    yield from entry("Expected", failure["promise"])
    if behind := BEHIND.get((failure["evidence"] or {}).get("way")):
        yield from entry("With", behind)
    yield from entry("Happened", failure["what"])
    if busy := failure.get("busy"):
        yield from entry("Perhaps", busy)
    yield from own_line(failure["place"], copy_name)
    yield from timeline_lines(failure["timeline"])
    yield from diagnosis_lines(diagnoses)


def broken_lines(verdict, copy_name, diagnoses):
    """Return the lines that show why the project does not load."""
    yield Line()
    yield Line("✗ Your project does not load", "bold red")
    yield from entry("Happened", verdict.broken["what"])
    yield from own_line(verdict.broken["place"], copy_name)
    yield from diagnosis_lines(diagnoses)


def own_line(place, copy_name):
    """Return the lines that show a line of the learner's own code."""
    if place:
        yield from entry("Your line", f"{copy_name}/{place['file']}, line {place['line']}")
        if place.get("source"):
            yield Line(cut(f"             {place['source']}"), "bold")


def timeline_lines(entries):
    """Return the end of a timeline, which is what matters."""
    entries = [each for each in entries if not is_noise(*each[1:])]
    if not entries:
        return
    yield Line()
    left_out = len(entries) - LONGEST_TIMELINE
    if left_out > 0:
        yield Line(f"  ({left_out} earlier line{'s' if left_out > 1 else ''} left out)", "dim")
    for at, lane, text in entries[-LONGEST_TIMELINE:]:
        yield Line(cut(f"  {at:6.2f} s  {lane:<8} {text}"), LANES.get(lane, ""))


def is_noise(lane, text):
    """Return whether a line of a log tells nothing here: inside of a traceback, or what a server says of itself."""
    return lane == "log" and (not text.strip() or text.startswith((" ", "Traceback")) or bool(CHATTER.search(text)))


def diagnosis_lines(diagnoses):
    """Return the lines that name a mistake and its mend; of several, each with what tells it apart."""
    for diagnosis in diagnoses[:2]:
        yield Line()
        yield Line(cut(f"  This is: {diagnosis.name}"), "bold yellow")
        yield from paragraph(diagnosis.sentence, "  ")
        yield from entry("Mend", diagnosis.mend)
        if getattr(diagnosis, "apart", ""):
            yield from entry("Tell apart", diagnosis.apart)
        yield from entry("Read", diagnosis.note)


def entry(name, text):
    """Return the lines of a name and a text beside it."""
    for number, line in enumerate(wrap(text, WIDTH - 13)):
        yield Line(f"  {name if number == 0 else '':<10} {line}")


def paragraph(text, indent):
    """Return the lines of a text."""
    for line in wrap(text, WIDTH - len(indent)):
        yield Line(f"{indent}{line}")


def wrap(text, width):
    """Return text in lines of at most width columns."""
    return [line for part in text.splitlines() for line in textwrap.wrap(part, width, break_on_hyphens=False)] or [""]


def cut(text):
    """Return text, cut to the width of the screen; three dots say so."""
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
