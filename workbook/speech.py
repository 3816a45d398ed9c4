"""How the command speaks: a refusal in a sentence, and suggestions in the words of the one who called."""

import os
import sys
import textwrap

IMPLIED = ("about", "help")


class Refusal(Exception):
    """What is wrong and what to do about it, in a sentence or two; `status` is the exit status."""

    def __init__(self, sentence, status=2):
        super().__init__(sentence)
        self.status = status


def spell(verb, step="", **options):
    """Return the call as this user would type it: `make gs1 run PORT=8001`, or the same for python -m.

    An option that is True is a flag.
    """
    words = [step, "" if verb in IMPLIED else verb]
    if os.environ.get("WORKBOOK_FACE") == "make":
        given = [f"{name.upper()}={1 if value is True else value}" for name, value in options.items()]
        return " ".join(word for word in ["make", *words, *given] if word)
    given = [f"--{name}" if value is True else f"--{name} {value}" for name, value in options.items()]
    return " ".join(word for word in ["python -m workbook", *words, *given] if word)


def wants_colour():
    """Return whether stdout is a terminal whose user has not asked for plain text (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def wrapped(text, indent="", width=80):
    """Return a paragraph in lines of at most width columns, each with indent before it."""
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
