"""Whatever the command or the checks can say, some test has seen it said."""

import ast
from pathlib import Path

from tests.workbook.conftest import ROOT

SPEAKERS = [
    # The table in verbs.py is held as a whole, by test_cli.py.
    *(file for file in ROOT.glob("workbook/*.py") if file.name != "verbs.py"),
    # These two speak to a browser, and not to a reader.
    *(file for file in ROOT.glob("tests/support/*.py") if file.name not in ("browser.py", "picture.py")),
]
FEWEST_WORDS = 3  # what has fewer is no sentence
MOST_WORDS = 5  # so many in a row are enough to know one again
# What is no sentence, though it looks like one, has one of these in it.
CODE = ("\\", "|", "{port}", "import ", " or gs2 ", 'DATABASE "', " (FORCE)", "as_asgi", "Traceback", "only for this")


def strings(file):
    """Yield (line, text) of each piece of text in a Python file that is no docstring."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    docstrings = {body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.lineno, node.value


def test_every_sentence_is_expected_by_a_test():
    """If this fails: write the test that makes it say this, and look at what it says."""
    expected = " ".join(text for file in Path(__file__).parent.glob("*.py") for _, text in strings(file))
    expected = " ".join(words_of(expected))
    unseen = [
        f"{file.relative_to(ROOT)}, line {line}: {text}"
        for file in SPEAKERS
        for line, text in strings(file)
        if is_sentence(text) and not any(part in expected for part in parts_of(text))
    ]
    assert not unseen, "\n".join(["no test expects", *unseen])


def is_sentence(text):
    return len(words_of(text)) >= FEWEST_WORDS and not any(word in text for word in CODE)


def words_of(text):
    return [word for word in text.lower().split() if any(map(str.isalnum, word))]


def parts_of(text):
    words = words_of(text)
    count = min(len(words), MOST_WORDS)
    return [" ".join(words[at : at + count]) for at in range(len(words) - count + 1)]
