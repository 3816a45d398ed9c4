"""Checks the finished steps again and again, with all cores busy: what fails now and then is no check to rely on.

    python -m tests.support.often gs2 gs3 --times 100 --checks wire --only hundred_clients

It prints a line for each step, and every failure. The checks are the quick ones, those on the wire, or the slow ones,
which start other programs; `--only` takes those with these words in their names. With `--at-once 4` four runs are made
side by side, and it is they that keep the cores busy: many slow runs are done sooner so. It ends with status 1 if
anything has failed, or there was nothing to check.
"""

import argparse
import contextlib
import multiprocessing
import os
import queue
import sys
import threading
import time
from pathlib import Path

from tests.support.plan import AGAIN, CORE, REST, SLOW, WIRE
from workbook.checker import Checker
from workbook.feedback import copy_of_finished
from workbook.lesson import material_of
from workbook.steps import all_steps
from workbook.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
STEPS = {step.name: step for step in all_steps(ROOT)}
LEVELS = {"quick": [CORE, REST], "wire": [WIRE], "slow": [SLOW, AGAIN]}


@contextlib.contextmanager
def busy_cores():
    """Keep every core busy meanwhile."""
    processes = [multiprocessing.Process(target=be_busy, daemon=True) for _ in range(os.cpu_count() or 1)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def be_busy():
    while True:
        pass


def check_often(step, times, levels, words=""):
    """Check a copy of the finished step so many times, by checks with these words in their ids; yield the Verdicts."""
    with copy_of_finished(step) as copy, Checker(ROOT, step.name) as checker:
        tasks = material_of(step).tasks
        only = checks_with(checker, copy, words) if words else None
        for _ in range(times):
            verdict = Verdict(tasks, copy.folder)
            checker.ask(copy, levels, [*tasks, None], only=only)
            for news in checker.answers():
                verdict.hear(news, checker.printed)
            yield verdict


def side_by_side(iterators):
    """Yield the Verdicts that these iterators yield, as they come; each is read by a thread of its own."""
    told = queue.SimpleQueue()

    def read(iterator):
        try:
            for verdict in iterator:
                told.put((verdict, None))
            told.put((None, None))
        except Exception as error:
            told.put((None, error))

    # Not a pool's threads: Ctrl-C would wait until they are done.
    for iterator in iterators:
        threading.Thread(target=read, args=(iterator,), daemon=True).start()
    reading = len(iterators)
    while reading:
        verdict, error = told.get()
        if error:
            raise error
        if verdict:
            yield verdict
        else:
            reading -= 1


def checks_with(checker, copy, words):
    """Return the ids of all checks with these words in them."""
    checker.ask(copy, [], [])
    plans = [news["checks"] for news in checker.answers() if news["news"] == "plan"]
    return [check["id"] for plan in plans for check in plan if words in check["id"]]


def step_name(word):
    """Return the name of a step. Raises argparse.ArgumentTypeError."""
    if word not in STEPS:
        raise argparse.ArgumentTypeError(f"there is no step {word!r}; the steps are {', '.join(STEPS)}")
    return word


def number_of_runs(word):
    """Return a number from 1 on. Raises argparse.ArgumentTypeError."""
    if not word.isdecimal() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of runs")
    return int(word)


def report(step, asked):
    """Check a step as the command line asks, print what fails and a line about it all; return how many runs failed."""
    begin, runs, failures = time.perf_counter(), 0, 0
    shares = [len(range(first, asked.times, asked.at_once)) for first in range(min(asked.at_once, asked.times))]
    iterators = [check_often(step, times, LEVELS[asked.checks], asked.only) for times in shares]
    for verdict in side_by_side(iterators):
        runs += 1
        failures += not (verdict.is_right and verdict.results)
        for number, failure in verdict.failures.items():
            print(f"{step.name}, run {runs}, task {number}: {failure['promise']} {failure['what']}", flush=True)
    seconds = time.perf_counter() - begin
    checks = f"{len(verdict.results)} {asked.checks} checks"
    print(f"{step.name}: {runs} runs of {checks}, {failures} failed, {seconds:.0f} s", flush=True)
    return failures


def main(words=None):
    """Check what the words of the command line ask for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.often", description="check steps again and again")
    parser.add_argument("steps", nargs="*", type=step_name, metavar="gsN", help="all, if none is named")
    parser.add_argument("--times", type=number_of_runs, default=100)
    parser.add_argument("--checks", choices=LEVELS, default="quick")
    parser.add_argument("--only", default="", metavar="WORDS")
    parser.add_argument("--at-once", type=number_of_runs, default=1)
    asked = parser.parse_args(words)
    with busy_cores() if asked.at_once == 1 else contextlib.nullcontext():
        failed = [report(STEPS[name], asked) for name in asked.steps or STEPS]
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
