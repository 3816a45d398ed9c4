"""What a learner is told about each wrong program, kept in golden.txt.

`python -m tests.mistakes.golden [words]` runs the wrong programs (all, or those with one of these words in their
names) and writes the file anew. Read the difference before you keep it.
"""

import concurrent.futures
import os
import re
import sys
import tempfile
from pathlib import Path

from tests.mistakes import diagnose
from tests.mistakes.catalogue import read_mistakes
from tests.mistakes.proving import evidence_of

FILE = Path(__file__).parent / "golden.txt"
HEAD = re.compile(r"^== (.+)$", re.MULTILINE)
# What differs from run to run, or with every line that a step gets.
RANDOM = [
    (re.compile(r"room-[0-9a-f]{8}"), "room-…"),
    (re.compile(r"\bline \d+"), "line N"),
    (re.compile(r"127\.0\.0\.1:(?!8000)\d+"), "127.0.0.1:PORT"),
]


def read():
    """Return what is told about each wrong program, by its name."""
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    parts = HEAD.split(text)[1:]
    return {name: words.strip() for name, words in zip(parts[::2], parts[1::2], strict=True)}


GOLDEN = read()


def told(program, evidence):
    """Return the check that caught a program and what is told about it, without what differs from run to run."""
    lines = [f"caught by {evidence['check'] or 'start'}"]
    for mistake in diagnose(evidence):
        lines += [mistake.name, mistake.sentence, mistake.mend]
    text = "\n".join(lines)
    for pattern, word in RANDOM:
        text = pattern.sub(word, text)
    return text


def write(words):
    """Run the programs and write the golden file."""
    programs = [program for mistake in read_mistakes().values() for program in mistake.programs]
    chosen = [program for program in programs if not words or any(word in str(program) for word in words)]

    def run(program):
        with tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder:
            evidence = evidence_of(program, Path(folder))
            caught_by = (evidence["check"] or "start") if evidence else "nothing"
            is_as_said = caught_by == program.check
            print(program, caught_by, "" if is_as_said else f"(correct its check: {program.check})", flush=True)
            # In here, because recognising looks at the project's files.
            return told(program, evidence) if evidence else "nothing caught it"

    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 2)) as executor:
        results = dict(zip(map(str, chosen), executor.map(run, chosen), strict=True))
    kept = GOLDEN | results
    text = "\n\n".join(f"== {program}\n{kept[str(program)]}" for program in programs if str(program) in kept)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
