"""Who builds a step in the order of its tasks: what she has built passes, whatever she has not built yet."""

import tomllib

import pytest

from tests.mistakes.catalogue import Edit
from tests.support.proof import ROOT, STEPS, told
from workbook.lesson import material_of
from workbook.verdict import CORE, REST, SLOW, WIRE

pytestmark = pytest.mark.proof

LEVELS = (CORE, WIRE, REST, SLOW)


def read_edits(name):
    """Return the edits that take a task out of the finished step, by its number."""
    shelf = tomllib.loads((ROOT / f"tests/in_order/{name}.toml").read_text(encoding="utf-8"))
    return {int(number): entry["edits"] for number, entry in shelf.items()}


def stages():
    """Yield (step, number of the last task that is built) for each stage before the finished step."""
    for name in STEPS:
        for number in list(material_of(STEPS[name]).tasks)[:-1]:
            yield pytest.param(name, number, id=f"{name} {number}")


def take_out(name, built, folder):
    """Take all tasks after the one with the number `built` out of the finished step in `folder`."""
    edits_of = read_edits(name)
    for number in sorted(edits_of, reverse=True):
        for file, *change in edits_of[number] if number > built else ():
            if change:
                Edit(file, *change).apply(folder)
            else:
                (folder / file).unlink()


@pytest.mark.parametrize(("name", "built"), list(stages()))
@pytest.mark.timeout(120)
def test_what_is_built_passes_before_the_rest_is(finished, ask, name, built):
    copy, following = finished(name), built + 1
    take_out(name, built, copy.folder)
    verdict = ask(copy, [CORE], list(range(1, following)))
    assert verdict.is_right, told(verdict)
    if following in read_edits(name):
        for level in LEVELS:
            if following not in verdict.failures:
                ask(copy, [level], [following], is_proof=True, verdict=verdict)
        assert list(verdict.failures) == [following], "what takes it out takes nothing out"
