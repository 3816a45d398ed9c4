"""A step that is just begun: it loads and can be served, and each of its tasks fails."""

import subprocess
import sys

import pytest

from tests.support.proof import ROOT, STEPS
from tests.support.server import Server, own_environment
from workbook.copies import starting_point, write_files
from workbook.lesson import material_of
from workbook.steps import Step
from workbook.verdict import CORE, REST, SLOW, WIRE

each_step = pytest.mark.parametrize("name", STEPS)

pytestmark = pytest.mark.proof


@pytest.fixture
def begun(tmp_path):
    """A function that returns the starting point of a step, as a Step."""

    def begun(name):
        folder = tmp_path / STEPS[name].folder.name
        write_files(folder, starting_point(ROOT, STEPS[name]))
        return Step(folder)

    return begun


@each_step
@pytest.mark.timeout(120)
def test_each_task_fails_at_the_starting_point(begun, ask, checker, monkeypatch, name):
    # What fails takes longer than what passes.
    monkeypatch.setattr(checker, "parts", 2)
    copy = begun(name)
    verdict = ask(copy, [CORE, REST], is_proof=True)
    assert verdict.broken is None, f"the starting point does not load: {verdict.broken}"
    for level in (WIRE, SLOW):
        if left := [number for number in verdict.tasks if number not in verdict.failures]:
            ask(copy, [level], left, is_proof=True, verdict=verdict)
    assert {*verdict.failures} - {None} == {*material_of(STEPS[name]).tasks}


@each_step
def test_the_starting_point_is_an_ordinary_project(begun, name):
    copy = begun(name)
    for arguments in (["check"], ["migrate", "--verbosity=0"]):
        done = subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *arguments],
            cwd=copy.folder,
            env=own_environment(),
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with Server(copy.folder, "runserver") as server:
        assert server.get("/")[0] == 200
