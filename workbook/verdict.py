"""What is known of a copy: its tasks, one by one, and the first failure. Made from the news of a Checker."""

import re
from dataclasses import dataclass, field
from pathlib import Path

# As in tests/support/plan.py.
CORE, REST, WIRE, SLOW, AGAIN = range(5)

PASSED, SO_FAR, FAILED, NOT_CHECKED, OPEN = "passed", "passed so far", "failed", "not checked", "open"

# The reason that tests/support/verdicts.py gives; the other task stands on the same screen.
AFTER = re.compile(r"^task (\d+) comes first: .*")

FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


@dataclass
class Result:
    """What is known of one task: its result, one of the above, and the reason why it was not checked."""

    result: str = OPEN
    reason: str = ""


@dataclass
class Verdict:
    """What is known of a copy of a step, whose tasks are numbered; None stands for all else that it promises.

    broken: {"what", "place"} when the project does not load. failures: the first one of each task, by its number.
    is_whole: what earlier steps promised is checked once more with servers; it takes minutes.
    """

    tasks: dict
    project: Path
    is_whole: bool = False
    broken: dict | None = None
    failures: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)
    loading: str = ""
    # Of each part that is not done yet: {"id", "order"} of the check that it makes; None while it loads the project.
    running: dict = field(default_factory=dict)
    # Of each task that failed in this round: the order of the check whose failure is told.
    orders: dict = field(default_factory=dict)
    is_cut_short: bool = False

    def hear(self, news, printed=lambda: ""):
        """Take one piece of news in; printed() returns what the process has said when it had to be ended."""
        kind = news["news"]
        if kind == "plan":
            self.checks |= {check["id"]: check for check in news["checks"]}
            self.running = dict.fromkeys(range(news["parts"]))
            self.orders = {}
        elif kind == "loading":
            self.loading = news["what"]
        elif kind == "broken":
            self.broken = {"what": news["error"], "place": news["place"]}
        elif kind == "begun":
            self.running[news["part"]] = {"id": news["id"], "order": news["order"]}
        elif kind == "result":
            self.take(news)
        elif kind == "done":
            self.running.pop(news["part"])
        elif kind == "end":
            for check in self.running.values():
                self.take_sudden_end(check, printed())
            self.running = {}

    def take(self, news):
        """Take the result of one check in."""
        if news["reason"] == "its task has failed already":
            return
        self.results[news["id"]] = news
        task, order = news["task"], news["order"]
        # Parts overtake each other, but the failure that is told is that of the task's first check that fails.
        if news["outcome"] == FAILED and (task not in self.failures or order < self.orders.get(task, 0)):
            self.failures[task], self.orders[task] = news["failure"], order

    def take_sudden_end(self, check, printed):
        """Take in that a process has ended in this check: it hung, or the learner's code has ended it."""
        place = place_in(printed, self.project)
        hung = "Timeout (" in printed
        if check is None:
            what = (
                f"{self.loading} was still being loaded after some seconds"
                if hung
                else f"loading {self.loading} ended Python"
            )
            self.broken = {"what": what, "place": place}
            return
        self.is_cut_short = True
        planned = self.checks[check["id"]]
        what = "It was still busy after some seconds" if hung else f"Python ended: {last_line(printed)}"
        failure = {
            # What is quick waits for nothing but handlers; what takes long may have waited for many things.
            "promise": planned["promise"] if planned["level"] >= SLOW else "Every handler comes to its end.",
            "what": what,
            "place": place,
            "timeline": [],
            "evidence": None,
        }
        self.take({**check, "task": planned["task"], "outcome": FAILED, "reason": "", "failure": failure})

    @property
    def under_way(self):
        """Return the checks that are being made just now."""
        return [self.checks[check["id"]] for check in self.running.values() if check]

    @property
    def failed_checks(self):
        """Return the names of the checks that failed, without the files that they are in."""
        return [name.partition("::")[2] for name, news in self.results.items() if news["outcome"] == FAILED]

    def of(self, number):
        """Return the Result of a task."""
        if number and (earlier := self.waits_for(number)):
            return Result(NOT_CHECKED, f"first task {earlier}")
        told = [news for news in self.results.values() if news["task"] == number]
        outcomes = {news["outcome"] for news in told}
        if FAILED in outcomes:
            return Result(FAILED)
        if NOT_CHECKED in outcomes:
            reasons = [news["reason"] for news in told if news["outcome"] == NOT_CHECKED]
            return Result(NOT_CHECKED, AFTER.sub(r"first task \1", reasons[0]))
        known = [check for check in self.asked_for() if check["task"] == number]
        if known and len(told) >= len(known):
            return Result(PASSED)
        if self.broken:
            return Result(NOT_CHECKED, "the project has to load first")
        return Result(SO_FAR if told else OPEN)

    def is_known(self, level):
        """Return whether every check of a task, up to this level, has its result."""
        checks = [check for check in self.checks.values() if check["level"] <= level and check["task"]]
        return all(check["id"] in self.results for check in checks)

    def asked_for(self):
        """Return the checks that count."""
        return [check for check in self.checks.values() if self.is_whole or check["level"] != AGAIN]

    @property
    def left_out(self):
        """Return how many checks do not count."""
        return len(self.checks) - len(self.asked_for())

    def waits_for(self, number):
        """Return the number of the failed task without which this one cannot be checked, or None.

        If that one waits itself for another that has failed, it is the other.
        """
        failed = None
        while number := self.tasks[number].after:
            failed = number if number in self.failures else failed
        return failed

    @property
    def first_failure(self):
        """Return (number, failure) of the first task that failed, None if there is none."""
        numbers = sorted(number for number in self.failures if number is not None)
        numbers += [None] if None in self.failures else []
        return (numbers[0], self.failures[numbers[0]]) if numbers else None

    @property
    def all_passed(self):
        """Return whether every task has passed, and what earlier steps promised too."""
        return not self.broken and all(self.of(number).result == PASSED for number in [*self.tasks, None])

    @property
    def is_right(self):
        """Return whether nothing is wrong that could be checked."""
        return not self.broken and not self.failures

    def rounds(self, is_quick=False):
        """Yield (levels, tasks) to ask for one after another; each answer is to be heard before the next."""
        left = list(self.tasks)
        while left:
            known = len(self.failures)
            self.is_cut_short = False
            yield [CORE, REST], left
            # What has ended the process is one task's failure, and no reason to leave the others open.
            left = self.worth_a_look() if self.is_cut_short and not self.broken and len(self.failures) > known else []
        if self.broken or is_quick:
            return
        for level in (WIRE, SLOW):
            if tasks := self.worth_a_look():
                yield [level], tasks
        # All else that it promises is looked at when this step's own tasks are done.
        if self.is_right:
            yield [CORE, REST], [None]
            yield [WIRE, SLOW], [None]
            if self.is_whole:
                yield [AGAIN], [None]

    def worth_a_look(self):
        """Return the tasks that have not failed, nor wait for one that has."""
        return [number for number in self.tasks if self.of(number).result in (SO_FAR, OPEN)]


def place_in(printed, project):
    """Return the innermost line in project among the stacks that faulthandler has printed, or None."""
    for file, line in FRAME.findall(printed):
        if Path(file).is_relative_to(project):
            source = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[int(line) - 1].strip()
            return {"file": Path(file).relative_to(project).as_posix(), "line": int(line), "source": source}
    return None


def last_line(text):
    """Return the last line of text that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "without a word")
