"""`python -m tests.mutation gs2 …`: make the mutants of these steps (of all, if none is named) and check them."""

import argparse
import copy
import os
import sys
import time
from collections import Counter
from pathlib import Path

from tests.mutation import equivalents, report
from tests.mutation.judging import Part, fates_of
from tests.mutation.mutants import mutants_of
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
    parser.add_argument("--quick", action="store_true", help="only the quickest checks; --alive goes on from there")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only files with this, or another, in the path")
    parser.add_argument("--way", action="append", choices=report.COLUMNS, help="only checks made this way, or another")
    parser.add_argument("--task", action="append", type=int, metavar="N", help="only checks of this task; 0: of none")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="how many at once")
    parser.add_argument("--list", action="store_true", help="check nothing, print the mutants")
    options = parser.parse_args(words)
    if (options.way or options.task) and not options.alive:
        parser.error("--way and --task go on with --alive only: what lives is not known of the other checks")
    try:
        return max(run(steps[name], options) for name in options.steps or steps)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.status


def run(step, options):
    """Make and check the mutants of a step, and keep the result. Returns the exit status. Raises Refusal."""
    mutants, known = mutants_of(ROOT, step), equivalents.read(step.name)
    if stale := equivalents.stale(mutants, known):
        raise Refusal("\n".join(["equivalent.toml lists what is no mutant (any more):", *map(str, stale)]), 1)
    results = report.read(step.name)
    chosen = [mutant for mutant in mutants if any(text in mutant.path for text in options.only or [""])]
    if not chosen:
        raise Refusal(f"{step.name} has no mutants in files named like {' or '.join(options.only)}.", 2)
    made = Counter(mutant.path for mutant in chosen)
    if options.alive:
        chosen = still_alive(step, chosen, results, known)
    chosen = evenly(chosen, options.sample or len(chosen))
    if options.list:
        print(*chosen, sep="\n")
        return 0
    before = take_out(results, chosen) if options.alive else {}
    if not options.alive:
        results |= {path: report.Result(today(), report.fingerprint(step, path), made[path]) for path in made}
    listed = [mutant for mutant in chosen if equivalents.about(mutant, known)]
    part = Part(options.quick, tuple(options.way or ()), tuple(options.task or ()))
    fates = {}
    for fates in fates_of(ROOT, step, chosen, options.workers, tell, listed, part):
        keep(step, results, fates, before, part)
    if noticed := [mutant for mutant in listed if fates[mutant].what]:
        raise Refusal("\n".join(["equivalent.toml lists what a check does notice:", *map(str, noticed)]), 1)
    alive = [mutant for mutant in chosen if mutant not in listed and not fates[mutant].what]
    print(*(f"ALIVE {mutant}" for mutant in alive), f"{step.name}: {len(alive)} alive that are not listed", sep="\n")
    return 1 if alive else 0


def keep(step, results, fates, before, part):
    """Keep the results with what is known by now: should a later way come to nothing, this is not lost.

    before: {place: Survivor} of the mutants that lived the last time; what lives through a part of the checks stays so.
    """
    results = copy.deepcopy(results)
    for mutant, fate in fates.items():
        if fate.what or (fate.way and not (part.ways or part.tasks)):
            results[mutant.path].add(mutant, fate.way, fate.what)
        elif survivor := before.get(report.place_of(mutant)):
            results[mutant.path].survivors.append(survivor)
    report.write(step.name, {path: result for path, result in results.items() if result.run})


def still_alive(step, mutants, results, known):
    """Return those of the mutants that lived the last time, and are not listed. Raises Refusal if one has changed."""
    chosen = []
    for mutant in mutants:
        result = results.get(mutant.path)
        if not result or result.of != report.fingerprint(step, mutant.path):
            raise Refusal(f"There are no results of {mutant.path} as it is now: leave --alive out.")
        if report.place_of(mutant) in map(report.place_of, result.survivors) and not equivalents.about(mutant, known):
            chosen.append(mutant)
    return chosen


def take_out(results, mutants):
    """Take survivors that are run again out of the results. Returns {place: Survivor} of them."""
    places = {report.place_of(mutant) for mutant in mutants}
    taken = {}
    for path in {mutant.path for mutant in mutants}:
        survivors = results[path].survivors
        taken |= {report.place_of(each): each for each in survivors if report.place_of(each) in places}
        survivors[:] = [each for each in survivors if report.place_of(each) not in places]
        results[path].date = today()
    return taken


def evenly(mutants, number):
    """Return `number` of the mutants, or all if there are fewer, evenly spread."""
    number = min(number, len(mutants))
    return [mutants[at * len(mutants) // number] for at in range(number)]


def today():
    """Return the date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def tell(mutant, way, what):
    """Print what came of a mutant in one way."""
    print(f"{mutant}: {f'dead ({way}, {what})' if what else f'lives ({way})'}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
