"""Mistakes with the settings that the checks change: read too early, or not at all."""

import ast
import re

from tests.mistakes.clues import where
from tests.mistakes.code import calls
from tests.mistakes.recognisers import recognises

# The settings, and the checks that make them small.
CHANGED = {
    "COUNT_INTERVAL": r"count|sixty|time",
    "HEARTBEAT": r"withdrawn|becomes_private|none_any_more|nobody_was_told_of|are_renewed|needs_no_session|is_lost",
    "MESSAGES_PER_SECOND": r"in_a_second|limit_is_of_the_user|private_messages_count",
}
# What stands in code that does already what the setting is for.
SHOWS = {"HEARTBEAT": "beat", "MESSAGES_PER_SECOND": "slow_down"}


@recognises("setting-read-early")
def setting_read_early(clues):
    """A setting was read when its module was imported: whoever changes it later is not heard."""
    name = setting_in_question(clues)
    for path, node in reads_of(name, clues) if name else ():
        at = {"file": path, "line": node.lineno}
        statement = clues.innermost_around(at, ast.Assign | ast.AnnAssign | ast.ImportFrom)
        if statement and not clues.function_around(at) and is_slept(name, statement, clues):
            return {"source": ast.unparse(statement), "where": where(at), "setting": name}
        # A default is computed once, too.
        function = clues.function_around(at)
        defaults = [*function.args.defaults, *function.args.kw_defaults] if function else []
        if any(node in ast.walk(default) for default in defaults if default):
            source = f"def {function.name}({ast.unparse(function.args)})"
            return {"source": source, "where": where(at), "setting": name}
    return None


def is_slept(name, statement, clues):
    """Whether what a statement makes of COUNT_INTERVAL is what somebody sleeps for; of other settings it always is."""
    if name != "COUNT_INTERVAL":
        return True
    if isinstance(statement, ast.ImportFrom):
        names = {each.asname or each.name for each in statement.names}
    else:
        targets = getattr(statement, "targets", None) or [statement.target]
        names = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    sleeps = (call for _, tree in own_code(clues) for call in calls(tree, "sleep", "wait", "wait_for", "call_later"))
    return any(getattr(node, "id", getattr(node, "attr", None)) in names for call in sleeps for node in ast.walk(call))


@recognises("setting-not-asked-for")
def setting_not_asked_for(clues):
    """What the setting is for is done, by a number of one's own."""
    name = setting_in_question(clues)
    if name not in SHOWS or any(reads_of(name, clues)):
        return None
    return {"setting": name} if any(SHOWS[name] in word for word in words_in(clues)) else None


def setting_in_question(clues):
    """Return the name of the setting that the failed check is about, None if it is about none."""
    if clues.own_exceptions:
        return None
    if re.search(r"got .*slow_down", clues.message):
        # Elsewhere the checks let everybody say as much as they can.
        return "MESSAGES_PER_SECOND"
    return next((name for name, checks in CHANGED.items() if re.search(checks, clues.check or "")), None)


def own_code(clues):
    """Yield (path, syntax tree) of all but the settings."""
    for path, tree in clues.sources.items():
        if not path.endswith("settings.py"):
            yield path, tree


def reads_of(name, clues):
    """Yield (path, node) wherever the setting is read."""
    for path, tree in own_code(clues):
        for node in ast.walk(tree):
            is_attribute = isinstance(node, ast.Attribute) and node.attr == name
            # As in getattr(settings, "HEARTBEAT").
            is_word = isinstance(node, ast.Constant) and node.value == name
            is_import = isinstance(node, ast.ImportFrom) and name in [each.name for each in node.names]
            if is_attribute or is_word or is_import:
                yield path, node


def words_in(clues):
    """Yield the names and texts in the project's code, in small letters."""
    for _, tree in own_code(clues):
        for node in ast.walk(tree):
            for word in (getattr(node, "name", None), getattr(node, "attr", None), getattr(node, "value", None)):
                if isinstance(word, str):
                    yield word.lower()
