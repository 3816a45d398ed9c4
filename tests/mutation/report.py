"""What came of the runs: kept as data in results/, and shown in notes/mutation.md, which `make lessons` writes."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.mutation import equivalents
from tests.mutation.mutants import in_a_line
from workbook.steps import all_steps

RESULTS = Path(__file__).parent / "results"
PAGE = "notes/mutation.md"
LATE = "time-out"  # what has found a mutant that did not come to an end
LAST_WAYS = {".py": "services", ".js": "browser"}
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

which ends with an error when a mutant lives that is not listed. A mutant meets the checks that come by the edit, by the
statement or, in a script, by the block; what is edited outside of functions meets all. Where checks wait, for a server
or a browser, and wherever something takes too long, a busy machine can be the reason: there a mutant counts as dead
only if the step as it is passes the same check right after, and the mutant fails again.

## The figures

Dead by the first check that failed: in process, on the wire, with services (Redis, PostgreSQL, a browser, servers that
a check starts for itself), or, for the pages' scripts, in the browser. *Late* are those of the dead that did not come
to an end. *Open* are survivors that were not yet tried in every way: `make gs2 mutate ARGS=--alive` goes on with them.
"20 of 100" mutants: a sample, evenly spread. A file that is missing here was not measured yet. Each is measured with
the checks of the step that brings it; the pages' scripts also with those of the next step, if they are the same there:
in gs1 nothing answers, and half of its page's script comes to life in gs2.
"""
TABLE = """\
| Step | File | Mutants | in process | on the wire | with services | in the browser | late | alive | open | equivalent |
| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |"""
# The survivors that are told one by one, by their state.
HEADINGS = {
    "alive": "## Alive\n\nNo check notices these yet.\n",
    "equivalent": "## Equivalent\n\nThese change nothing that is promised. The reason stands first.\n",
}
STATES = ("alive", "open", "equivalent")


@dataclass(frozen=True)
class Survivor:
    """A mutant that lived; way: the last one in which it was checked."""

    path: str
    operator: str
    line: int
    old: str
    new: str
    way: str


def place_of(mutant):
    """Return what tells a mutant, or a Survivor, from all others of its step."""
    return mutant.path, mutant.line, mutant.old, mutant.new


@dataclass
class Result:
    """What came of the mutants of one file.

    of: the hash of the file that they were made of. made: how many there are; fewer were run when it is a sample.
    dead: how many were found in each way; late: how many of those did not come to an end.
    """

    date: str
    of: str
    made: int
    late: int = 0
    dead: dict = field(default_factory=dict)
    survivors: list = field(default_factory=list)

    @property
    def run(self):
        """Return how many mutants were run."""
        return sum(self.dead.values()) + len(self.survivors)

    def add(self, mutant, way, what):
        """Take in what came of a mutant: the last way it was checked in, and what has found it there, "" if nothing."""
        if what:
            self.dead[way] = self.dead.get(way, 0) + 1
            self.late += what == LATE
        else:
            self.survivors.append(Survivor(mutant.path, mutant.operator, mutant.line, mutant.old, mutant.new, way))


def fingerprint(step, path):
    """Return a hash of a step's file; "" if it is gone."""
    file = step.folder / path
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.exists() else ""


def read(step, folder=RESULTS):
    """Return {file: the kept Result} of the step of that name."""
    file = folder / f"{step}.json"
    data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {
        path: Result(**each | {"survivors": [Survivor(path, **survivor) for survivor in each["survivors"]]})
        for path, each in data.items()
    }


def write(step, results, folder=RESULTS):
    """Keep {file: Result} of the step of that name."""
    data = {
        path: vars(result) | {"survivors": list(map(as_data, result.survivors))} for path, result in results.items()
    }
    text = json.dumps(dict(sorted(data.items())), indent=1, ensure_ascii=False)
    folder.mkdir(exist_ok=True)
    (folder / f"{step}.json").write_text(text + "\n", encoding="utf-8")


def as_data(survivor):
    """Return a Survivor as plain data; its file is the key under which it stands."""
    return {name: value for name, value in vars(survivor).items() if name != "path"}


def page(root):
    """Return the text of the note, from the results and the list in the workbook at root."""
    folder = root / "tests/mutation"
    shown = [
        (step, results, equivalents.read(step.name, folder / equivalents.FILE.name))
        for step in all_steps(root)
        if (results := read(step.name, folder / RESULTS.name))
    ]
    rows = [row for each in shown for row in rows_of(*each)]
    parts = [line for state in HEADINGS for line in part(state, shown)]
    return "\n".join([HEAD, TABLE, *rows, "", *remarks(shown), *parts])


def rows_of(step, results, known):
    """Yield the rows of a step's files, and of their sum."""
    total = Counter()
    for path, result in results.items():
        counts = {"made": result.made, "run": result.run, **result.dead, "late": result.late}
        counts |= Counter(state_of(each, known) for each in result.survivors)
        total.update(counts)
        yield row(step.name, f"`{path}`", counts)
    yield row(f"**{step.name}**", "**all of these**", total)


def row(step, file, counts):
    """Return a row of the table."""
    run = f"{counts['run']}" if counts["run"] == counts["made"] else f"{counts['run']} of {counts['made']}"
    figures = [str(counts.get(name) or "") for name in (*COLUMNS, "late", *STATES)]
    return f"| {' | '.join([step, file, run, *figures])} |"


def remarks(shown):
    """Yield the lines on when a step was measured, and what has changed since."""
    for step, results, _ in shown:
        dates = sorted({result.date for result in results.values()})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        changed = [f"`{path}`" for path, result in results.items() if result.of != fingerprint(step, path)]
        since = f"; changed since then: {', '.join(changed)}" if changed else ""
        yield f"- {step.name}: {when}{since}."
    yield ""


def part(state, shown):
    """Yield the lines on the survivors in this state, step by step; equivalent ones under their reasons."""
    yield HEADINGS[state]
    is_empty = True
    for step, results, known in shown:
        by_reason = {}
        for each in (each for result in results.values() for each in result.survivors):
            if state_of(each, known) == state:
                entry = equivalents.about(each, known)
                by_reason.setdefault(f"{entry.reason}\n\n" if entry else "", []).append(each)
        if by_reason:
            is_empty = False
            yield f"### {step.name}\n"
        for reason, survivors in by_reason.items():
            first, *lines = lines_on(survivors)
            yield from (f"{reason}{first}", *lines, "")
    if is_empty:
        yield "None.\n"


def state_of(survivor, known):
    """Return "equivalent" if it is listed, "alive" if it lives in every way, "open" if it was not yet checked so."""
    if equivalents.about(survivor, known):
        return "equivalent"
    return "alive" if survivor.way == LAST_WAYS[Path(survivor.path).suffix] else "open"


def lines_on(survivors):
    """Yield the lines on mutants, those of one line of a file together."""
    for where, same in groupby(survivors, key=lambda each: (each.path, each.line, each.old)):
        path, number, old = where
        yield f"- `{path}`, line {number}: {code(old)}"
        yield from (f"  - {code(each.new) or '*nothing*'}" for each in same)


def code(text):
    """Return a text as code in Markdown; a long one ends in …."""
    text = in_a_line(text)
    if len(text) > 160:
        text = text[:159] + "…"
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}" if text else ""
