"""make gsN hint: for the first failing task, one level more each time: where to look, what is missing, the lines."""

from workbook.check import judge
from workbook.copies import copy_of, existing_copy, shown
from workbook.keeping import fingerprint, keep, kept_of
from workbook.lesson import finished_lines, material_of, task_text
from workbook.screen import Line, entry, paragraph, show
from workbook.speech import spell

LEVELS = 3


def hint(call):
    """Print the hints for the first task that fails, one more than the last time. Raises Refusal."""
    copy = existing_copy(call.root, call.step)
    checked = last_check(call.root, call.step, copy)
    show(hint_lines(call.root, call.step, checked["first"], checked["is_broken"], checked.get("promise")))
    return 0


def hint_lines(root, step, number, is_broken=False, promise=None):
    """Return the lines of the next hint for a task, in a copy that may not even load.

    `number` is None if no task has failed; `promise` is then what has failed beside them, if anything has.
    """
    if is_broken:
        return [Line("Your project does not load. What stops it, and where:"), Line(f"  {spell('check', step.name)}")]
    if number is None and promise:
        words = [Line("What has failed belongs to no task, and has no hint. Promised is:"), *paragraph(promise, "  ")]
        return [*words, Line(f"What came, and where: {spell('check', step.name)}")]
    if number is None:
        return [Line("No task has failed."), Line(f"What there is to do: {spell('check', step.name)}")]
    kept = kept_of(root, step)
    hints = kept.setdefault("hints", {})
    level = hints[str(number)] = min(hints.get(str(number), 0) + 1, LEVELS)
    keep(root, step, kept)
    return [*lines_up_to(step, number, level), Line(), next_line(root, step, level)]


def last_check(root, step, copy):
    """Return what is kept of the last check, after a new one if the copy has changed since. Raises Refusal."""
    checked = kept_of(root, step).get("checked")
    if not checked or checked["fingerprint"] != fingerprint(copy):
        judge(root, step, copy, is_quick=True)
        checked = kept_of(root, step)["checked"]
        if checked["promise"] is None and not checked["is_broken"]:
            judge(root, step, copy)
            checked = kept_of(root, step)["checked"]
    return checked


def lines_up_to(step, number, level):
    """Yield the lines of a task's hints, up to and including level."""
    task = material_of(step).tasks[number]
    yield Line(f"Task {number} · {task.title}", "bold")
    yield from paragraph(task_text(step, number), "  ")
    yield Line()
    yield from entry("Look", task.look)
    if level >= 2:
        yield from entry("Missing", task.missing)
    if level >= 3:
        for place in task.lines:
            file, begin, lines = finished_lines(step, place)
            yield Line()
            yield Line(f"  {step.folder.name}/{file}, line {begin}", "dim")
            for line in lines:
                yield Line(f"    {line}".rstrip())


def next_line(root, step, level):
    """Return the line that says what comes next."""
    if level < LEVELS:
        more = {1: "what is missing", 2: "the lines"}[level]
        return Line(f"More: {spell('hint', step.name)}  ({more})", "bold")
    folder = shown(root, copy_of(root, step).folder)
    return Line(f"These are all hints. Write it in {folder}, then: {spell('check', step.name)}", "bold")
