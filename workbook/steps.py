"""The steps of the workbook: the folders named gsN_…, and what the first lines of their lessons say."""

import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

FOLDER = re.compile(r"(gs([1-9]\d*))_\w+")
TITLE = re.compile(r"^# gs\d+ · (.+)$", re.MULTILINE)
MINUTES = re.compile(r"^\*Reading: (\d+) minutes · building: (\d+) minutes\.\*$", re.MULTILINE)
YOU_LEARN = re.compile(r"^\*You learn: (.+?)\.?\*$", re.MULTILINE)

# What is about a step, and no part of its project: the lesson, and what the workbench has to know of it.
ABOUT_IT = (Path("README.md"), Path("lesson.toml"))


@dataclass(frozen=True)
class Lesson:
    """What the first lines of a lesson say about its step; times in minutes."""

    title: str
    reading: int
    building: int
    you_learn: str


@dataclass(frozen=True)
class Step:
    """A finished step, known by its folder."""

    folder: Path

    @property
    def name(self):
        """Return the short name, which is the Django project's too: gs2."""
        return project_name(self.folder)

    @property
    def readme(self):
        """Return the path of the lesson."""
        return self.folder / "README.md"

    @property
    def lesson(self):
        """Return the Lesson, or None where it is not written, or begins in another way."""
        if not self.readme.exists():
            return None
        text = self.readme.read_text(encoding="utf-8")
        found = [pattern.search(text) for pattern in (TITLE, MINUTES, YOU_LEARN)]
        if not all(found):
            return None
        title, minutes, you_learn = found
        return Lesson(title[1], int(minutes[1]), int(minutes[2]), you_learn[1])

    @property
    def headline(self):
        """Return "gs2 · title", or the folder's name where there is no lesson yet."""
        return f"{self.name} · {self.lesson.title}" if self.lesson else self.folder.name


def project_name(folder):
    """Return the project's name that a step's folder, or a copy of it, begins with: gs2."""
    return folder.name.partition("_")[0]


def all_steps(root):
    """Return the steps in root, in their order."""
    found = {int(match[2]): path for path in root.iterdir() if (match := FOLDER.fullmatch(path.name))}
    return [Step(found[number]) for number in sorted(found)]


def step_before(root, step):
    """Return the step before, None for the first."""
    steps = all_steps(root)
    return steps[steps.index(step) - 1] if step != steps[0] else None


def steps_after(root, step):
    """Return the steps that follow, in their order."""
    steps = all_steps(root)
    return steps[steps.index(step) + 1 :]


def files_of(folder):
    """Return the paths, relative to a step's folder, of what belongs to its project: not its lesson, not by-products.

    By-products are hidden files and those whose name the workbook's .gitignore holds.
    """
    by_products = [".*", *ignored_names(folder)]
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(
        path
        for path in files
        if path not in ABOUT_IT and not any(fnmatch(part, pattern) for part in path.parts for pattern in by_products)
    )


def ignored_names(folder):
    """Return the patterns for names at any depth that the nearest .gitignore above folder holds."""
    for parent in folder.parents:
        gitignore = parent / ".gitignore"
        if gitignore.exists():
            lines = gitignore.read_text(encoding="utf-8").split()
            return [line.rstrip("/") for line in lines if not line.startswith(("/", "#", "!"))]
    return []
