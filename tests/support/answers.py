"""JSON that came from a step. What is missing in it is told in a sentence: a KeyError would be nobody's."""

import json

from tests.support.timeline import shorten


class Answer(dict):
    """An object of JSON."""

    def __missing__(self, key):
        raise AssertionError(f"there is no {key!r} in {shorten(repr(self))}")


def decoded(text):
    """Return what a text of JSON means; its objects are Answers. Raises AssertionError if it is no JSON."""
    try:
        return json.loads(text, object_hook=Answer)
    except ValueError:
        raise AssertionError(f"expected JSON, got {shorten(repr(text))}") from None
