"""What came of the runs: kept as data in results/, and shown in notes/mutation.md, which `make lessons` writes."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation import equivalents
from tests.mutation.mutants import in_a_line
from workbook.keeping import fingerprint
from workbook.steps import all_steps

RESULTS = Path(__file__).parent / "results"
PAGE = "notes/mutation.md"
LATE = "time-out"  # what has found a mutant that did not come to an end
COLUMNS = ("process", "wire", "services", "browser")

HEAD = """\
<!-- Written by `make lessons` from tests/mutation/results and tests/mutation/equivalent.toml. -->

# Do the checks notice?

A check is worth something if it fails when it should. So the finished steps are mutated: a program makes one small
edit, `==` becomes `!=`, a call is left out, a text becomes another one, and the checks of the step are run. One of them
has to fail: then the mutant is dead. One that lives is a hole in the checks, or changes nothing that is promised; then
it stands here with the reason.

Mutants are made of the lines that a step changes against the step before: of its Python with the operators of
[mutmut](https://mutmut.readthedocs.io/) and three of our own, of its page's scripts with a few small ones. The figures
of a step are made, and kept, by

```console
make gs2 mutate
```

which ends with an error when a mutant lives that is not listed.

## The figures

Dead by the first check that failed: in process, on the wire, with services (Redis, PostgreSQL, a browser, servers that
a check starts for itself), or, for the pages' scripts, in the browser. *Late* are those that did not come to an end.
"""
TABLE = """\
| Step | File | Mutants | in process | on the wire | with services | in the browser | equivalent | alive |
| --- | --- | --: | --: | --: | --: | --: | --: | --: |"""


@dataclass(frozen=True)
class Survivor:
    """A mutant that lived."""

    path: str
    operator: str
    line: int
    old: str
    new: str


@dataclass
class Result:
    """What came of a step's mutants.

    dead: by file, how many were found in each way. made: how many mutants the step has; fewer were run when it is a
    sample. of: the hash of the step's files that they were made of.
    """

    step: str
    date: str
    of: str
    made: int
    late: int = 0
    dead: dict = field(default_factory=dict)
    survivors: list = field(default_factory=list)

    @property
    def run(self):
        """Return how many mutants were run."""
        return sum(sum(found.values()) for found in self.dead.values()) + len(self.survivors)

    def add(self, mutant, way, what):
        """Take in what came of a mutant: the way it was found in, and by what; way is None if it lives."""
        found = self.dead.setdefault(mutant.path, {})
        if way:
            found[way] = found.get(way, 0) + 1
            self.late += what == LATE
        else:
            self.survivors.append(Survivor(mutant.path, mutant.operator, mutant.line, mutant.old, mutant.new))


def read(step, folder=RESULTS):
    """Return the kept Result of the step of that name, or None."""
    file = folder / f"{step}.json"
    if not file.exists():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    return Result(**data | {"survivors": [Survivor(**each) for each in data["survivors"]]})


def write(result, folder=RESULTS):
    """Keep a Result."""
    data = vars(result) | {"survivors": [vars(each) for each in result.survivors]}
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (folder / f"{result.step}.json").write_text(text + "\n", encoding="utf-8")


def page(root):
    """Return the text of the note, from the results and the list in the workbook at root."""
    folder = root / "tests/mutation"
    shown = [
        (step, result, equivalents.read(step.name, folder / equivalents.FILE.name))
        for step in all_steps(root)
        if (result := read(step.name, folder / RESULTS.name))
    ]
    rows = [row for each in shown for row in rows_of(*each)]
    remarks = [remark_on(step, result) for step, result, _ in shown]
    return "\n".join([HEAD, TABLE, *rows, "", *remarks, "", *alive_part(shown), *equivalent_part(shown)])


def rows_of(step, result, known):
    """Yield the rows of a step's files, and of their sum."""
    total = Counter()
    for path, dead in sorted(result.dead.items()):
        survivors = [each for each in result.survivors if each.path == path]
        listed = sum(1 for each in survivors if equivalents.about(each, known))
        counts = {"run": sum(dead.values()) + len(survivors), **dead}
        counts |= {"equivalent": listed, "alive": len(survivors) - listed}
        total.update(counts)
        yield row("", f"`{path}`", counts)
    yield row(f"**{step.name}**", "", total)


def row(step, file, counts):
    """Return a row of the table."""
    figures = [str(counts.get(name) or "") for name in ("run", *COLUMNS, "equivalent", "alive")]
    return f"| {' | '.join([step, file, *figures])} |"


def remark_on(step, result):
    """Return the line on how a step's figures came about."""
    how = f"all {result.made} mutants" if result.run == result.made else f"{result.run} of its {result.made} mutants"
    late = f", {result.late} of the dead {'was' if result.late == 1 else 'were'} late" if result.late else ""
    changed = "" if result.of == fingerprint(step) else "; the step has changed since"
    return f"- {step.name}: {how}, {result.date}{late}{changed}."


def alive_part(shown):
    """Yield the lines on the mutants that live and are not listed."""
    lines = [
        line(step.name, each)
        for step, result, known in shown
        for each in result.survivors
        if not equivalents.about(each, known)
    ]
    yield from ("## Alive\n", "No check notices these yet.\n" if lines else "None.\n", *lines)
    if lines:
        yield ""


def equivalent_part(shown):
    """Yield the lines on the mutants that are equivalent, under their reasons."""
    yield "## Equivalent\n"
    for step, result, known in shown:
        by_reason = {}
        for each in result.survivors:
            if entry := equivalents.about(each, known):
                by_reason.setdefault(entry.reason, []).append(each)
        if by_reason:
            yield f"### {step.name}\n"
        for reason, survivors in by_reason.items():
            yield from (f"{reason}\n", *(line("", each) for each in survivors), "")


def line(step, survivor):
    """Return the line on one mutant."""
    where = f"{step} {survivor.path}".strip()
    return f"- {where}, line {survivor.line}: {code(survivor.old)} → {code(survivor.new) or '*nothing*'}"


def code(text):
    """Return a text as code in Markdown; a long one ends in …."""
    text = in_a_line(text)
    if len(text) > 160:
        text = text[:159] + "…"
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}" if text else ""
