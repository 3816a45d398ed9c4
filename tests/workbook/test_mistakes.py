"""The catalogue of mistakes: it is whole, it applies, and each wrong program is told by its name and by no other.

What takes long is a proof: `pytest --proof -m proof`, or `make prove`.
"""

import concurrent.futures
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.mistakes import diagnose
from tests.mistakes.catalogue import NoLongerApplies, Program, read_mistakes, read_nameless
from tests.mistakes.clues import Clues
from tests.mistakes.golden import GOLDEN, told
from tests.mistakes.proving import ROOT, STEPS, begun, copy_of, evidence_of, first_failure
from tests.mistakes.recognisers import RECOGNISERS
from tests.support.evidence import START_LIMIT, evidence_of_startup
from workbook.lessons import page_of_mistakes

MISTAKES = read_mistakes()
PROGRAMS = [program for mistake in MISTAKES.values() for program in mistake.programs]
NAMELESS = read_nameless()
AT_A_TIME = 2 * (os.cpu_count() or 2)  # most of them wait most of the time


def test_each_mistake_is_told_and_recognised():
    recognised = {name for name, mistake in MISTAKES.items() if mistake.sentence}
    assert recognised == set(RECOGNISERS)
    for mistake in MISTAKES.values():
        assert bool(mistake.sentence) == bool(mistake.programs) or mistake.is_seen_outside, mistake.id
        assert mistake.mend, mistake.id
        assert mistake.browser or mistake.terminal, mistake.id


def test_a_check_that_catches_is_there():
    text = "".join(file.read_text(encoding="utf-8") for file in (Path(__file__).parents[1] / "steps").glob("test_*.py"))
    for program in PROGRAMS:
        assert program.check == "start" or f"def {program.check}(" in text, f"{program}: {program.check}"


def test_each_wrong_program_applies(tmp_path):
    """If this fails, a finished step has changed: bring the edits of these programs in the catalogue up to date."""
    faults = [fault for program in [*PROGRAMS, *NAMELESS] for fault in faults_of(program, tmp_path / str(program))]
    assert not faults, "\n".join(faults)


def faults_of(program, folder):
    """Yield why the program is none. What it edits is copied into `folder` first."""
    for path in {edit.path for edit in program.edits if edit.old}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STEPS[program.step].folder / path, folder / path)
    try:
        program.apply(folder)
        for file in {edit.path for edit in program.edits if edit.path.endswith(".py") and program.check != "start"}:
            compile((folder / file).read_text(encoding="utf-8"), file, "exec")
    except (NoLongerApplies, SyntaxError) as fault:
        yield f"{program}: {fault}"


def test_an_edit_that_no_longer_applies_says_so(tmp_path):
    copy = copy_of("gs1", tmp_path)
    program = next(program for program in PROGRAMS if program.step == "gs1" and program.edits[0].old)
    program.apply(copy)
    with pytest.raises(NoLongerApplies, match="holds 0 times, not once"):
        program.apply(copy)


@pytest.fixture(scope="session")
def evidence(request):
    """A function from a program, or a starting point's step, to its evidence; all that were chosen are made at once."""
    folder = tempfile.TemporaryDirectory(prefix="channels-workbook-")
    with folder, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as executor:
        futures = {}

        def make(subject):
            own = Path(tempfile.mkdtemp(dir=folder.name))
            if isinstance(subject, Program):
                return evidence_of(subject, own)
            return first_failure(subject, begun(subject, own), own)

        for item in request.session.items:
            subject = item.callspec.params.get("subject") if hasattr(item, "callspec") else None
            if subject is not None and item.get_closest_marker("proof") and subject not in futures:
                futures[subject] = executor.submit(make, subject)
        yield lambda subject: futures[subject].result()
        for future in futures.values():
            future.cancel()


@pytest.mark.busy
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("subject", PROGRAMS, ids=str)
def test_a_wrong_program_is_caught_and_named(evidence, subject):
    """It fails at the check that is named, and gets its own name and no other, in the words of the golden file."""
    found = evidence(subject)
    assert found is not None, "no check caught it"
    assert (found["check"] or "start") == subject.check
    names = [name for name in RECOGNISERS if RECOGNISERS[name](Clues(found)) is not None]
    assert names == [subject.mistake]
    assert told(subject, found) == GOLDEN.get(str(subject)), "write it anew: python -m tests.mistakes.golden"


@pytest.mark.busy
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("subject", NAMELESS, ids=str)
def test_what_is_unfinished_or_unlisted_gets_no_name(evidence, subject):
    """It fails, and nobody says why: naming the wrong mistake is worse than naming none."""
    found = evidence(subject)
    assert found is not None, "no check caught it"
    assert [diagnosis.id for diagnosis in diagnose(found)] == []


@pytest.mark.busy
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("subject", STEPS)
def test_a_starting_point_gets_no_name(evidence, subject):
    """Whoever has not begun has made no mistake."""
    found = evidence(subject)
    assert found is not None, "the starting point passes"
    assert [diagnosis.id for diagnosis in diagnose(found)] == []


# The last step has all that the others have; that they start too, each of their checks on the wire shows.
*OTHERS, LAST = STEPS


@pytest.mark.parametrize("step", [LAST, *(pytest.param(step, marks=pytest.mark.proof) for step in OTHERS)])
def test_a_finished_step_starts(step):
    assert evidence_of_startup(STEPS[step].folder, step) is None


HANGS = "import time\nwhile True: time.sleep(1)\n"
FLOOD = "print('x' * 10_000_000)\nraise SystemExit(3)\n"
BROKEN = {
    "syntax": ("app/consumers.py", "def broken(:\n", "SyntaxError", "app/consumers.py"),
    "settings": ("{step}/settings.py", "import nowhere_at_all\n", "ModuleNotFoundError", "{step}/settings.py"),
    "loop": ("app/consumers.py", HANGS, "after 4 s it was still loading (asgi)", "app/consumers.py"),
    "flood": ("{step}/settings.py", FLOOD, "SystemExit", "{step}/settings.py"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_project_that_does_not_start_is_told_with_its_line(tmp_path, kind):
    path, text, words, file = (part.format(step="gs2") if "{" in part else part for part in BROKEN[kind])
    copy = copy_of("gs2", tmp_path)
    (copy / path).write_text(text, encoding="utf-8")
    found = evidence_of_startup(copy, "gs2", limit=4 if kind == "loop" else START_LIMIT)
    assert found["promise"] == "The project starts."
    assert words in found["message"]
    assert (found["frame"]["file"], found["frame"]["line"] in (1, 2)) == (file, True)


def test_the_readers_page_is_up_to_date():
    """If this fails: make lessons."""
    ((path, text),) = page_of_mistakes(ROOT)
    assert path.read_text(encoding="utf-8") == text


def test_no_name_stands_twice():
    ids = re.findall(r"^id = \"(.+)\"$", "".join(file.read_text() for file in CATALOGUE_FILES), re.MULTILINE)
    assert len(ids) == len(set(ids)) == len(MISTAKES)


CATALOGUE_FILES = sorted((Path(__file__).parents[1] / "mistakes/catalogue").glob("*.toml"))
