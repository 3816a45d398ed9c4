"""The catalogue: mistakes by name, as data. What is written about them stands in catalogue/*.toml and nowhere else.

A file of the catalogue is a section of the readers' page: title, words, and what one sees first (browser, terminal). A
mistake in it has

id, title    its name in code and in words
browser      what one sees in the browser (Markdown)
terminal     what one sees in the terminal
code         how it looks in code; `language` when it is not Python
cause        why it is so
sentence     what a learner is told; {words} in it come from the recognition
mend         what to do; for_example has the {words} in it for the readers' page
apart        what it is mistaken for, and what tells them apart
program      wrong programs: step, check (the one that catches it) and edits of the finished step; none for a mistake
             that is not made in a step's own files
"""

import functools
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "catalogue"
NAMELESS = Path(__file__).parent / "nameless.toml"
PAGE = "notes/when-it-does-not-work.md"


@dataclass(frozen=True)
class Edit:
    """One replacement in a file; `old` stands in it just once. An empty `old` makes a new file."""

    path: str
    old: str
    new: str

    def apply(self, folder):
        """Make the edit in the copy in `folder`. Raises NoLongerApplies."""
        file = folder / self.path
        if not self.old:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.new, encoding="utf-8")
            return
        text = file.read_text(encoding="utf-8")
        found = text.count(self.old)
        if found != 1:
            raise NoLongerApplies(f"{self.path} holds {found} times, not once:\n{self.old}")
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")


class NoLongerApplies(Exception):
    """The finished step has changed, so that a wrong program cannot be made from it."""


@dataclass(frozen=True)
class Program:
    """A wrong program: edits of the finished step, and the check that has to catch it.

    `check` is the name of a check, or "start" where the project does not even start; `way` is how it is caught:
    process, wire, redis or browser.
    """

    mistake: str
    number: int
    step: str
    check: str
    way: str
    edits: tuple[Edit, ...]

    def __str__(self):
        return f"{self.mistake}-{self.step}-{self.number}"

    def apply(self, folder):
        """Make the wrong program of the finished step's copy in `folder`. Raises NoLongerApplies."""
        for edit in self.edits:
            edit.apply(folder)


@dataclass(frozen=True)
class Mistake:
    """One entry of the catalogue."""

    id: str
    title: str
    section: str
    sentence: str = ""
    mend: str = ""
    browser: str = ""
    terminal: str = ""
    code: str = ""
    language: str = "python"
    cause: str = ""
    apart: str = ""
    for_example: dict = field(default_factory=dict)
    # A mistake that can be recognised, though no check of ours can make it happen: a database not migrated, say.
    is_seen_outside: bool = False
    programs: tuple[Program, ...] = ()

    @property
    def note(self):
        """Where the readers' page tells of it."""
        return f"{PAGE}#{self.id}"


@dataclass(frozen=True)
class Section:
    """A file of the catalogue, and a part of the readers' page."""

    name: str
    title: str
    browser: str
    terminal: str
    words: str
    mistakes: tuple[Mistake, ...]


def read_sections(folder=FOLDER):
    """Return the sections of the catalogue, in the order of their files."""
    return [read_section(file) for file in sorted(folder.glob("*.toml"))]


def read_section(file):
    """Return the section in the TOML file."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    common = {"section": data["title"], "language": data.get("language", "python")}
    mistakes = tuple(read_mistake(common | entry) for entry in data["mistake"])
    return Section(file.stem, data["title"], data["browser"], data["terminal"], data["words"].strip(), mistakes)


def read_mistake(entry):
    programs = []
    for program in entry.pop("program", ()):
        edits = tuple(Edit(*edit) for edit in program["edits"])
        for step in program["step"].split():
            way = program.get("way", "process")
            programs.append(Program(entry["id"], len(programs) + 1, step, program["check"], way, edits))
    texts = {name: value.strip() if isinstance(value, str) else value for name, value in entry.items()}
    return Mistake(**texts, programs=tuple(programs))


def read_nameless(file=NAMELESS):
    """Return the programs that fail and must get no name: unfinished ones, and mistakes that are not listed."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    return [
        Program(
            mistake=entry["id"],
            number=1,
            step=entry["step"],
            check=entry.get("check", ""),
            way=entry.get("way", "process"),
            edits=tuple(Edit(*edit) for edit in entry["edits"]),
        )
        for entry in data["program"]
    ]


@functools.cache
def read_mistakes(folder=FOLDER):
    """Return all mistakes of the catalogue by their ids, in its order."""
    return {mistake.id: mistake for section in read_sections(folder) for mistake in section.mistakes}


# Only a bare {word}: other braces, such as those of an event, stay as they are.
FIELD = re.compile(r"\{([a-z_]+)\}")


def fill(text, details):
    """Return `text` with its {words} filled from `details`."""
    return FIELD.sub(lambda match: str(details[match[1]]), text)
