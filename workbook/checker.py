"""The process that checks copies (tests/support/warm.py), seen from the one who asks it: questions in, news out."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from workbook.speech import Refusal

LIMIT = 8.5  # seconds that one check, or the loading of the project, may take without a word
# So many processes make the checks of one question: a check waits about as long as it computes.
MOST_PARTS = min(4, (os.cpu_count() or 1) + 1)


class Checker:
    """Asks a warm process to check a copy. Use it as a context manager; what comes is read with `next_news`.

    events: a queue of (kind, what); ours have the kind "news". Others may put theirs into it.
    """

    def __init__(self, root, step_name="", kept=None):
        """Start the process; root is the workbook's folder. With step_name it is for copies of this step only.

        kept: the folder for what saves time the next time, too; without, it is forgotten at the end.
        """
        self.root = root
        self.limit = LIMIT
        self.parts = MOST_PARTS
        self.events = queue.Queue()
        self.folder = tempfile.TemporaryDirectory(prefix="channels-workbook-", ignore_cleanup_errors=True)
        self.log = Path(self.folder.name) / "log"
        self.trouble = Path(self.folder.name) / "trouble"
        kept = kept or Path(self.folder.name) / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        self.arguments = [str(Path(self.folder.name) / "pytest"), str(kept), *filter(None, [step_name])]
        self.run = 0
        self.start()

    def start(self):
        """Start a process that waits for a question."""
        with self.trouble.open("ab") as trouble:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", *self.arguments],
                cwd=self.root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=trouble,
            )
        self.listener = threading.Thread(target=self.listen, args=(self.process,), daemon=True)
        self.listener.start()

    def listen(self, process):
        """Put what the process says into the queue; at its end, that too."""
        with process.stdout:
            for line in process.stdout:
                # A part of the checks that was ended, as by a new question, may have left half a line.
                with contextlib.suppress(json.JSONDecodeError):
                    self.events.put(("news", json.loads(line)))
        self.events.put(("news", {"news": "end", "of": process.pid}))

    def ask(self, copy, levels, tasks, is_proof=False, first=(), only=None, now=None):
        """Ask for the checks of a copy, by levels and tasks (None: what is of none); what was asked before ends.

        is_proof: no task waits for another, so that each is seen to fail by itself. first: names of checks that are
        made before the others. only: the ids of the checks to make of these, None for all. now: a file that is to name
        the check that is being made.
        """
        self.run += 1
        self.log.write_bytes(b"")
        request = {
            "run": self.run,
            "step": copy.name,
            "project": str(copy.folder),
            "levels": levels,
            "tasks": tasks,
            "all": is_proof,
            "first": [*first],
            "only": only,
            "now": now and str(now),
            "parts": self.parts,
            "limit": self.limit,
            "log": str(self.log),
        }
        if self.run > 1 and not hasattr(os, "fork"):
            # There a process answers one question only.
            self.end()
            self.start()
        # One that has ended says so in its last news, and why in `trouble`.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()

    def concerns(self, news):
        """Return whether news belong to what was asked last."""
        if "of" in news:
            return news["of"] == self.process.pid
        return news.get("run") == self.run

    def answers(self):
        """Yield the news of what was asked last, until its end."""
        while True:
            _, news = self.events.get()
            if self.concerns(news):
                self.refuse_if_it_never_ran(news)
                yield news
                if news["news"] == "end":
                    return

    def refuse_if_it_never_ran(self, news):
        """Raise Refusal if the process has ended by itself: a fault of the checks, not of the copy."""
        if "of" in news and hasattr(os, "fork"):
            said = self.trouble.read_text(encoding="utf-8", errors="replace").strip()
            raise Refusal(f"The checks themselves have failed. They said:\n{said[-2000:]}", 1)

    def printed(self):
        """Return what was printed past the checks: where a process stood that had to be ended, above all."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self):
        """End the process, and what it has started."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.join()

    def __enter__(self):
        """Return itself; `with` ends the process."""
        return self

    def __exit__(self, *error):
        """End the process."""
        self.end()
        self.folder.cleanup()
