"""Mistakes of order and time: blocking, loops, tasks, what connections share, what comes too late or is too much."""

import ast
import re

from tests.mistakes.clues import ASYNC, where
from tests.mistakes.code import FUNCTION, called, calls, definitions, direct_calls, reaches
from tests.mistakes.recognisers import recognises

BLOCKING = {("time", "sleep"), ("requests", "get"), ("requests", "post"), ("urllib.request", "urlopen")}
BLOCKING |= {("subprocess", "run"), ("httpx", "get"), ("httpx", "post")}
TASKS = ("create_task", "ensure_future", "start_soon")


@recognises("blocking-call")
def blocking_call(clues):
    """A blocking call stands in an async def of the consumer in question, and nothing failed with an exception."""
    if clues.own_exceptions or clues.warnings:
        return None
    for _, _, method, tree in clues.methods(clues.suspects()):
        if isinstance(tree, ast.AsyncFunctionDef):
            for file, call, inside in calls_reached(clues, method["file"], tree):
                if (full := full_name(clues, file, call)) in BLOCKING:
                    inside = f"in `{inside}`, which an `async def` calls" if inside else "inside an `async def`"
                    return {"call": ".".join(full), "where": f"{file}, line {call.lineno}", "inside": inside}
    return None


def calls_reached(clues, file, tree, path=()):
    """Yield (file, call, function) of the calls that a function makes, in it or in a function that it calls."""
    for call in direct_calls(tree):
        yield file, call, path[-1] if path else None
        name = call.func.id if isinstance(call.func, ast.Name) else None
        if name is None or name in path:
            continue
        meanings = [(where, node) for where, module in clues.sources.items() for node in definitions(module, name)]
        # Only what is certainly meant, and not in a wrapper, which may take it to a thread.
        if len(meanings) == 1 and isinstance(meanings[0][1], FUNCTION) and not meanings[0][1].decorator_list:
            yield from calls_reached(clues, *meanings[0], (*path, name))


