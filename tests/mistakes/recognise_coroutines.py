"""Mistakes with coroutines: made and never awaited, awaited where there is none, run in a second event loop."""

import ast
import re

from tests.mistakes.clues import ASYNC, where
from tests.mistakes.code import called, thrown_calls
from tests.mistakes.recognisers import recognises

NO_COROUTINE = r"object NoneType can't be used in 'await' expression|'NoneType' object can't be awaited"


@recognises("never-awaited")
def never_awaited(clues):
    """A coroutine was made in an async def and thrown away, or used as if it were its result."""
    for warning in clues.warnings:
        match = re.match(r"coroutine '([\w.<>]+)' was never awaited", warning["message"])
        if match and (frame := warning["frame"]) and clues.is_async_at(frame):
            return thrown_away(clues, frame, match[1].rpartition(".")[2])
    raised = clues.raised("AttributeError", r"^'coroutine' object has no attribute '(\w+)'") or clues.raised(
        "TypeError",
        r"('coroutine' object is not|non-iterable coroutine object|of type coroutine is not|serialize 'coroutine')",
    )
    if raised and raised.own and clues.is_async_at(raised.own[-1]):
        return used_as_result(clues, raised.own[-1], raised[1] if "AttributeError" in raised.error["bases"] else None)
    return None


def thrown_away(clues, frame, name):
    """Return the line of a warning; where something else in it is awaited, only the call of that name."""
    nodes = nodes_at(clues, frame)
    if not any(isinstance(node, ast.Await) for node in nodes):
        return {"source": frame["source"], "where": where(frame), "more": ""}
    found = [call for call in unawaited(nodes) if called(call) == name or (name == "__call__" and is_wrapper(call))]
    return quoted(clues, frame, found)


def used_as_result(clues, frame, attribute):
    """Return the call that made the coroutine which a line uses: of this attribute, or else the only one there is."""
    nodes = nodes_at(clues, frame)
    if attribute:
        users = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == attribute]
        found = quoted(clues, frame, [call for user in users for call in made_by(clues, frame, user.value)])
        is_direct = any(isinstance(user.value, ast.Call) for user in users)
        # `await` binds less than the dot.
        return found and found | {"more": ", and parentheses around both" if is_direct else ""}
    made = [call for node in nodes for call in made_by(clues, frame, node)]
    return quoted(clues, frame, [call for call in made if makes_coroutine(clues, call)])


def nodes_at(clues, frame):
    """Return what stands in the statement around a frame's line, without the statements inside it."""
    waiting, nodes = [clues.innermost_around(frame, ast.stmt)], []
    while waiting:
        nodes.append(waiting.pop())
        inner = ast.iter_child_nodes(nodes[-1]) if nodes[-1] else ()
        waiting += [node for node in inner if not isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case)]
    return nodes


def unawaited(nodes):
    awaited = [node.value for node in nodes if isinstance(node, ast.Await)]
    return [node for node in nodes if isinstance(node, ast.Call) and node not in awaited]


def made_by(clues, frame, node):
    """Return [the call without await] that this expression is, or that was last given to it before; else []."""
    if not isinstance(node, ast.Name | ast.Attribute | ast.Call):
        return []
    if isinstance(node, ast.Call):
        return [node] if node in unawaited(nodes_at(clues, frame)) else []
    given = [
        each
        for each in ast.walk(clues.function_around(frame))
        if isinstance(each, ast.Assign) and each.lineno < frame["line"]
        if ast.unparse(node) in map(ast.unparse, each.targets)
    ]
    last = max(given, key=lambda each: each.lineno).value if given else None
    return [last] if isinstance(last, ast.Call) else []


def makes_coroutine(clues, call):
    """Whether an async def of this name, or one in a wrapper, stands in the project."""
    return is_wrapper(call) or any(
        isinstance(node, ast.AsyncFunctionDef)
        or any("sync_to_async" in ast.unparse(each) for each in node.decorator_list)
        for node in clues.functions.get(called(call), ())
    )


def is_wrapper(call):
    """Whether what is called has been made by database_sync_to_async, on the spot."""
    return isinstance(call.func, ast.Call) and called(call.func) in ("database_sync_to_async", "sync_to_async")


def quoted(clues, frame, found):
    """Return the only call that was found, as it was written; None when it could be one of several."""
    if len(set(found)) != 1:
        return None
    text = (clues.project / frame["file"]).read_text(encoding="utf-8")
    source = " ".join(ast.get_source_segment(text, found[0]).split())
    return {"source": source, "where": f"{frame['file']}, line {found[0].lineno}", "more": ""}


@recognises("layer-without-async-to-sync")
def layer_without_async_to_sync(clues):
    """A method of the channel layer was called in a plain def: it made a coroutine that nobody awaits."""
    for warning in clues.warnings:
        frame = warning["frame"]
        is_of_layer = re.search(r"ChannelLayer\.\w+' was never awaited", warning["message"])
        if frame and is_of_layer:
            around = clues.function_around(frame)
            if isinstance(around, ast.FunctionDef) and clues.family_around(frame) not in ("", *ASYNC):
                return {"source": frame["source"], "where": where(frame)}
    # A command has printed it, which does not tell where.
    raised = clues.raised("RuntimeWarning", r"^coroutine '\w*ChannelLayer\.(\w+)' was never awaited")
    thrown = [(file, call) for file, tree in clues.sources.items() for call in thrown_calls(tree, raised and raised[1])]
    if len(thrown) != 1:
        return None
    frame = {"file": thrown[0][0], "line": thrown[0][1].lineno}
    return None if clues.is_async_at(frame) else quoted(clues, frame, [thrown[0][1]])


@recognises("sync-def-in-async")
def sync_def_in_async(clues):
    """A handler, or a method that is awaited, is a plain def in an async consumer."""
    for warning in clues.warnings:
        # In a plain def of an async consumer nothing can be awaited.
        frame = warning["frame"]
        around = clues.function_around(frame) if frame else None
        if isinstance(around, ast.FunctionDef) and (family := clues.family_around(frame)) in ASYNC:
            consumer = next(iter(clues.made_of(clues.innermost_around(frame, ast.ClassDef).name)))
            place = f"{frame['file']}, line {around.lineno}"
            return {"consumer": consumer, "method": around.name, "where": place, "family": family}
    raised = clues.raised("TypeError", NO_COROUTINE)
    if not raised:
        return None
    wanted = re.findall(r"await self\.(\w+)\(", raised.own[-1]["source"]) if raised.is_in_own_line else None
    for consumer, name, method, _ in clues.methods(clues.suspects()):
        is_plain = not method["is_async"] and not method["is_wrapped"]
        if (
            is_plain
            and clues.family_of(consumer) in ASYNC
            and (name in wanted if wanted is not None else is_handler(name))
        ):
            return {"consumer": consumer, "method": name, "where": where(method), "family": clues.family_of(consumer)}
    return None


def is_handler(name):
    return not name.startswith("_") and ("_" in name or name in ("connect", "receive", "disconnect"))


@recognises("asyncio-run")
def asyncio_run(clues):
    """A second event loop was to be run inside the one that runs."""
    raised = clues.raised("RuntimeError", r"cannot be called from a running event loop|loop is (already )?running")
    return {"source": raised.own[-1]["source"], "where": raised.where} if raised and raised.own else None


@recognises("async-to-sync-in-loop")
def async_to_sync_in_loop(clues):
    """async_to_sync was called in async code."""
    raised = clues.raised("RuntimeError", "You cannot use AsyncToSync in the same thread as an async event loop")
    return {"source": raised.own[-1]["source"], "where": raised.where} if raised and raised.own else None
