"""make gsN check: the learner's copy, task by task, and the first failure in full."""

import json

from workbook.checker import Checker
from workbook.copies import existing_copy, given_files, shown
from workbook.keeping import databases_of, keep_verdict
from workbook.lesson import material_of
from workbook.screen import Line, broken_lines, entry, failure_lines, overview, show, under_way
from workbook.speech import Refusal, spell
from workbook.steps import steps_after
from workbook.verdict import Verdict

MOST_GONE = 3  # files that are named


def check(call):
    """Check the copy and print one screen, or JSON. Returns 0 if nothing is wrong, else 1. Raises Refusal."""
    is_quick, is_whole = call.options["quick"], call.options["all"]
    if is_quick and is_whole:
        raise Refusal("Quick leaves out what all asks for: say one of them.")
    copy = existing_copy(call.root, call.step)
    verdict = judge(call.root, call.step, copy, is_quick, is_whole)
    diagnoses = diagnose(call.step, copy, verdict)
    if call.options["json"]:
        print(json.dumps(as_data(call.step, copy, verdict, diagnoses), indent=2, ensure_ascii=False))
    else:
        show(screen(call.root, call.step, copy, verdict, diagnoses))
    return 0 if verdict.is_right else 1


def judge(root, step, copy, is_quick=False, is_whole=False):
    """Check a copy from beginning to end, and keep what came of it. Returns the Verdict. Raises Refusal."""
    verdict = Verdict(material_of(step).tasks, copy.folder, is_whole)
    with Checker(root, step.name, databases_of(root)) as checker, under_way() as tell:
        for levels, tasks in verdict.rounds(is_quick):
            checker.ask(copy, levels, tasks)
            for news in checker.answers():
                verdict.hear(news, checker.printed)
                tell(now(verdict))
    keep_verdict(root, step, copy, verdict)
    return verdict


def now(verdict):
    """Return in words how far the check of a copy is."""
    if not verdict.under_way:
        return "loading your project"
    number = verdict.under_way[0]["task"]
    what = f"task {number}" if number else "all else that it promises"
    return f"{len(verdict.results)} of {len(verdict.asked_for())} checks · {what}"


def diagnose(step, copy, verdict):
    """Return the mistakes by name that the first failure shows, the likeliest first; none if nobody knows it."""
    from tests.mistakes import diagnose

    evidence = startup_evidence(step, copy) if verdict.broken else (verdict.first_failure or (0, {}))[1].get("evidence")
    return diagnose(evidence) if evidence else []


def startup_evidence(step, copy):
    """Return the evidence of a project that does not load."""
    from tests.support.evidence import evidence_of_startup

    return evidence_of_startup(copy.folder, step.name)


def screen(root, step, copy, verdict, diagnoses):
    """Return the lines of the screen."""
    name = shown(root, copy.folder)
    lines = [*overview(step, name, verdict), *missing_lines(root, step, copy)]
    if verdict.broken:
        lines += broken_lines(verdict, name, diagnoses)
    elif verdict.first_failure:
        lines += failure_lines(verdict, name, diagnoses)
    return [*lines, Line(), *next_lines(root, step, verdict)]


def missing_lines(root, step, copy):
    """Return the lines that name files which were given and are gone."""
    gone = [path for path in given_files(root, step) if not (copy.folder / path).exists()]
    if gone:
        yield Line()
    for path in gone[:MOST_GONE]:
        yield Line(
            f"{shown(root, copy.folder / path)} is gone. It was given: copy it from {step.folder.name}.", "yellow"
        )
    if len(gone) > MOST_GONE:
        yield Line(f"(and {len(gone) - MOST_GONE} more)", "yellow")


def next_lines(root, step, verdict):
    """Return the lines that say what to do next."""
    if not verdict.is_right:
        # Hints are about tasks; what earlier steps promised has none.
        has_hint = verdict.broken or verdict.first_failure[0] is not None
        verbs = ("hint", "watch") if has_hint else ("watch", "compare")
        yield Line(f"Next: {'  or  '.join(spell(verb, step.name) for verb in verbs)}", "bold")
    elif verdict.all_passed:
        following = steps_after(root, step)
        yield Line("Every task is done." if following else "Every task of the last step is done.", "bold green")
        yield Line(f"Beside the finished step: {spell('compare', step.name)}")
        if verdict.left_out:
            yield Line("It takes a while to check with servers, too, what earlier steps promised:")
            yield Line(f"  {spell('check', step.name, all=True)}")
        if following:
            yield Line(f"Next: {spell('start', following[0].name)}", "bold")
    else:
        yield Line("Nothing is wrong in what was checked.", "bold green")
        for reason in dict.fromkeys(verdict.of(number).reason for number in [*verdict.tasks, None]):
            if reason:
                yield from entry("Missing", reason)
        yield Line(f"Next: {spell('check', step.name)}", "bold")


def as_data(step, copy, verdict, diagnoses):
    """Return a verdict as plain data, for programs."""
    numbers = [*verdict.tasks, None]
    first = verdict.first_failure
    failure = first and {name: first[1][name] for name in ("promise", "what", "place", "timeline")} | {"task": first[0]}
    return {
        "step": step.name,
        "project": str(copy.folder),
        "passed": verdict.all_passed,
        "left_out": verdict.left_out,
        "tasks": [
            {
                "number": number,
                "title": verdict.tasks[number].title if number else "All else that it promises",
                "result": verdict.of(number).result,
                "reason": verdict.of(number).reason,
            }
            for number in numbers
        ],
        "broken": verdict.broken,
        "failure": failure,
        "mistakes": [
            {"name": each.name, "sentence": each.sentence, "mend": each.mend, "note": each.note} for each in diagnoses
        ],
    }
