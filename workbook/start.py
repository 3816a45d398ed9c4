"""make gsN start, and make gsN reset: a copy of the step to build on, as far as the step before had come."""

from workbook.copies import copy_of, last_aside, make_copy, put_aside, shown
from workbook.lesson import material_of, task_text
from workbook.speech import Refusal, spell, wrapped
from workbook.steps import step_before


def start(call):
    """Make the learner's copy of call.step, if there is none, and say how to begin. Raises Refusal."""
    copy = copy_of(call.root, call.step)
    if copy.folder.exists():
        print(f"You have {shown(call.root, copy.folder)} already, and it stays as it is.")
        print(f"  {spell('watch', call.step.name)}  goes on with it")
        print(f"  {spell('reset', call.step.name)}  puts it aside, and begins again")
        return 0
    begin(call)
    return 0


def reset(call):
    """Put the learner's copy of call.step aside and begin again, or bring the last one back. Raises Refusal."""
    copy = copy_of(call.root, call.step)
    if call.options["back"]:
        return bring_back(call, copy)
    before_from(call)
    if not copy.folder.exists():
        begin(call)
        return 0
    aside = put_aside(call.root, copy)
    begin(call)
    print(f"\nYour work until now is in {shown(call.root, aside)}.")
    print(f"The way back: {spell('reset', call.step.name, back=True)}")
    return 0


def bring_back(call, copy):
    """Let the copy that was put aside last and the one that is there change places. Raises Refusal."""
    aside = last_aside(copy)
    if aside is None:
        raise Refusal(f"Nothing of {shown(call.root, copy.folder)} was put aside.")
    if copy.folder.exists():
        print(f"What was there is in {shown(call.root, put_aside(call.root, copy))} now.")
    aside.rename(copy.folder)
    print(f"{shown(call.root, aside)} is {shown(call.root, copy.folder)} again.")
    print(f"Go on with it: {spell('watch', call.step.name)}")
    return 0


def before_from(call):
    """Return the learner's own copy of the step before if FROM=mine was said, else None. Raises Refusal."""
    source = call.options["from"]
    if source is None:
        return None
    if source != "mine":
        raise Refusal(f"FROM is mine, or it is left out; {source!r} is neither.")
    before = step_before(call.root, call.step)
    if before is None:
        raise Refusal(f"{call.step.name} is the first step: there is nothing of yours before it.")
    mine = copy_of(call.root, before)
    if not mine.folder.is_dir():
        raise Refusal(
            f"You have no {shown(call.root, mine.folder)}. Without FROM=mine, the finished {before.name} is taken."
        )
    return mine


def begin(call):
    """Make the copy, and print what to open, the first task, and the next command. Raises Refusal."""
    mine = before_from(call)
    copy = make_copy(call.root, call.step, mine)
    material = material_of(call.step)
    print(f"{shown(call.root, copy.folder)} is there: {where_from(call, mine)}")
    print("\nYours to write:")
    for path in material.hers:
        print(f"  {shown(call.root, copy.folder / path)}{'' if (copy.folder / path).exists() else '  (a new file)'}")
    print(f"\nThe lesson: {call.step.folder.name}/README.md")
    print(f"Task 1 of {len(material.tasks)}: {material.tasks[1].title}")
    if text := task_text(call.step, 1):
        print(wrapped(text, "  "))
    print(f"\nNext: {spell('watch', call.step.name)}  (it checks each time that you save)")


def where_from(call, mine):
    """Return in words what the copy was made from."""
    before = step_before(call.root, call.step)
    if before is None:
        return "a Django project that knows no WebSocket yet."
    whose = f"your own {before.name}" if mine else f"the finished {before.name}"
    return f"{whose}, and all of {call.step.name} that is not its lesson."
