"""`python -m tests.mutation gs2 …`: make the mutants of these steps (of all, if none is named) and check them."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.mutation import equivalents, report
from tests.mutation.judging import Court
from tests.mutation.mutants import mutants_of
from workbook.keeping import fingerprint
from workbook.speech import Refusal
from workbook.steps import all_steps

ROOT = Path(__file__).resolve().parents[2]


def main(words):
    """Run what words ask for. Returns the exit status: 1 if a mutant lives that is not listed."""
    steps = {step.name: step for step in all_steps(ROOT)}
    parser = argparse.ArgumentParser(prog="mutate", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="gsN", choices=[*steps, []], help="the steps; all if none is named")
    parser.add_argument("--alive", action="store_true", help="only the mutants that lived the last time")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, evenly out of all")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="how many at once")
    parser.add_argument("--list", action="store_true", help="check nothing, print the mutants")
    options = parser.parse_args(words)
    try:
        return max(run(steps[name], options) for name in options.steps or steps)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.status


def run(step, options):
    """Make and check the mutants of a step, and keep the result. Returns the exit status. Raises Refusal."""
    mutants, known = mutants_of(ROOT, step), equivalents.read(step.name)
    if options.list:
        print(*mutants, sep="\n")
        return 0
    if stale := equivalents.stale(mutants, known):
        raise Refusal("\n".join(["equivalent.toml lists what is no mutant (any more):", *map(str, stale)]), 1)
    if options.alive:
        result, chosen = again(step, mutants, known)
    else:
        result = report.Result(step.name, today(), fingerprint(step), len(mutants))
        chosen = evenly(mutants, options.sample or len(mutants))
    listed = [mutant for mutant in chosen if equivalents.about(mutant, known)]
    with Court(ROOT, step, options.workers) as court:
        fates = court.fates(chosen, tell, no_further=listed)
    for mutant, (way, what) in fates.items():
        result.add(mutant, way, what)
    report.write(result)
    if noticed := [mutant for mutant in listed if fates[mutant][0]]:
        raise Refusal("\n".join(["equivalent.toml lists what a check does notice:", *map(str, noticed)]), 1)
    return sum_up(result, known)


def again(step, mutants, known):
    """Return (the kept result without the survivors that are not listed, those as mutants). Raises Refusal."""
    result = report.read(step.name)
    if not result or result.of != fingerprint(step):
        raise Refusal(f"There are no results of {step.name} as it is now: leave --alive out.")
    chosen = [each for each in result.survivors if not equivalents.about(each, known)]
    result.survivors = [each for each in result.survivors if each not in chosen]
    result.date = today()
    wanted = {(each.path, each.line, each.old, each.new) for each in chosen}
    return result, [each for each in mutants if (each.path, each.line, each.old, each.new) in wanted]


def evenly(mutants, number):
    """Return `number` of the mutants, or all if there are fewer, evenly spread."""
    number = min(number, len(mutants))
    return [mutants[at * len(mutants) // number] for at in range(number)]


def today():
    """Return the date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def tell(mutant, way, what):
    """Print what came of a mutant in one way."""
    fate = {None: f"lives ({way})", report.LATE: f"late ({way})"}.get(what, f"dead ({way}, {what})")
    print(f"{mutant}: {fate}", flush=True)


def sum_up(result, known):
    """Print the survivors that are not listed, and the sum. Returns the exit status."""
    alive = [each for each in result.survivors if not equivalents.about(each, known)]
    for each in alive:
        print(f"ALIVE {each.path}:{each.line}\n  {each.old}\n  {each.new}")
    dead = result.run - len(result.survivors)
    listed = len(result.survivors) - len(alive)
    print(f"{result.step}: {result.run} mutants, {dead} dead, {listed} equivalent, {len(alive)} alive")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
