"""The trial of the mutants: each in a copy of its step, by the cheapest checks first, up to the first that fails."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.mutation.mutants import source_of
from tests.mutation.reach import Chart
from tests.mutation.report import LATE
from tests.support.server import own_environment
from workbook.checker import LIMIT, Checker
from workbook.lesson import material_of
from workbook.speech import Refusal
from workbook.steps import Step, steps_after
from workbook.verdict import AGAIN, CORE, FAILED, NOT_CHECKED, REST, SLOW, WIRE

# A mutant is late when it takes so much longer than the step as it is: a busy machine is no mistake.
TIMES, SECONDS_MORE = 5, 15
TRIES = 3
PATIENT = 4  # so many times longer than for a learner a check may be silent
PATIENCE = 600  # seconds for the step as it is
PATIENCE_WITH_A_CHECK = 90  # seconds; in a browser the longest takes ten
# Servers would keep one waiting longer; nobody needs what they would still say.
SECONDS_TO_END = 10
HUNTERS = 10  # checks that are made first, because they have found mutants just before
HUNG = "it ended Python, or hung"


@dataclass(frozen=True)
class Way:
    """Checks that are run together: their levels, as in tests/support/plan.py.

    waits: they wait for other processes or for a crowd, so that a busy machine can make them fail.
    """

    name: str
    levels: tuple = ()
    waits: bool = True


@dataclass(frozen=True)
class Part:
    """A part of the checks.

    is_quick: only ways that do not wait. ways: only ways of these names. tasks: only checks of the tasks with these
    numbers, 0 for those that belong to none.
    """

    is_quick: bool = False
    ways: tuple = ()
    tasks: tuple = ()

    def has(self, way):
        """Return whether a Way is in it."""
        return not (self.is_quick and way.waits) and (not self.ways or way.name in self.ways)


WHOLE = Part()


class Judge:
    """Checks mutants in a copy of the step. A subclass says how: `learn`, `checks_for` and `first_failure`."""

    ways: tuple[Way, ...]  # from the cheapest to the dearest

    def __init__(self, root, step, folder, part):
        """Make the copy in `folder`; what the checks leave behind goes into a folder there too."""
        self.root = root
        self.step = step
        self.copy = copied(step, folder)
        self.copies = [self.copy]
        self.litter = folder / "litter"
        self.litter.mkdir()
        # PostgreSQL is another user, who has to get at its data.
        for path in (folder, self.litter):
            path.chmod(0o755)

    def try_out(self, mutant, way, limit):
        """Return what has found the mutant, a check's name or in words, or None if it lives. `limit` in seconds.

        Where checks wait, or it took too long, it was the mutant only if the step as it is passes the same check right
        after, and the mutant fails again. When that does not become clear, it lives.
        """
        only = self.checks_for(mutant, way)
        if only == []:
            return None
        for _ in range(TRIES):
            found = self.found(mutant, way, limit, only)
            if not found or not (way.waits or found in (HUNG, LATE)):
                return found
            if not self.first_failure(way, limit, only, until=found) and self.found(mutant, way, limit, only, found):
                return found
        print(f"{mutant}: {found} fails now and then, which is not enough", flush=True)
        return None

    def found(self, mutant, way, limit, only, until=None):
        """Return what has found the mutant, at the first try; `only` and `until` as for first_failure."""
        files = [source_of(copy, mutant) for copy in self.copies]
        for file in files:
            file.write_text(mutant.text, encoding="utf-8")
        try:
            return self.first_failure(way, limit, only, until)
        finally:
            for file in files:
                shutil.copyfile(source_of(self.step, mutant), file)


class ProgramJudge(Judge):
    """Judges Python: a warm process checks the copy, in a fork for each mutant."""

    # In process, too, some checks need a crowd, or measure: they come after those that a busy machine leaves alone.
    ways = (
        Way("process", (CORE,), waits=False),
        Way("process", (REST,)),
        Way("wire", (WIRE,)),
        Way("services", (SLOW, AGAIN)),
    )

    def __init__(self, root, step, folder, part):
        super().__init__(root, step, folder, part)
        self.tasks = [number or None for number in part.tasks or (*material_of(step).tasks, 0)]
        # The checks that have found a mutant, the last one first: its neighbours die of the same.
        self.hunters = []
        self.charts = {}
        with temporary_folder(self.litter):
            self.checker = Checker(root, step.name)
        # Always in the same order; the judges themselves keep all cores busy.
        self.checker.parts = 1

    def checks_for(self, mutant, way):
        """Return the ids of the checks that come by what is edited; None for all of the way."""
        return self.charts[way].checks_for(mutant)

    def learn(self, way):
        """Check the copy as it is, and learn which checks reach which statement. Returns what went wrong, or None."""
        chart = Chart(self.litter.parent)
        with chart.marking(self.copy):
            failed = self.first_failure(way, now=chart.now)
        self.charts[way] = chart
        return failed

    def first_failure(self, way, limit=PATIENCE, only=None, until=None, now=None):
        """Check the copy as it is. Returns what went wrong first, or None. `limit` in seconds.

        only: the ids of the checks to make, None for all. until: the check that is the last one, if it is one. now: the
        file that is to name the check that is made.
        """
        self.checker.limit = LIMIT * PATIENT
        first = self.hunters[:HUNTERS]
        self.checker.ask(self.copy, way.levels, self.tasks, is_proof=True, first=first, only=only, now=now)
        late = ("news", {"news": "late", "run": self.checker.run})
        timer = threading.Timer(limit, self.checker.events.put, [late])
        timer.start()
        try:
            found = self.listen(until)
        finally:
            timer.cancel()
        if SLOW in way.levels:
            self.clean_up()
        return found

    def listen(self, until):
        """Return what the news tell of the first failure, None if there is none up to the check `until`."""
        is_done = False
        with contextlib.closing(self.checker.answers()) as answers:
            for news in answers:
                kind = news["news"]
                if kind == "broken":
                    return f"it does not load: {news['error']}"
                if kind == "late":
                    return LATE
                if kind == "result" and news["outcome"] == FAILED:
                    return self.remember(name_of(news["id"]))
                if kind == "result" and news["outcome"] == NOT_CHECKED:
                    return f"{name_of(news['id'])} could not be checked: {news['reason']}"
                if kind == "result" and name_of(news["id"]) == until:
                    return None
                is_done = is_done or kind == "done"
        return None if is_done else HUNG

    def remember(self, check):
        """Let `check` be among those that the next mutant meets first. Returns it."""
        self.hunters = [check, *(other for other in self.hunters if other != check)]
        return check

    def clean_up(self):
        """End what still runs, and remove what servers that were killed have left."""
        self.checker.ask(self.copy, [], [])
        with contextlib.closing(self.checker.answers()) as answers:
            for _ in answers:
                pass
        for path in self.litter.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def end(self):
        """End the process."""
        self.checker.__exit__(None, None, None)


class PageJudge(Judge):
    """Judges scripts, with the page of the step, and with the next one's if that has the same scripts.

    In gs1 no server answers: much of its page's script comes to life in gs2.
    """

    ways = (Way("browser"),)

    def __init__(self, root, step, folder, part):
        super().__init__(root, step, folder, part)
        self.copies += [copied(after, folder) for after in with_the_same_scripts(root, step)]
        self.pages = [Pages(root, copy, self.litter) for copy in self.copies]

    def checks_for(self, mutant, way):
        """Return a list for each copy, as Pages.first_failure takes it; an empty one if no check comes by the edit."""
        only = [pages.chart.checks_for(mutant) for pages in self.pages]
        return [] if all(names == [] for names in only) else only

    def learn(self, way):
        """Check the copies as they are, and learn which checks come by which lines. Returns what went wrong first."""
        with contextlib.ExitStack() as until_end:
            for pages in self.pages:
                until_end.enter_context(pages.chart.marking(pages.copy))
            return self.first_failure(way)

    def first_failure(self, way, limit=PATIENCE, only=None, until=None):
        """Check the copies as they are. Returns what went wrong first, or None. `limit` in seconds. Raises Refusal.

        only: as `checks_for` returns it, None for all checks. until: the only check to make, if it is one.
        """
        for pages, names in zip(self.pages, only or [None] * len(self.pages), strict=True):
            if failed := pages.first_failure(limit, names if until in (None, LATE) else [until]):
                return failed
        return None

    def end(self):
        """End the processes."""
        for pages in self.pages:
            pages.end()


class Pages:
    """The checks of a copy's pages, with one server and one browser for all mutants; see pages.py."""

    def __init__(self, root, copy, litter):
        """Start a process that waits for questions; its temporary files go into the folder `litter`."""
        self.root = root
        self.copy = copy
        self.litter = litter
        self.said = litter.with_name(f"{copy.name}.said")
        folder = litter.with_name(f"{copy.name}.chart")
        folder.mkdir()
        self.chart = Chart(folder)
        self.start()

    def start(self):
        """Start the process."""
        options = [
            f"--step={self.copy.name}",
            f"--project={self.copy.folder}",
            "-m",
            "browser",
            "-o",
            "timeout=0",
            "-s",
        ]
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    *options,
                    "-p",
                    "tests.mutation.pages",
                    "-p",
                    "no:cacheprovider",
                    "tests/steps",
                ],
                cwd=self.root,
                env=own_environment(TMPDIR=str(self.litter), TOLD=str(self.chart.told)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
            )
        self.answers = queue.Queue()
        threading.Thread(target=self.listen, args=(self.process, self.answers), daemon=True).start()

    def listen(self, process, answers):
        """Put the answers of a process into a queue, and None at its end."""
        for line in process.stdout:
            answers.put(json.loads(line))
        answers.put(None)

    def first_failure(self, limit, only):
        """Return the check that fails first, LATE, or None; only: the names of the checks to make, None for all.

        It is late when one check takes longer than `limit` seconds, or than any does: a page that hangs.
        """
        self.process.stdin.write(f"{json.dumps(only)}\n".encode())
        self.process.stdin.flush()
        answer = {}
        while "failed" not in answer:
            try:
                answer = self.answers.get(timeout=min(limit, PATIENCE_WITH_A_CHECK))
            except queue.Empty:
                self.end()
                self.start()
                return LATE
            if answer is None:
                raise Refusal(f"The checks themselves have failed. They said:\n{self.said.read_text()[-2000:]}", 1)
        return answer["failed"]

    def end(self):
        """End the process."""
        self.process.stdin.close()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Fate:
    """The last way in which a mutant was checked, and what has found it there, "" while it lives."""

    way: str = ""
    what: str = ""


