"""make, and make gsN: what there is, and what can be done with it."""

from workbook.copies import copy_of, shown
from workbook.lesson import material_of
from workbook.speech import spell
from workbook.steps import all_steps, steps_after
from workbook.verbs import verbs_of

READ_FIRST = ("app/consumers.py", "app/routing.py")


def about(call):
    """Print what the step is, what to read first, what can be done with it, and the next step."""
    step, lesson = call.step, call.step.lesson
    print(step.headline)
    if lesson:
        print(f"Reading: {lesson.reading} minutes · building: {lesson.building} minutes.")
        print(f"You learn: {lesson.you_learn}.")
    print("\nRead first:")
    for name in (step.readme.name, *READ_FIRST):
        if (step.folder / name).exists():
            print(f"  {step.folder.name}/{name}")
    print(f"\n{standing(call.root, step)}")
    print("\nWith it:")
    print_verbs(verbs_of("step").values(), step.name)
    following = steps_after(call.root, step)
    print(f"\nNext: {spell('about', following[0].name)}" if following else "\nThis is the last step.")
    return 0


def standing(root, step):
    """Return in words where the learner is with a step, and how she goes on."""
    if material_of(step) is None:
        return f"Run it: {spell('run', step.name)}"
    copy = copy_of(root, step)
    if not copy.folder.is_dir():
        return f"Build it yourself: {spell('start', step.name)}"
    return f"Your own is in {shown(root, copy.folder)}. Go on: {spell('watch', step.name)}"


def help_page(call):
    """Print the steps and all that the command can do."""
    steps = all_steps(call.root)
    print("A workbook for Django Channels. The steps:")
    for step in steps:
        print(f"  {step.folder.name:<24} {step.lesson.title if step.lesson else ''}".rstrip())
    print("\nWith a step:")
    print_verbs(verbs_of("step").values(), steps[0].name)
    print("\nWith the whole:")
    print_verbs(verbs_of("whole").values())
    return 0


def print_verbs(verbs, step=""):
    """Print how each verb is called, and what for."""
    calls = {spell(verb.name, step): verb for verb in verbs}
    width = max(map(len, calls))
    for words, verb in calls.items():
        print(f"  {words:<{width}}  {verb.help}{' (maintainers)' if verb.is_for_maintainers else ''}")
