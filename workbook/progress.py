"""make progress: all steps and tasks at a glance, from what the last checks have found."""

import time

from workbook.copies import copy_of
from workbook.keeping import fingerprint, kept_of
from workbook.lesson import material_of
from workbook.screen import SIGNS, Line, show
from workbook.speech import spell
from workbook.steps import all_steps
from workbook.verdict import OPEN, PASSED


def progress(call):
    """Print a line for each step. Nothing is checked for it."""
    rows = [row(call.root, step) for step in all_steps(call.root)]
    width = max(len(name) for name, _, _ in rows)
    signs_width = max(len(signs) for _, signs, _ in rows)
    show(Line(f"{name:<{width}}  {signs:<{signs_width}}  {words}".rstrip()) for name, signs, words in rows)
    return 0


def row(root, step):
    """Return (the step's folder, a sign for each task, where she stands in words)."""
    material, copy = material_of(step), copy_of(root, step)
    if material is None:
        return step.folder.name, "", "to be read and run"
    if not copy.folder.is_dir():
        return step.folder.name, "·" * len(material.tasks), f"not begun: {spell('start', step.name)}"
    checked = kept_of(root, step).get("checked")
    if not checked:
        return step.folder.name, "·" * len(material.tasks), f"not checked yet: {spell('check', step.name)}"
    results = {number: checked["results"].get(str(number), OPEN) for number in material.tasks}
    signs = "".join(SIGNS[result][0] for result in results.values())
    stale = "" if checked["fingerprint"] == fingerprint(copy) else ", changed since"
    return step.folder.name, signs, f"{standing(material, results)}  (checked {ago(checked['at'])}{stale})"


def standing(material, results):
    """Return in words which task is next."""
    number = next((number for number, result in results.items() if result != PASSED), None)
    return f"task {number}: {material.tasks[number].title}" if number else "done"


def ago(then):
    """Return in words how long ago the Unix time `then` was."""
    minutes = int((time.time() - then) / 60)
    if minutes < 60:
        return f"{minutes} min ago" if minutes else "just now"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days ago"
