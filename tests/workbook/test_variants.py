"""Right, but different: every correct solution passes, however it is written."""

import tomllib

import pytest

from tests.mistakes.catalogue import Edit
from tests.support.proof import ROOT, STEPS, told
from workbook.verdict import CORE, REST, WIRE

pytestmark = pytest.mark.proof


def read_variants():
    """Yield (step, variant) of the whole shelf."""
    for name in STEPS:
        file = ROOT / f"tests/variants/{name}.toml"
        if file.exists():
            for variant in tomllib.loads(file.read_text(encoding="utf-8"))["variant"]:
                yield pytest.param(name, variant, id=f"{name} {variant['name']}")


def make(variant, folder):
    """Make the variant of the finished step's copy in `folder`."""
    for old, new in variant.get("renames", ()):
        (folder / old).rename(folder / new)
    for edit in variant["edits"]:
        Edit(*edit).apply(folder)


@pytest.mark.parametrize(("name", "variant"), list(read_variants()))
@pytest.mark.timeout(300)
def test_a_right_solution_passes(finished, ask, name, variant):
    copy = finished(name)
    make(variant, copy.folder)
    verdict = ask(copy, [CORE, REST])
    assert verdict.is_right, told(verdict)
    ask(copy, [WIRE], list(verdict.tasks), verdict=verdict)
    assert verdict.is_right, told(verdict)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_variants(name):
    assert (ROOT / f"tests/variants/{name}.toml").exists(), "a step without right but different solutions"
