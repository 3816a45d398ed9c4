"""Edits of a page's script, token by token; Pygments, which pytest brings along, tells the tokens apart.

The syntax trees of Python packages for JavaScript are out of date or need a compiler's output; the pages' scripts are
small and of one style, and for what is edited here tokens are enough.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from pygments.lexers import JavascriptLexer
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, Punctuation, String, Whitespace

OPPOSITES = {
    **{"===": "!==", "!==": "===", "&&": "||", "||": "&&", "??": "&&", "??=": "=", "true": "false", "false": "true"},
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "+": "-", "-": "+", "*": "/", "/": "*", "%": "*"},
    **{"++": "--", "--": "++", "+=": "-=", "-=": "+=", "!": ""},
}
# A statement that begins so is of use for its effect, or ends its function.
BEGINS = re.compile(r"(?:return|await|this|[\w$]+)\b")
NOT_BEGINS = {"const", "let", "var", "function", "async", "class", "if", "else", "for", "while", "do", "switch", "case"}
OPEN, CLOSED = ("(", "[", "{", "${"), (")", "]", "}")
STRICT = '"use strict"'  # it changes nothing in a script without mistakes


@dataclass(frozen=True)
class Token:
    """A token of the script: where it begins, its kind for Pygments, its text."""

    at: int
    kind: object
    text: str

    @property
    def end(self):
        """Return where it ends."""
        return self.at + len(self.text)


def edits(text, lines=None):
    """Yield (operator, edited text), on whatever line it is: they are made in no time."""
    found = tokens(text)
    for operator, begin, end, new in (*of_tokens(found), *of_conditions(found, text), *of_statements(found)):
        yield operator, text[:begin] + new + text[end:]


def tokens(text):
    """Return the tokens, without space and comments."""
    lexer = JavascriptLexer(stripnl=False, ensurenl=False)
    found = (Token(*each) for each in lexer.get_tokens_unprocessed(text))
    return [token for token in found if token.kind not in Comment and token.kind not in Whitespace]


def of_tokens(found):
    """Yield (operator, begin, end, new) for what is edited by itself: operators, true and false, numbers, strings."""
    for token, after in pairwise([*found, Token(0, Whitespace, "")]):
        for operator, new in instead_of(token, after):
            yield operator, token.at, token.end, new


def instead_of(token, after):
    """Yield (operator, what is to stand in place of the token)."""
    if token.kind in Number:
        yield "number", str(number(token.text) + 1)
        yield "number", str(number(token.text) - 1)
    elif token.kind in String.Backtick:
        if token.text.strip(" `"):
            yield "string", f"XX{token.text}XX"
    elif token.kind in String and token.kind not in String.Interpol and token.kind not in String.Regex:
        if token.text != STRICT:
            yield "string", f"{token.text[0]}XX{token.text[1:-1]}XX{token.text[-1]}"
    elif (token.text, after.text) == ("?", "."):
        yield "swap", ""
    elif token.text in OPPOSITES and (token.kind in Operator or token.kind in Keyword.Constant):
        yield "swap", OPPOSITES[token.text]


def number(text):
    """Return the number that the text stands for."""
    return float(text) if "." in text else int(text, 0)


def of_conditions(found, text):
    """Yield (operator, begin, end, new) for each condition of an `if`: its opposite."""
    for at, token in enumerate(found):
        if token.text == "if" and token.kind in Keyword:
            last = matching(found, at + 1)
            if not has_an_opposite({each.text for each in found[at + 1 : last]}):
                begin, end = found[at + 1].at, found[last].end
                yield "negate", begin, end, f"(!{text[begin:end]})"


def has_an_opposite(words):
    """Return whether the edit of one token already turns a condition of these words into its opposite."""
    return bool(words & {"===", "!==", "!"}) and not words & {"&&", "||"}


def of_statements(found):
    """Yield (operator, begin, end, new) for each statement that can be left out: calls, assignments, returns."""
    for at, token in enumerate(found):
        if begins_statement(found, at):
            end = end_of_statement(found, at)
            if end is not None:
                yield "leave_out", token.at, end.at, ""


def begins_statement(found, at):
    """Return whether a statement of these kinds may begin at the token number `at`."""
    token, before = found[at], found[at - 1] if at else Token(0, Punctuation, ";")
    if not BEGINS.fullmatch(token.text) or token.text in NOT_BEGINS or token.kind in Literal:
        return False
    return (token.kind in Name or token.kind in Keyword) and (
        before.text in (";", "{", "}", "else") or (before.text == ")" and follows_condition(found, at - 1))
    )


def follows_condition(found, at):
    """Return whether the bracket that closes at the token number `at` is of an `if`, a `for` or a `while`."""
    depth = 0
    for number in range(at, -1, -1):
        depth += (found[number].text in CLOSED) - (found[number].text in OPEN)
        if depth == 0:
            return found[number - 1].text in ("if", "for", "while")
    return False


def end_of_statement(found, at):
    """Return the semicolon that ends the statement; None where a bracket around it ends first, as in an object."""
    depth = 0
    for token in found[at:]:
        if token.text == ";" and depth == 0:
            return token
        depth += (token.text in OPEN) - (token.text in CLOSED)
        if depth < 0:
            return None
    return None


def blocks(text):
    """Yield (begin, end) of each block of statements in a script: the places behind its `{` and before its `}`."""
    found = tokens(text)
    for before, (at, token) in zip(found, enumerate(found[1:], 1), strict=False):
        if token.text == "{" and before.text in (")", "=>", "else"):
            yield token.end, found[matching(found, at)].at


def matching(found, at):
    """Return the number of the token that closes the bracket at the token number `at`."""
    depth = 0
    for number in range(at, len(found)):
        depth += (found[number].text in OPEN) - (found[number].text in CLOSED)
        if depth == 0:
            return number
    raise ValueError(f"the bracket at {found[at].at} is never closed")
