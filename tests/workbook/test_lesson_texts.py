"""The lessons say what the files say."""

import importlib
import re

import pytest

from tests.support.server import ROOT
from tests.tasks import TASKS
from workbook.steps import all_steps, files_of

STEPS = all_steps(ROOT)
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(step.readme for step in STEPS),
    *ROOT.glob("notes/*.md"),
]
HEADINGS = [
    "What you will build",
    "What is new",
    "Walk through it",
    "See it on the wire",
    "Build it yourself",
    "Break it on purpose",
    "Questions",
    "Out of scope",
    "Go deeper",
]
WORDS_A_MINUTE = 150  # slow, because there is code to read

each_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)


def check_modules():
    """Import and return all modules with checks of steps."""
    return [importlib.import_module(f"tests.steps.{path.stem}") for path in ROOT.glob("tests/steps/test_*.py")]


def section(step, heading):
    """Return the text of one section of a lesson."""
    text = step.readme.read_text(encoding="utf-8")
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]


@each_step
def test_every_lesson_has_the_same_headings(step):
    assert re.findall(r"^## (.+)$", step.readme.read_text(encoding="utf-8"), re.MULTILINE) == HEADINGS


@each_step
def test_the_tasks_of_a_lesson_are_those_of_the_checks(step):
    tasks = re.findall(r"^### (\d+)\. (.+)$", section(step, "Build it yourself"), re.MULTILINE)
    assert tasks == [(str(number), task.title) for number, task in TASKS[step.name].items()]


@each_step
def test_code_in_the_walk_is_code_of_the_step(step):
    code = "\n".join(
        (step.folder / path).read_text(encoding="utf-8") for path in files_of(step.folder) if path.suffix == ".py"
    )
    quotes = re.findall(r"```python\n(.*?)```", section(step, "Walk through it"), re.DOTALL)
    assert quotes
    for quote in quotes:
        assert quote in code, f"no file of {step.name} holds\n{quote}"


@each_step
def test_the_minutes_for_reading_come_from_the_number_of_words(step):
    # The diff, and the cells of a table of figures, are looked up rather than read.
    text = re.sub(
        r"<!-- diff: begin -->.*<!-- diff: end -->|^\|[^\n]*\d \|$",
        "",
        step.readme.read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    minutes = len(text.split()) / WORDS_A_MINUTE
    assert abs(step.lesson.reading - minutes) <= 1, f"{minutes:.1f} minutes at {WORDS_A_MINUTE} words a minute"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", text)
    for link in {a or b for a, b in links}:
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), f"{link} is missing"


def test_every_step_has_tasks_and_every_task_a_check(request):
    assert list(TASKS) == [step.name for step in STEPS]
    checked = set()
    for module in check_modules():
        for test in vars(module).values():
            for mark in getattr(test, "pytestmark", []) if callable(test) else []:
                if mark.name == "check":
                    checked |= {(case.step, case.number) for case in mark.args[0] if case.number}
    assert checked == {(step, number) for step, tasks in TASKS.items() for number in tasks}


@each_step
def test_every_check_has_a_sentence(step):
    for module in check_modules():
        for name, test in vars(module).items():
            if name.startswith("test_") and callable(test):
                assert (test.__doc__ or "").rstrip().endswith("."), f"{name} has no sentence for the learner"
