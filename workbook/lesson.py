"""A step's lesson.toml: which files are the learner's to write, where they begin, its tasks and their hints."""

import ast
import re
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

TASK_TEXT = r"^### {number}\. [^\n]+\n\n(.+?)(?=^##|\Z)"


@dataclass(frozen=True)
class Task:
    """One numbered task of a lesson.

    after: the task without which this one cannot be checked. look, missing: the first two hints.
    lines: the third, as places in the finished step ("app/consumers.py:EchoConsumer.websocket_connect").
    """

    title: str
    after: int | None = None
    look: str = ""
    missing: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """Takes lines of a finished file back to what they were: those that begin with first … last become `become`."""

    file: str
    first: str
    last: str
    become: str

    def __call__(self, text):
        """Return text, edited. Raises ValueError unless just one line begins with first, and a later one with last."""
        lines = text.splitlines(keepends=True)
        begins = [number for number, line in enumerate(lines) if line.startswith(self.first)]
        if len(begins) != 1:
            raise ValueError(f"{self.file} has {len(begins)} lines that begin with {self.first!r}, not one")
        for end in range(begins[0], len(lines)):
            if lines[end].startswith(self.last):
                return "".join([*lines[: begins[0]], self.become, *lines[end + 1 :]])
        raise ValueError(f"in {self.file} no line after {self.first!r} begins with {self.last!r}")


@dataclass(frozen=True)
class Material:
    """What a lesson.toml holds. hers: paths in the step's folder."""

    hers: tuple[Path, ...]
    before: tuple[Edit, ...]
    tasks: dict[int, Task]


def material_of(step):
    """Return the Material of a finished step, or None where no lesson.toml is written yet."""
    file = step.folder / "lesson.toml"
    if not file.exists():
        return None
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    return Material(
        hers=tuple(map(Path, data["hers"])),
        before=tuple(
            Edit(edit["file"], edit["first"], edit.get("last", edit["first"]), edit.get("become", ""))
            for edit in data.get("before", ())
        ),
        tasks={
            number: Task(**{**task, "lines": tuple(task.get("lines", ()))})
            for number, task in enumerate(data["task"], 1)
        },
    )


def task_text(step, number):
    """Return what the step's lesson says of a task, as one paragraph; "" where it says nothing."""
    if not step.readme.exists():
        return ""
    pattern = re.compile(TASK_TEXT.format(number=number), re.MULTILINE | re.DOTALL)
    found = pattern.search(step.readme.read_text(encoding="utf-8"))
    # The paragraph after the last task speaks of the whole lesson.
    return " ".join(found[1].split("\n\n")[0].split()) if found else ""


def finished_lines(step, place):
    """Return (file, line number, lines) of a place in the finished step, "file:symbol" or "file:symbol..symbol".

    A symbol is a class, a function, a method (Class.method) or a name that is assigned; whatever is none of these, as
    in a file without Python, is the beginning of a line. Raises ValueError if there is no such place.
    """
    file, _, symbols = place.partition(":")
    text = (step.folder / file).read_text(encoding="utf-8")
    first, _, last = symbols.partition("..")
    find = python_lines if file.endswith(".py") and first.replace(".", "").isidentifier() else text_lines
    begin, end = find(text, first)
    if last:
        end = find(text, last)[1]
    lines = text.splitlines()[begin - 1 : end]
    return file, begin, textwrap.dedent("\n".join(lines)).splitlines()


def python_lines(text, symbol):
    """Return the first and the last line number of what defines symbol. Raises ValueError."""
    nodes = ast.parse(text).body
    for name in symbol.split("."):
        node = next((node for node in nodes if name in names_of(node)), None)
        if node is None:
            raise ValueError(f"nothing defines {symbol}")
        nodes = getattr(node, "body", [])
    decorators = getattr(node, "decorator_list", [])
    return min(each.lineno for each in [node, *decorators]), node.end_lineno


def names_of(node):
    """Return the names that a statement defines."""
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {getattr(node, "name", None)}


def text_lines(text, beginning):
    """Return the number, twice, of the line that begins so, spaces aside. Raises ValueError."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith(beginning):
            return number, number
    raise ValueError(f"no line begins with {beginning}")
