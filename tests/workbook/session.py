"""A newcomer's path through a step, really gone, and written down in README.md.

`python -m tests.workbook.session [gs2 …]` plays the sessions in tests/sessions (all, or those of these steps) in a
workbook of their own, and writes what was shown between their markers in README.md. It takes a minute or two, and
needs all that the checks need: make, a browser, Redis. A chapter of a session has

title    its name
words    what there is to say before (Markdown)
written  her files that are from here on as the finished step has them, but for the edits
edits    what she writes, as replacements in her copy as it is: file, old, new
shows    places in her copy, as in a lesson.toml, that are shown; without it the difference is
run      the verbs that she calls then
open     whether it is open before anybody clicks
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.mistakes.catalogue import Edit
from tests.workbook.conftest import ROOT, Workbook
from workbook.copies import copy_of, shown
from workbook.diff import contents, diff_lines
from workbook.lesson import finished_lines
from workbook.lessons import filled
from workbook.steps import all_steps

README = ROOT / "README.md"
FOLDER = ROOT / "tests/sessions"
NAMES = [file.stem for file in sorted(FOLDER.glob("*.toml"))]
PATIENCE = 300  # seconds after which a call of the command is given up
# What differs from run to run.
RANDOM = [
    (re.compile(r" +\d+\.\d\d s "), "  N s "),
    (re.compile(r"\(\d+ earlier lines"), "(N earlier lines"),
    (re.compile(r"room-[0-9a-f]{8}"), "room-…"),
    (re.compile(r"""("from": ")\w+"""), r"\1…"),
]
TIMELINE = re.compile(r"(?:^  N s .*\n)+", re.MULTILINE)


@dataclass(frozen=True)
class Chapter:
    """One attempt of hers, and the calls after it."""

    title: str
    run: list[str]
    words: str = ""
    written: tuple[str, ...] = ()
    edits: tuple[tuple[str, str, str], ...] = ()
    shows: tuple[str, ...] = ()
    open: bool = False


def chapters_of(name):
    """Return the chapters of the session with the step of that name."""
    data = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return [Chapter(**chapter) for chapter in data["chapter"]]


def play(name, folder, with_last_check=True):
    """Play the session with the step of that name in a workbook in `folder`. Returns it as Markdown, and her copy."""
    book = workbook_in(folder)
    step = next(step for step in all_steps(book.root) if step.name == name)
    chapters = chapters_of(name)
    if not with_last_check:
        chapters[-1].run.remove("check")
    return "\n\n".join(in_markdown(chapter, book, step) for chapter in chapters), copy_of(book.root, step)


def workbook_in(folder):
    """Make a workbook in `folder` with all finished steps, ready to be called. Returns it."""
    book = Workbook(folder)
    for step in all_steps(ROOT):
        book.add_real_step(step.folder.name)
    (book.root / "tests").symlink_to(ROOT / "tests")
    book.make_ready()
    return book


def in_markdown(chapter, book, step):
    """Let her write, and call the command. Returns what is told of it."""
    copy = copy_of(book.root, step)
    before = contents(copy.folder) if copy.folder.exists() else {}
    write(chapter, step, copy)
    parts = [chapter.words] if chapter.words else []
    if chapter.shows:
        parts += [place_in(copy, book.root, place) for place in chapter.shows]
    elif chapter.edits:
        parts.append(difference(copy, book.root, before))
    parts += [printed(book, f"make {step.name} {verb}") for verb in chapter.run]
    body = "\n\n".join(parts)
    return f"<details{' open' if chapter.open else ''}><summary>{chapter.title}</summary>\n\n{body}\n\n</details>"


def write(chapter, step, copy):
    """Write into her copy what she writes. Raises NoLongerApplies."""
    for path in chapter.written:
        (copy.folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(step.folder / path, copy.folder / path)
    for edit in chapter.edits:
        Edit(*edit).apply(copy.folder)


def place_in(copy, root, place):
    """Return the lines of a place in her copy."""
    file, number, lines = finished_lines(copy, place)
    code = "\n".join(lines)
    return f"`{shown(root, copy.folder / file)}`, line {number}:\n\n```python\n{code}\n```"


def difference(copy, root, before):
    """Return what has become different in her copy; before: its contents until now."""
    lines = []
    for path, content in contents(copy.folder).items():
        if content != before.get(path):
            name = Path(shown(root, copy.folder / path))
            lines += diff_lines("changed" if path in before else "new", name, name, before.get(path, b""), content)
    return f"```diff\n{''.join(lines)}```"


def printed(book, call):
    """Call the command. Returns the call and what was printed."""
    env = {"PATH": f"{book.programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80"}
    done = subprocess.run(
        call.split(),
        cwd=book.root,
        env={**os.environ, **book.env, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # On stderr make says in its own words that a check has failed: "make: *** [Makefile:23: gs2] Error 1". What the
    # command says there is a refusal, and belongs into no session.
    refused = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert not refused, "\n".join(refused)
    return f"```text\n$ {call}\n{done.stdout.strip()}\n```"


def normal(text):
    """Return a session without what differs from run to run."""
    for pattern, word in RANDOM:
        text = pattern.sub(word, text)
    # A sync consumer has a thread of its own: who is first to tell what happens in one moment differs, too.
    return TIMELINE.sub(lambda lines: "".join(sorted(lines[0].splitlines(keepends=True))), text)


def written_down(name):
    """Return the session with the step of that name as README.md has it."""
    begin, end = (f"<!-- session {name}: {edge} -->\n" for edge in ("begin", "end"))
    return README.read_text(encoding="utf-8").partition(begin)[2].partition(f"\n{end}")[0]


def main(names):
    """Play sessions, and write them into README.md."""
    for name in names or NAMES:
        with tempfile.TemporaryDirectory(prefix="channels-workbook-") as folder:
            text = filled(README, f"session {name}", play(name, Path(folder))[0])
        README.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.workbook.session", description="play sessions, for README.md"
    )
    parser.add_argument("steps", nargs="*", choices=[*NAMES, []], help="whose sessions; all, if none is named")
    main(parser.parse_args().steps)
