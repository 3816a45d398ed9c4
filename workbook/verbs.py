"""What the command can do: one table, which the parser, the help and the suggestions all read."""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from workbook.speech import Refusal
from workbook.steps import Step


@dataclass(frozen=True)
class Option:
    """A `--name value` of a verb, or a bare `--name` if it is a flag. Make gives the value as NAME=value."""

    name: str
    help: str
    type: Any = str
    is_flag: bool = False


@dataclass(frozen=True)
class Verb:
    """A word that the command knows.

    function: "module:name", imported when the verb is called; it takes a Call and returns the exit status.
    of: what the verb is for: "step", "whole", or "both".
    needs: what has to be installed first: "run" (requirements.txt), "tests" or "mutation" (more), or "" for nothing.
    passes_words_to: the program that gets the words which the command does not know, if any.
    """

    name: str
    help: str
    function: str
    of: str
    needs: str = ""
    options: tuple[Option, ...] = ()
    passes_words_to: str = ""
    is_for_maintainers: bool = False

    def is_of(self, what):
        """Return whether the verb is for `what`, "step" or "whole"."""
        return self.of in (what, "both")

    def __call__(self, call):
        """Do it. Returns the exit status."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(module), name)(call)


@dataclass(frozen=True)
class Call:
    """One use of the command: the workbook's folder, the verb, and what was said with it."""

    root: Path
    verb: Verb
    step: Step | None = None
    options: dict[str, Any] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def port_number(text):
    """Return text as a port. Raises Refusal if it is none."""
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise Refusal(f"{text!r} is no port: give a number from 1 to 65535.")
    return int(text)


PORT = Option("port", "the port to listen on; 8000 if not given", type=port_number)
HOST = Option("host", "the address to listen on; 127.0.0.1 if not given, 0.0.0.0 for the whole network")
SINCE = Option("since", "the revision to compare the working tree with; HEAD if not given")
FROM = Option("from", "mine: go on from your own copy of the step before, not from the finished one")
BACK = Option("back", "bring back what was put aside last", is_flag=True)
QUICK = Option("quick", "check only what needs no server", is_flag=True)
ALL = Option("all", "check with servers, too, what earlier steps promised: some minutes", is_flag=True)
JSON = Option("json", "tell it as JSON, for programs", is_flag=True)
CHECK = Option("check", "change nothing, fail if something is stale", is_flag=True)

VERBS = (
    Verb("about", "what the step is, and what you can do next", "workbook.about:about", "step"),
    Verb("run", "start its server, with reload", "workbook.run:run", "step", "run", (PORT, HOST)),
    Verb("test", "check what it promises", "workbook.checks:test", "both", "tests", passes_words_to="pytest"),
    Verb("diff", "what it changes against the step before", "workbook.diff:diff", "step"),
    Verb(
        "start", "make a copy of your own in my/, to build it yourself", "workbook.start:start", "step", options=(FROM,)
    ),
    Verb("try", "serve your copy", "workbook.run:try_out", "step", "run", (PORT, HOST)),
    Verb("check", "check your copy, task by task", "workbook.check:check", "step", "tests", options=(QUICK, ALL, JSON)),
    Verb("watch", "check it at every save", "workbook.watch:watch", "step", "tests"),
    Verb("hint", "where to look, what is missing, the lines", "workbook.hint:hint", "step", "tests"),
    Verb("compare", "your copy beside the finished step", "workbook.compare:compare", "step"),
    Verb("reset", "put your copy aside, and begin again", "workbook.start:reset", "step", options=(FROM, BACK)),
    Verb(
        "carry",
        "take an edit of it through the later steps",
        "workbook.carry:carry",
        "step",
        options=(SINCE,),
        is_for_maintainers=True,
    ),
    Verb("help", "this page", "workbook.about:help_page", "whole"),
    Verb("progress", "all steps and tasks at a glance", "workbook.progress:progress", "whole", "tests"),
    Verb("lint", "check the style of the code", "workbook.checks:lint", "whole", "tests"),
    Verb(
        "prove",
        "the long checks: mistakes by name, other right solutions, what later steps keep",
        "workbook.checks:prove",
        "whole",
        "tests",
        passes_words_to="pytest",
        is_for_maintainers=True,
    ),
    Verb(
        "mutate",
        "find edits of the steps that no check notices",
        "workbook.checks:mutate",
        "both",
        "mutation",
        passes_words_to="the mutation",
        is_for_maintainers=True,
    ),
    Verb(
        "bench",
        "measure the steps under load",
        "workbook.bench:bench",
        "both",
        "tests",
        passes_words_to="the choice of measurements",
        is_for_maintainers=True,
    ),
    Verb(
        "lessons",
        "write the generated parts of the lessons",
        "workbook.lessons:lessons",
        "whole",
        options=(CHECK,),
        is_for_maintainers=True,
    ),
    Verb(
        "lock",
        "resolve the pinned requirements again",
        "workbook.lock:lock",
        "whole",
        passes_words_to="uv",
        is_for_maintainers=True,
    ),
)


def verbs_of(what):
    """Return the verbs for `what`, "step" or "whole", by name."""
    return {verb.name: verb for verb in VERBS if verb.is_of(what)}