KINDS = {".py": ProgramJudge, ".js": PageJudge}


def name_of(check):
    """Return the name of a check, with its parameters, from its node id."""
    return check.rpartition("::")[2]


def copied(step, folder):
    """Return a copy of a step, in `folder`."""
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*", ".*")
    return Step(shutil.copytree(step.folder, folder / step.folder.name, ignore=ignored))


def with_the_same_scripts(root, step):
    """Return the step after `step`, in a list, if its page has all scripts of `step` as they are; or an empty one."""
    scripts = [path.relative_to(step.folder) for path in step.folder.rglob("*.js")]
    after = steps_after(root, step)[:1]
    return [each for each in after if all(is_same(step.folder / path, each.folder / path) for path in scripts)]


def is_same(one, other):
    """Return whether there are two files with the same content."""
    return other.is_file() and one.read_bytes() == other.read_bytes()


@contextlib.contextmanager
def temporary_folder(folder):
    """What is started in here puts its temporary files into `folder`."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


def fates_of(root, step, mutants, workers, tell, no_further=(), part=WHOLE):
    """Yield {mutant: Fate}, of all of them, each time that more is known: file by file, way by way. Raises Refusal.

    tell(mutant, way's name, what) is called for each as soon as it is known. Mutants in `no_further` are checked by the
    first way only. So many `workers` check side by side. part: the Part of the checks to make.
    """
    fates = dict.fromkeys(mutants, Fate())
    for suffix, kind in KINDS.items():
        left = [mutant for mutant in mutants if mutant.path.endswith(suffix)]
        ways = [way for way in kind.ways if part.has(way)]
        if not (left and ways):
            continue
        with Court(kind, root, step, workers, part) as court:
            for way in ways:
                limit = TIMES * court.measure(way, kind.learn) + SECONDS_MORE if left else 0
                for _, of_file in groupby(left, key=lambda mutant: mutant.path):
                    found = court.side_by_side(list(of_file), way, limit, tell)
                    fates |= {mutant: Fate(way.name, what or "") for mutant, what in found.items()}
                    yield fates
                if left:
                    # Whatever a mutant has broken for those after it would be seen now.
                    court.measure(way, kind.first_failure)
                left = [mutant for mutant in left if not fates[mutant].what and mutant not in no_further]


class Court:
    """Judges of one kind for one step, who work side by side. Use it as a context manager."""

    def __init__(self, kind, root, step, workers, part):
        self.folder = tempfile.TemporaryDirectory(prefix="channels-workbook-", ignore_cleanup_errors=True)
        Path(self.folder.name).chmod(0o755)
        self.step = step
        self.judges = []
        for number in range(workers):
            folder = Path(self.folder.name) / str(number)
            folder.mkdir()
            self.judges.append(kind(root, step, folder, part))

    def side_by_side(self, mutants, way, limit, tell):
        """Return {mutant: what found it, or None}, for one way of checking; `limit` in seconds. Raises Refusal."""
        idle = queue.Queue()
        for each in self.judges:
            idle.put(each)

        def judge(mutant):
            judge = idle.get()
            try:
                what = judge.try_out(mutant, way, limit)
            finally:
                idle.put(judge)
            tell(mutant, way.name, what)
            return what

        with ThreadPoolExecutor(len(self.judges)) as executor:
            return dict(zip(mutants, executor.map(judge, mutants), strict=True))

    def measure(self, way, check):
        """Let every judge check the step as it is: by `check`, a method of theirs that returns what went wrong.

        Returns the longest time, in seconds. A busy machine may make them fail once or twice; then raises Refusal.
        """

        def measure(judge):
            for _ in range(TRIES):
                began = time.monotonic()
                if not (what := check(judge, way)):
                    return time.monotonic() - began
                print(f"{self.step.name} as it is: {what} ({way.name})", flush=True)
            raise Refusal(f"{self.step.name} itself has to be green before its mutants are: {what} ({way.name}).", 1)

        with ThreadPoolExecutor(len(self.judges)) as executor:
            seconds = max(executor.map(measure, self.judges))
        print(f"{self.step.name} as it is: green ({way.name}) in {seconds:.1f} s", flush=True)
        return seconds

    def __enter__(self):
        """Return itself."""
        return self

    def __exit__(self, *error):
        """End the judges' processes."""
        for judge in self.judges:
            judge.end()
        self.folder.cleanup()
