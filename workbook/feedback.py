"""How long a learner waits for a verdict: the part of make bench about `check` and `watch`."""

import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from workbook.checker import Checker
from workbook.copies import starting_point, write_files
from workbook.lesson import material_of
from workbook.steps import Step, all_steps
from workbook.watch import Watch, listen_for_saves

TIMES = 5
PATIENCE = 60  # seconds after which a measurement is given up


def measurements(root):
    """Yield (what is measured, the promised limit in seconds, a function that returns the seconds it took)."""
    for step in filter(material_of, all_steps(root)):
        yield f"{step.name} watch: save to what fails, median of {TIMES}", 0.3, lambda step=step: failing(root, step)
        yield f"{step.name} watch: save to all is right", 0.3, lambda step=step: right(root, step)[0]
        yield f"{step.name} watch: save to all is right on the wire", 1.5, lambda step=step: right(root, step)[1]
        yield f"{step.name} check --quick, from cold, median of {TIMES}", 1.2, lambda step=step: cold(root, step)


@contextmanager
def copy_of_finished(step):
    """Yield a copy of the finished step, as a Step."""
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*")
    with tempfile.TemporaryDirectory() as folder:
        yield Step(Path(shutil.copytree(step.folder, Path(folder) / step.folder.name, ignore=ignored)))


@contextmanager
def copy_just_begun(root, step):
    """Yield a copy as `start` makes it, in which the first task is still to be done, as a Step."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Step(Path(folder) / step.folder.name)
        write_files(copy.folder, starting_point(root, step))
        yield copy


class Clock(Watch):
    """A watch that draws nothing, and puts into `times_drawn` when it would have drawn a verdict."""

    def __init__(self, root, step, copy, checker):
        """As a Watch."""
        super().__init__(root, step, copy, checker)
        self.times_drawn = queue.Queue()

    def draw(self, note):
        """Remember the time, if there is a verdict."""
        self.drawn = self.finding()
        if self.drawn:
            self.times_drawn.put((time.perf_counter(), note == ""))

    def times(self):
        """Yield when each screen of one save would have been drawn."""
        is_last = False
        while not is_last:
            at, is_last = self.times_drawn.get(timeout=PATIENCE)
            yield at

    def ask(self):
        """Ask for the next round; what waits longer than the wire is not measured."""
        self.round += 1
        return self.round <= 2 and super().ask()

    def begin(self):
        """Begin to count rounds again."""
        self.round = 0
        super().begin()


def failing(root, step):
    """Return the median seconds from a save to the failure of a task that is not done yet."""
    return waits(root, step, copy_just_begun(root, step))[0]


def right(root, step):
    """Return the median seconds from a save of a right copy to the first verdict, and to the one with the wire."""
    return waits(root, step, copy_of_finished(step))


def waits(root, step, made):
    """Return the median seconds from a save to the first verdict, and to the last; `made` yields the copy to save."""
    with made as copy, Checker(root, step.name) as checker:
        listen_for_saves(copy.folder, checker.events)
        clock = Clock(root, step, copy, checker)
        watching = threading.Thread(target=clock.run, daemon=True)
        watching.start()
        file = copy.folder / next(path for path in material_of(step).hers if (copy.folder / path).exists())
        text = file.read_text(encoding="utf-8")
        first, last = [], []
        # The first rounds are not from a save: they show that the look-out is there, and warm everything up.
        for number in range(-1, TIMES):
            saved = time.perf_counter()
            if number >= 0:
                file.write_text(f"{text}# {number}\n", encoding="utf-8")
            told = list(clock.times())
            if number >= 0:
                first.append(told[0] - saved)
                last.append(told[-1] - saved)
            time.sleep(1)  # a pause as between two saves, and for the look-out to begin
        checker.events.put(("key", "q"))
        watching.join()
        return statistics.median(first), statistics.median(last)


def cold(root, step):
    """Return the median seconds of a check of all that needs no server, from the start of a process."""
    with tempfile.TemporaryDirectory() as folder, copy_of_finished(step) as copy:
        home = Path(folder)
        for path in root.iterdir():
            if path.name not in ("my", ".git"):
                (home / path.name).symlink_to(path)
        shutil.copytree(copy.folder, home / "my" / copy.folder.name)
        return statistics.median(seconds_of_check(home, step) for _ in range(TIMES))


def seconds_of_check(home, step):
    """Return the seconds of one check."""
    begin = time.perf_counter()
    command = [sys.executable, "-c", CHECK, str(home), step.name]
    subprocess.run(command, cwd=home, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE)
    return time.perf_counter() - begin


# The command as it is inside of .venv.
CHECK = """
import sys
import workbook.cli
workbook.cli.enter = lambda *arguments: None
sys.exit(workbook.cli.main(sys.argv[1], [sys.argv[2], "check", "--quick"]))
"""
