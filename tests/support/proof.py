"""Fixtures for proofs: copies of the steps, and one warm process that checks them all."""

import contextlib
import shutil
from pathlib import Path

import pytest

from workbook.checker import Checker
from workbook.lesson import material_of
from workbook.steps import Step, all_steps
from workbook.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
STEPS = {step.name: step for step in all_steps(ROOT) if material_of(step)}


@pytest.fixture(scope="session")
def checker():
    """A warm process."""
    with Checker(ROOT) as checker:
        # Proofs run side by side, and keep all cores busy by themselves.
        checker.parts = 1
        yield checker


@pytest.fixture
def finished(tmp_path):
    """A function that returns a copy of a finished step, as a Step."""

    def finished(name):
        ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*", ".*")
        step = STEPS[name]
        return Step(shutil.copytree(step.folder, tmp_path / step.folder.name, ignore=ignored))

    return finished


@pytest.fixture
def ask(checker):
    """A function that checks a copy, levels and tasks as for `Checker.ask`, and returns the Verdict."""

    def ask(copy, levels, tasks=None, is_proof=False, verdict=None):
        verdict = verdict or Verdict(material_of(STEPS[copy.name]).tasks, copy.folder)
        checker.ask(copy, levels, tasks or [*verdict.tasks, None], is_proof)
        with contextlib.closing(checker.answers()) as answers:
            for news in answers:
                verdict.hear(news, checker.printed)
        return verdict

    return ask


def told(verdict):
    """Return what a verdict has against a copy that ought to be right."""
    return verdict.broken or {
        number: (each["promise"], each["what"], each["place"]) for number, each in verdict.failures.items()
    }
