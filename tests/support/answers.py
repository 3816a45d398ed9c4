"""What came from a step: JSON of which it is told in a sentence what is missing, and statuses of HTTP."""

import json

from tests.support.timeline import shorten


class Answer(dict):
    """An object of JSON."""

    def __missing__(self, key):
        raise AssertionError(f"there is no {key!r} in {shorten(repr(self))}")


class Status(int):
    """The status of an answer to an HTTP request; a comparison that fails shows it as such."""

    __str__ = int.__repr__

    def __repr__(self):
        return f"HTTP {self}"


def decoded(text):
    """Return what a text of JSON means; its objects are Answers. Raises AssertionError if it is no JSON."""
    try:
        return json.loads(text, object_hook=Answer)
    except ValueError:
        raise AssertionError(f"expected JSON, got {shorten(repr(text))}") from None
