"""make test, prove, mutate and lint: the tools that do the work, called in the workbook's folder."""

import subprocess
import sys

from workbook.pythons import hand_over


def test(call):
    """Let pytest take the place of this process: the step's checks, or all."""
    step = ["--step", call.step.name] if call.step else []
    hand_over([sys.executable, "-m", "pytest", *step, *call.words], cwd=call.root)


def prove(call):
    """Let pytest take the place of this process: the proofs, and what later steps keep, which takes minutes."""
    hand_over([sys.executable, "-m", "pytest", "--proof", "-m", "proof", *call.words], cwd=call.root)


def mutate(call):
    """Let the mutation take the place of this process: the step's mutants, or all; it takes long."""
    step = [call.step.name] if call.step else []
    hand_over([sys.executable, "-m", "tests.mutation", *step, *call.words], cwd=call.root)


def lint(call):
    """Check rules and format of all Python files. Returns 0 if there is nothing to say."""
    ruff = [sys.executable, "-m", "ruff"]
    checks = ([*ruff, "check"], [*ruff, "format", "--check"])
    return max([subprocess.run(command, cwd=call.root).returncode for command in checks])
