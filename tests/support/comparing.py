"""What is said of a comparison that is wrong. What there is stands on its left, what there should be on its right."""

import ast
import contextlib
import re

from tests.support.timeline import LONGEST_PAYLOAD, shorten

LONGEST = 160  # characters of one side: two have room on a screen

NO = {
    "==": ", not ",
    "!=": " is the same as ",
    "in": " is not in ",
    "not in": " is in ",
    "is": ", not ",
    "is not": " is ",
    "<": " is not less than ",
    "<=": " is more than ",
    ">": " is not more than ",
    ">=": " is less than ",
}


def compared(op, left, right):
    """Return in a line what there is, and what there should be; of long lists and dicts only where they differ."""
    if op == "==" and max(len(repr(left)), len(repr(right))) > LONGEST_PAYLOAD:
        if isinstance(left, list) and isinstance(right, list):
            return lists_compared(left, right)
        left, right = without_the_same(left, right)
    return f"{said(left)}{NO[op]}{said(right)}"


def lists_compared(left, right):
    """Return how many there are, where that is wrong, and the first that differs."""
    numbers = [str(len(each) or "none") for each in (left, right)]
    how_many = "" if len(left) == len(right) else f"{numbers[0]} of them, not {numbers[1]}: "
    for number, pair in enumerate(zip(left, right, strict=False), 1):
        if pair[0] != pair[1]:
            return f"{how_many}number {number} is {compared('==', *without_the_same(*pair))}"
    if len(left) < len(right):
        return f"{how_many}number {len(left) + 1} should be {said(right[len(left)])}"
    return f"{how_many}number {len(right) + 1} is {said(left[len(right)])}"


def said(value):
    return shorten(repr(value), LONGEST)


def without_the_same(left, right):
    """Return both without the items that two dicts have in common."""
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return left, right
    same = {key for key in left.keys() & right.keys() if left[key] == right[key]}
    return [{key: value for key, value in each.items() if key not in same} for each in (left, right)]


def of_a_page(text):
    """Return in a line what Playwright says in many, of which the first does not tell what there is on the page.

    None if the text is none of Playwright's.
    """
    # The element itself says more than how it was looked for.
    elements = re.findall(r" to (<(?!html).+>)$", text, re.MULTILINE)
    what = elements or re.findall(r"waiting for (.+)", text)
    what = shorten(element_in_words(what[-1]), LONGEST) if what else "its URL"
    if waited := re.match(r"Locator\.(\w+): Timeout (\d+)ms", text):
        return f"On the page {what} could not be used within {int(waited[2]) / 1000:g} s ({waited[1]})."
    expected = re.match(r"(?:Locator|Page URL) expected (.+)", text)
    if not expected:
        return None
    actual = re.search(r"^Actual value: (.*?)\s*^(?:Error|Call log):", f"{text}\nError:", re.MULTILINE | re.DOTALL)
    is_there = actual and (elements or actual[1] != "None")
    end = f"and was: {shorten(' '.join(actual[1].split()), LONGEST)}" if is_there else "and is not there"
    wanted = PATTERN.sub(as_written, expected[1])
    return f"On the page {what} was expected {shorten(wanted, LONGEST)}, {end.removesuffix('.')}."


# How Playwright writes what it looks for, and how that is said.
TEXT = r'"((?:[^"\\]|\\.)*)"'
LOOKED_FOR = {
    rf"locator\({TEXT}\)": r"`\1`",
    rf"get_by_role\({TEXT}, name={TEXT}.*\)": r'the \1 "\2"',
    rf"get_by_label\({TEXT}.*\)": r'the field "\1"',
    rf"get_by_role\({TEXT}\)": r"the \1",
}


def element_in_words(locator):
    """Return what Playwright was looking for, the innermost first; a part that is none of these as it is."""
    parts = re.split(r"\.(?=(?:get_by_\w+|locator|filter|nth)\()", locator.removesuffix(".first"))
    for number, part in enumerate(parts):
        for pattern, words in LOOKED_FOR.items():
            if found := re.fullmatch(pattern, part):
                parts[number] = found.expand(words).replace('\\"', '"')
    return " in ".join(reversed(parts))


# How Playwright quotes a compiled pattern: its text is Python's, with each backslash doubled.
PATTERN = re.compile(r"""'re\.compile\((['"].*['"])(?:, ([\w.|]+))?\)'""", re.DOTALL)


def as_written(quoted):
    """Return a quoted pattern as /…/; as it is, if Python has cut it."""
    with contextlib.suppress(SyntaxError, ValueError):
        return f"/{ast.literal_eval(quoted[1])}/{'i' if 'IGNORECASE' in (quoted[2] or '') else ''}"
    return quoted[0]
