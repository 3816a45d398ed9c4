"""Which checks come by which lines of a step: a check that never comes by an edit cannot notice it.

A copy of the step is marked: before each statement in a function of Python, and at the beginning of each block of a
script, stands a line that tells where it is. Servers load the copy, too, and so they tell as well; what a page tells
comes out of its console. What is edited elsewhere is for all checks.
"""

import ast
import contextlib
import re
from dataclasses import dataclass

from tests.mutation.mutants import NOT_THESE
from tests.mutation.scripts import blocks

MODULE = "reached"
# It is loaded by the copy, wherever that runs. A check that comes by again tells nothing new.
TELLER = """\
import os

TOLD = set()


def here(place):
    with open({now!r}) as now:
        line = f"{{now.read()}}\\t{{place}}\\n"
    if line not in TOLD:
        TOLD.add(line)
        file = os.open({told!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)
"""
MARKS = {
    ".py": f"__import__({MODULE!r}).here({{place!r}})",
    ".js": "((window.told ??= {{}})[{place!r}] ??= console.debug('reached ' + {place!r}) ?? true);",
}
FROM_A_PAGE = re.compile(r"reached (\S+:\d+)")


@dataclass(frozen=True)
class Stretch:
    """Lines that are reached together: their file in the step's folder, the first and the last one, from 1."""

    path: str
    first: int
    last: int

    def __str__(self):
        return f"{self.path}:{self.first}"


class Chart:
    """What is known of one way of checking. Let the checks be made in a `marking`; then `checks_for` knows."""

    def __init__(self, folder):
        """Files go into `folder`.

        now: the file for the id of the Python check that is made, empty while the project loads. told: the file with a
        line for each check that comes by a place.
        """
        self.now, self.told = folder / "now", folder / "told"
        self.stretches = {}
        self.reached = {}

    @contextlib.contextmanager
    def marking(self, copy):
        """While in here each place in the copy tells when it is reached; then take in what they have told."""
        self.now.write_text("")
        self.told.write_text("")
        texts = {path: path.read_text(encoding="utf-8") for path in mutated_in(copy)}
        teller = copy.folder / f"{MODULE}.py"
        teller.write_text(TELLER.format(now=str(self.now), told=str(self.told)), encoding="utf-8")
        try:
            for file, text in texts.items():
                path = file.relative_to(copy.folder).as_posix()
                self.stretches[path] = stretches_in(path, text)
                file.write_text(marked(text, self.stretches[path], MARKS[file.suffix]), encoding="utf-8")
            yield
        finally:
            for file, text in texts.items():
                file.write_text(text, encoding="utf-8")
            teller.unlink()
        for line in self.told.read_text(encoding="utf-8").splitlines():
            check, _, place = line.partition("\t")
            self.reached.setdefault(place, set()).add(check)

    def checks_for(self, mutant):
        """Return the checks that come by the edit of a mutant, as they were named; None for all of them."""
        last = mutant.line + mutant.old.count("\n")
        around = [each for each in self.stretches[mutant.path] if each.first <= mutant.line <= last <= each.last]
        if not around:
            return None
        checks = self.reached.get(str(max(around, key=lambda each: each.first)), set())
        # What is reached while the project loads may matter later to every check.
        return None if "" in checks else sorted(checks)


def mutated_in(copy):
    """Return the paths of what is mutated in a copy."""
    files = [file for suffix in MARKS for file in sorted(copy.folder.rglob(f"*{suffix}"))]
    return [file for file in files if not any(part in file.relative_to(copy.folder).as_posix() for part in NOT_THESE)]


def stretches_in(path, text):
    """Return each Stretch in the text of a file that a line can be put before."""
    if path.endswith(".js"):
        return [each for each in of_blocks(path, text) if each.first <= each.last]
    lines = text.split("\n")
    return [each for each in of_statements(path, text) if not lines[each.first - 1].lstrip().startswith("elif ")]


def of_blocks(path, text):
    """Yield the Stretch between the brackets of each block of a script, without the lines of the brackets."""
    for begin, end in blocks(text):
        yield Stretch(path, text.count("\n", 0, begin) + 2, text.count("\n", 0, end))


def of_statements(path, text):
    """Return the Stretch of each statement in the functions of a Python file, those in other ones too."""
    return {
        Stretch(path, first_line(statement), statement.end_lineno)
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in within(function)
    }


def within(function):
    """Yield the statements of a function, at whatever depth, without its docstring."""
    for node in ast.walk(function):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and node is not function and not is_docstring:
            yield node


def first_line(statement):
    """Return the number of the line on which a statement begins, with its decorators."""
    return min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])


def marked(text, stretches, mark):
    """Return the text with a line before each of these stretches."""
    lines = text.split("\n")
    for each in sorted(stretches, key=lambda each: each.first, reverse=True):
        at = each.first - 1
        space = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines.insert(at, f"{space}{mark.format(place=str(each))}")
    return "\n".join(lines)
