"""Which checks reach which statements of a step: a check that never comes by a statement cannot notice an edit in it.

A copy of the step is marked: before each statement in a function stands a line that tells where it is. Servers load
the copy, too, and so they tell as well. What is edited outside of functions is for all checks.
"""

import ast
import contextlib
from dataclasses import dataclass

from tests.mutation.mutants import NOT_THESE

MODULE = "reached"
# It is loaded by the copy, wherever that runs. A check that comes by again tells nothing new.
TELLER = """\
import os

TOLD = set()


def here(statement):
    with open({now!r}) as now:
        line = f"{{now.read()}}\\t{{statement}}\\n"
    if line not in TOLD:
        TOLD.add(line)
        file = os.open({told!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)
"""


@dataclass(frozen=True)
class Statement:
    """A statement in a function: its file in the step's folder, and its first and last line, from 1."""

    path: str
    first: int
    last: int

    def __str__(self):
        return f"{self.path}:{self.first}"


class Chart:
    """What is known of one way of checking. Let the checks be made in a `marking`; then `checks_for` knows."""

    def __init__(self, folder):
        """Files go into `folder`. now: the file for the id of the check that is made, empty while the project loads."""
        self.now, self.told = folder / "now", folder / "told"
        self.statements = {}
        self.reached = {}

    @contextlib.contextmanager
    def marking(self, copy):
        """While in here each statement of the copy tells when it is reached; then take in what they have told."""
        self.now.write_text("")
        self.told.write_text("")
        texts = {path: path.read_text(encoding="utf-8") for path in python_of(copy)}
        teller = copy.folder / f"{MODULE}.py"
        teller.write_text(TELLER.format(now=str(self.now), told=str(self.told)), encoding="utf-8")
        try:
            for file, text in texts.items():
                path = file.relative_to(copy.folder).as_posix()
                self.statements[path] = statements_in(path, text)
                file.write_text(marked(text, self.statements[path]), encoding="utf-8")
            yield
        finally:
            for file, text in texts.items():
                file.write_text(text, encoding="utf-8")
            teller.unlink()
        for line in self.told.read_text(encoding="utf-8").splitlines():
            check, _, statement = line.partition("\t")
            self.reached.setdefault(statement, set()).add(check)

    def checks_for(self, mutant):
        """Return the ids of the checks that come by the edit of a mutant; None for all of them."""
        last = mutant.line + mutant.old.count("\n")
        around = [each for each in self.statements[mutant.path] if each.first <= mutant.line <= last <= each.last]
        if not around:
            return None
        checks = self.reached.get(str(max(around, key=lambda each: each.first)), set())
        # What is reached while the project loads may matter later to every check.
        return None if "" in checks else sorted(checks)


def python_of(copy):
    """Return the paths of what is mutated in a copy, and runs in Python."""
    files = [(file, file.relative_to(copy.folder).as_posix()) for file in sorted(copy.folder.rglob("*.py"))]
    return [file for file, path in files if not any(part in path for part in NOT_THESE)]


def statements_in(path, text):
    """Return each Statement of the functions in the text of a file, those within others too."""
    found = set()
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            found.update(Statement(path, first_line(each), each.end_lineno) for each in within(function))
    lines = text.split("\n")
    return [each for each in found if can_be_marked(lines[each.first - 1])]


def within(function):
    """Yield the statements of a function, at whatever depth, without its docstring."""
    for node in ast.walk(function):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and node is not function and not is_docstring:
            yield node


def first_line(statement):
    """Return the number of the line on which a statement begins, with its decorators."""
    return min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])


def can_be_marked(line):
    """Return whether a line of its own can stand before the statement that begins on this line."""
    return not line.lstrip().startswith("elif ")


def marked(text, statements):
    """Return the text with a line before each of these statements."""
    lines = text.split("\n")
    for each in sorted(statements, key=lambda each: each.first, reverse=True):
        at = each.first - 1
        space = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines.insert(at, f"{space}__import__({MODULE!r}).here({str(each)!r})")
    return "\n".join(lines)
