"""make lessons: writes into the lessons, and the root's README.md, what can be derived from the steps."""

import re

from workbook.diff import as_text, changes
from workbook.speech import Refusal, spell
from workbook.steps import all_steps, step_before

LONGEST_DIFF = 150  # lines that a lesson shows at once


def lessons(call):
    """Bring all generated parts up to date. With option check: change nothing, return 1 if one is stale."""
    stale = {path: text for path, text in generated(call.root) if text_of(path) != text}
    for path, text in stale.items():
        if not call.options["check"]:
            path.write_text(text, encoding="utf-8", newline="\n")
        print(f"{path.relative_to(call.root)}: {'stale' if call.options['check'] else 'written'}")
    if stale and call.options["check"]:
        print(f"Bring them up to date: {spell('lessons')}")
        return 1
    if not stale:
        print("The lessons are up to date.")
    return 0


def text_of(path):
    """Return the text of the file at path, "" when there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def generated(root):
    """Yield each file that has a generated part: its path and its text as it should be. Raises Refusal."""
    for step in all_steps(root):
        before = step_before(root, step)
        if before:
            yield step.readme, filled(step.readme, "diff", diff_part(before, step))
    yield from page_of_mistakes(root)
    yield from page_of_mutation(root)
    yield root / "README.md", filled(root / "README.md", "steps", steps_table(root))


def page_of_mistakes(root):
    """Yield the page that is made from the catalogue of mistakes, where the workbook has one: its path and its text."""
    if (root / "tests/mistakes/catalogue").is_dir():
        from tests.mistakes.catalogue import PAGE
        from tests.mistakes.page import page

        yield root / PAGE, page(root / "tests/mistakes/catalogue")


def page_of_mutation(root):
    """Yield the page that is made from the kept results of the mutation, where there are any: its path and its text."""
    if (root / "tests/mutation/results").is_dir():
        from tests.mutation.report import PAGE, page

        yield root / PAGE, page(root)


def filled(path, name, part):
    """Return the file's text with part between the markers called name. Raises Refusal if there are none."""
    start, stop = place_of(path, name)
    text = text_of(path)
    return f"{text[:start]}\n{part}\n{text[stop:]}"


def filled_with(path, name):
    """Return what stands between the markers called name. Raises Refusal if there are none."""
    start, stop = place_of(path, name)
    return text_of(path)[start:stop].strip("\n")


def place_of(path, name):
    """Return where the first marker called name ends in the file's text, and where the second begins."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    found = re.search(f"{begin}(.*?){end}", text_of(path), re.DOTALL)
    if not found:
        raise Refusal(f"{path} needs the two lines {begin} and {end}: what stands between them is generated.")
    return found.span(1)


def diff_part(before, step):
    """Return the step's diff as its lesson shows it: the Python in full, other files by name and count."""
    found = changes(before.folder, step.folder)
    shown = [change for change in found if change.path.suffix == ".py" or change.path.name == "requirements.txt"]
    others = [
        f"`{change.path.as_posix()}` (+{change.added} -{change.removed})" for change in found if change not in shown
    ]
    also = f"Also changed: {', '.join(others)}. " if others else ""
    return f"{folded(as_text(shown))}\n\n{also}`make {step.name} diff` shows all."


def folded(diff):
    """Return a diff in Markdown; one that is long opens with a click, so that the lesson behind it is in sight."""
    lines = diff.count("\n")
    block = f"```diff\n{diff}```"
    if lines <= LONGEST_DIFF:
        return block
    return f"<details><summary>The difference to the step before, {lines} lines</summary>\n\n{block}\n\n</details>"


def steps_table(root):
    """Return the table of the steps in Markdown. Raises Refusal if a lesson's first lines lack something."""
    rows = ["| Step | What you learn | Minutes |", "| --- | --- | --- |"]
    for step in all_steps(root):
        lesson = step.lesson
        if not lesson:
            raise Refusal(
                f"{step.readme} has to begin with the lines `# {step.name} · …`, "
                "`*Reading: N minutes · building: N minutes.*` and `*You learn: ….*`."
            )
        name, you_learn = step.folder.name, lesson.you_learn.replace("|", r"\|")
        rows.append(f"| [{name}]({name}/) | {you_learn} | {lesson.reading + lesson.building} |")
    return "\n".join(rows)