def full_name(clues, file, call):
    """Return (module, name) of what is called, by the file's imports."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return ast.unparse(function.value), function.attr
    for node in ast.walk(clues.sources[file]):
        if isinstance(node, ast.ImportFrom) and isinstance(function, ast.Name):
            for name in node.names:
                if (name.asname or name.name) == function.id:
                    return node.module, name.name
    return None, called(call)


@recognises("endless-loop")
def endless_loop(clues):
    """A handler of an async consumer does not return, because it loops; nothing runs in a task of its own."""
    for frame in clues.waiting:
        function = clues.function_around(frame)
        if isinstance(function, ast.AsyncFunctionDef) and loop_around(function, frame["line"]):
            return {"method": function.name, "where": where(frame)}
    is_about_an_end = re.search(r"stop|still there|handshake|had ended", f"{clues.check} {clues.message}")
    if not is_about_an_end or clues.own_exceptions:
        return None
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        if consumer["family"] not in ASYNC or any(any(calls(tree, *TASKS)) for tree in trees.values()):
            continue
        for method, tree in trees.items():
            if method in ("websocket_connect", "websocket_receive", "connect", "receive") and loops(tree, trees):
                return {"method": method, "where": where(consumer["methods"][method])}
    return None


def loop_around(tree, line):
    """Return the innermost loop in the syntax tree that holds this line and may go on: a while, or one that sleeps."""
    inside = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.While) or (isinstance(node, ast.For | ast.AsyncFor) and any(calls(node, "sleep")))
        if node.lineno <= line <= node.end_lineno
    ]
    return inside[-1] if inside else None


def loops(tree, trees, seen=()):
    """Whether a method, or one that it awaits, sleeps in a loop."""
    for node in ast.walk(tree):
        if isinstance(node, ast.While | ast.For) and any(calls(node, "sleep")):
            return True
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            name = called(node.value)
            if name in trees and name not in seen and loops(trees[name], trees, (*seen, name)):
                return True
    return False


@recognises("task-left")
def task_left(clues):
    """The consumer has made a task, and its disconnect handler cancels none."""
    if not re.search(r"task is left|after the end", (clues.check or "").replace("_", " ")):
        return None
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        handler = trees.get("websocket_disconnect") or trees.get("disconnect")
        makes_tasks = any(any(calls(tree, *TASKS)) for tree in trees.values())
        if handler and makes_tasks and not reaches(handler, trees, "cancel"):
            return {"consumer": name, "where": where(consumer["methods"][handler.name])}
    return None


@recognises("shared-state")
def shared_state(clues):
    """What belongs to one connection is kept where all have it; it shows only with two clients at the same time."""
    if clues.own_exceptions or sum("handshake /" in text for text in clues.lane("client")) < 2:
        return None
    for route in clues.routes:
        if route["kind"] == "instance" and route["consumer"] in clues.suspects():
            what = f"The route `{route['pattern']}` leads to one `{route['consumer']}` for all connections"
            return {"what": what, "how": f"`{route['consumer']}.as_asgi()` makes a consumer for each connection."}
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        for tree in trees.values():
            if shared := kept_on_class(tree, consumer["made_of"], set(consumer["shared"]) - assigned(trees)):
                what = f"`{shared}` is an attribute of a class, so all connections of `{name}` have the same one"
                return {"what": what, "how": f"Set `self.{shared}` to a new one when the handshake arrives."}
    return None


def assigned(trees):
    """The attributes that the methods assign on self: each connection then has its own."""
    return {
        node.attr
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


def kept_on_class(tree, names, shared):
    """Return the attribute of a class of these names that a method writes to; `shared` are lists, dicts and sets."""
    owners = (*names, "type(self)", "self.__class__", "cls")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) in owners:
            return node.attr
        target = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            target = node.value
        elif isinstance(node, ast.Call) and called(node) in ("append", "add", "update", "extend", "setdefault"):
            target = getattr(node.func, "value", None)
        if (
            isinstance(target, ast.Attribute)
            and ast.unparse(target.value) in ("self", *owners)
            and target.attr in shared
        ):
            return target.attr
    return None


@recognises("hard-coded-interval")
def hard_coded_interval(clues):
    """A counter sleeps for a number of its own, not for COUNT_INTERVAL."""
    if not re.search(r"count|sixty|time", clues.check or "") or clues.own_exceptions:
        return None
    for _, _, method, tree in clues.methods(clues.suspects()):
        for call in calls(tree, "sleep"):
            if call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value:
                return {"source": ast.unparse(call), "where": f"{method['file']}, line {call.lineno}"}
    return None


@recognises("send-after-close")
def send_after_close(clues):
    """The consumer sent something after its close."""
    one_client = sum("handshake /" in text for text in clues.lane("client")) == 1
    closes = [at for at, event in enumerate(clues.sent) if "'websocket.close'" in event]
    accepted = any("'websocket.accept'" in event for event in clues.sent)
    # Who accepts after a close has gone on after a refusal.
    if "'websocket.accept'" in " ".join(clues.sent[closes[0] :] if closes else ()):
        return None
    if one_client and accepted and closes and closes[0] < len(clues.sent) - 1:
        return {"event": f"`{clues.sent[closes[0] + 1]}`"}
    raised = clues.raised("Disconnected", "Attempt to send on a closed protocol")
    return {"event": f"`{raised.own[-1]['source']}`"} if raised and raised.own else None


@recognises("input-unchecked")
def input_unchecked(clues):
    """What a client may well send made a handler raise."""
    patterns = {
        "ValueError": r"^invalid literal for int\(\)|^could not convert string to float",
        "JSONDecodeError": "",
        "RecursionError": "",
        "KeyError": r"^'(?!text'|bytes'|type')\w+'$",
        "TypeError": r"indices must be integers|is not subscriptable|JSON object must be str.*not NoneType|int\(\) arg",
        "AttributeError": r"^'(list|str|int|float|NoneType|bool)' object has no attribute '(get|items|keys)'",
    }
    for name, pattern in patterns.items():
        raised = clues.raised(name, pattern)
        if raised and raised.own and any("receive" in (frame["function"] or "") for frame in raised.own):
            frame = raised.own[-1]
            if name == "KeyError" and "url_route" in frame["source"]:
                return None
            # What is her own is not to be blamed on the client; and before gs4 no frame is JSON.
            is_her_own = re.search(r"\bself\.\w+(\[[^\]]*\])*\[", frame["source"]) and name in ("KeyError", "TypeError")
            if is_her_own or (name in ("JSONDecodeError", "RecursionError") and clues.step in ("gs1", "gs2", "gs3")):
                return None
            sent = [text[2:] for text in clues.lane("client") if text.startswith("→ ") and "handshake" not in text]
            return {"frame": sent[-1] if sent else "", "source": frame["source"], "where": where(frame), "error": name}
    return None


@recognises("message-too-large")
def message_too_large(clues):
    """daphne ended the connection over which more than 1 MiB went at once."""
    raised = clues.raised("PayloadExceededError", r"with size (\d+) exceeding")
    if raised:
        return {"size": f"{int(raised[1]):,} bytes"}
    sizes = [int(match[1].replace(",", "")) for text in clues.lane("client") if (match := SIZE.search(text))]
    lost = any("close 1006" in text for text in clues.lane("client")) and not clues.raised("Exception")
    return {"size": f"{max(sizes):,} characters"} if lost and max(sizes, default=0) > ONE_MIB else None


ONE_MIB = 1024 * 1024
SIZE = re.compile(r"\(([\d,]+) characters\)")
