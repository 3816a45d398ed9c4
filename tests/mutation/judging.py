"""The trial of the mutants: each in a copy of its step, by the cheapest checks first, up to the first that fails."""

import contextlib
import os
import queue
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import source_of
from tests.mutation.report import LATE
from workbook.checker import Checker
from workbook.lesson import material_of
from workbook.speech import Refusal
from workbook.steps import Step
from workbook.verdict import CORE, FAILED, NOT_CHECKED, REST, SLOW, WIRE

# A mutant is late when it takes so much longer than the step as it is: a busy machine is no mistake.
TIMES, SECONDS_MORE = 5, 15


@dataclass(frozen=True)
class Way:
    """Checks that are run together: their levels (as in tests/support/telling.py), and their mark, if not all."""

    name: str
    levels: tuple
    mark: str | None = None


# From the cheapest to the dearest. A page's script is seen by no check without a browser.
WAYS = {
    ".py": (Way("process", (CORE, REST)), Way("wire", (WIRE,)), Way("services", (SLOW,))),
    ".js": (Way("browser", (SLOW,), "browser"),),
}


class Judge:
    """A copy of the step, and a warm process that checks it."""

    def __init__(self, root, step, folder):
        """Make the copy in `folder`; what the checks leave behind goes into a folder there too."""
        self.tasks = [*material_of(step).tasks, None]
        self.step = step
        self.litter = folder / "litter"
        ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*", ".*")
        self.copy = Step(shutil.copytree(step.folder, folder / step.folder.name, ignore=ignored))
        self.litter.mkdir()
        # PostgreSQL is another user, who has to get at its data.
        for path in (folder, self.litter):
            path.chmod(0o755)
        with temporary_folder(self.litter):
            self.checker = Checker(root, step.name)

    def try_out(self, mutant, way, limit):
        """Return what has found the mutant, a check's name or in words, or None if it lives. `limit` in seconds."""
        file = source_of(self.copy, mutant)
        file.write_text(mutant.text, encoding="utf-8")
        try:
            return self.first_failure(way, limit)
        finally:
            shutil.copyfile(source_of(self.step, mutant), file)

    def first_failure(self, way, limit=None):
        """Check the copy as it is. Returns what went wrong first, or None. `limit` in seconds."""
        self.checker.ask(self.copy, way.levels, self.tasks, is_proof=True, mark=way.mark)
        late = ("news", {"news": "late", "run": self.checker.run})
        timer = threading.Timer(limit or 3600, self.checker.events.put, [late])
        timer.start()
        try:
            found = self.listen()
        finally:
            timer.cancel()
        if SLOW in way.levels:
            self.clean_up()
        return found

    def listen(self):
        """Return what the news tell of the first failure, None if there is none."""
        is_done = False
        with contextlib.closing(self.checker.answers()) as answers:
            for news in answers:
                kind = news["news"]
                if kind == "broken":
                    return f"it does not load: {news['error']}"
                if kind == "late":
                    return LATE
                if kind == "result" and news["outcome"] == FAILED:
                    return name_of(news["id"])
                if kind == "result" and news["outcome"] == NOT_CHECKED:
                    return f"{name_of(news['id'])} could not be checked: {news['reason']}"
                is_done = is_done or kind == "done"
        return None if is_done else "it ended Python, or hung"

    def clean_up(self):
        """End what still runs, and remove what servers that were killed have left."""
        self.checker.ask(self.copy, [], [])
        with contextlib.closing(self.checker.answers()) as answers:
            for _ in answers:
                pass
        for path in self.litter.iterdir():
            shutil.rmtree(path, ignore_errors=True)


def name_of(check):
    """Return the name of a check, with its parameters, from its node id."""
    return check.rpartition("::")[2]


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


class Court:
    """Several judges for one step, who work side by side. Use it as a context manager."""

    def __init__(self, root, step, workers):
        self.folder = tempfile.TemporaryDirectory(prefix="channels-workbook-", ignore_cleanup_errors=True)
        Path(self.folder.name).chmod(0o755)
        self.step = step
        self.idle = queue.Queue()
        self.workers = workers
        for number in range(workers):
            folder = Path(self.folder.name) / str(number)
            folder.mkdir()
            self.idle.put(Judge(root, step, folder))
        self.limits = {}

    def fates(self, mutants, tell, no_further=()):
        """Return {mutant: (way's name, what found it)}, (None, None) for those that live.

        tell(mutant, way's name, what) is called for each as soon as it is known. Mutants in `no_further` are checked
        by the first way only.
        """
        fates = {}
        for suffix, ways in WAYS.items():
            left = [mutant for mutant in mutants if mutant.path.endswith(suffix)]
            for way in ways:
                if left:
                    self.measure(way)
                found = self.side_by_side(left, way, tell)
                fates |= {mutant: (way.name, what) for mutant, what in found.items() if what}
                left = [mutant for mutant in left if mutant not in fates and mutant not in no_further]
        return {mutant: fates.get(mutant, (None, None)) for mutant in mutants}

    def side_by_side(self, mutants, way, tell):
        """Return {mutant: what found it, or None}, for one way of checking."""

        def judge(mutant):
            with self.judge() as judge:
                what = judge.try_out(mutant, way, self.limits[way])
            tell(mutant, way.name, what)
            return what

        with ThreadPoolExecutor(self.workers) as executor:
            return dict(zip(mutants, executor.map(judge, mutants), strict=True))

    def measure(self, way):
        """Check the step as it is, which sets the limit for mutants. Raises Refusal unless every check passes."""
        began = time.monotonic()
        with self.judge() as judge:
            what = judge.first_failure(way)
        if what:
            raise Refusal(f"{self.step.name} itself has to be green before mutants are: {what} ({way.name}).", 1)
        seconds = time.monotonic() - began
        self.limits[way] = TIMES * seconds + SECONDS_MORE
        print(f"{self.step.name} as it is: green by {way.name} in {seconds:.1f} s", flush=True)

    @contextlib.contextmanager
    def judge(self):
        """Lend a judge who has nothing to do."""
        judge = self.idle.get()
        try:
            yield judge
        finally:
            self.idle.put(judge)

    def __enter__(self):
        """Return itself."""
        return self

    def __exit__(self, *error):
        """End the judges' processes."""
        for _ in range(self.workers):
            self.idle.get().checker.__exit__(None, None, None)
        self.folder.cleanup()
