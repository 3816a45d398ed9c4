"""Wrong programs are made from the finished steps and checked, each in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.support.evidence import evidence_of_startup
from workbook.copies import starting_point, write_files
from workbook.steps import all_steps

ROOT = Path(__file__).resolve().parents[2]
STEPS = {step.name: step for step in all_steps(ROOT)}
# Patient, because a busy machine is no mistake; silence is found out sooner than that, in process.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "CI": "", "WORKBOOK_PATIENCE": "12"}
LIMIT = 120  # seconds for one wrong program


def copy_of(step, folder):
    """Copy the finished step into `folder`; return the copy."""
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*")
    return shutil.copytree(STEPS[step].folder, folder / STEPS[step].folder.name, ignore=ignored)


def begun(step, folder):
    """Make, in `folder`, the copy with which a learner begins `step`."""
    copy = folder / STEPS[step].folder.name
    write_files(copy, starting_point(ROOT, STEPS[step]))
    return copy


def evidence_of(program, folder):
    """Make the wrong program in `folder` and return the evidence of its first failure; None when nothing failed."""
    copy = copy_of(program.step, folder)
    program.apply(copy)
    if program.check == "start":
        return evidence_of_startup(copy, program.step)
    return first_failure(program.step, copy, folder, program.check, program.way)


def first_failure(step, project, folder, check=None, way="process"):
    """Check a copy until something fails: all that is quick, or for another way than the process that one check."""
    chosen = "quick" if way == "process" else f"{check} {way}"
    reports = folder / "reports"
    arguments = ["--step", step, f"--project={project}", f"--report-to={reports}", "-x", "-q"]
    plugins = ["-p", "no:cacheprovider", "-p", "tests.mistakes.only"]
    with (folder / "printed").open("w") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments, *plugins, "tests/steps"],
            cwd=ROOT,
            env=os.environ | ENVIRONMENT | {"CHOSEN": chosen},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        failure = wait_for_failure(process, reports)
        if failure and way == "process":
            # A handler that never returns would keep it from ending.
            process.kill()
        status = process.wait(timeout=LIMIT)
    finally:
        process.kill()
        process.wait()
    if failure is None:
        assert status in (0, 5), (folder / "printed").read_text(encoding="utf-8")
    return failure


def wait_for_failure(process, reports):
    """Return the evidence of the first failure that a pytest process writes to `reports`; None when there is none."""
    deadline, ended, read = time.monotonic() + LIMIT, False, 0
    while not ended and time.monotonic() < deadline:
        # Asked before reading: what it wrote last is then still read.
        ended = process.poll() is not None
        lines = reports.read_text(encoding="utf-8").split("\n")[:-1] if reports.exists() else []
        for report in map(json.loads, lines[read:]):
            if report["outcome"] == "failed":
                return report["evidence"]
        read = len(lines)
        time.sleep(0.02)
    assert ended, f"after {LIMIT} s it was still running"
    return None
