"""Mistakes of order and time: coroutines, loops, blocking, what connections share."""

import ast
import re

from tests.mistakes.clues import called, calls, where
from tests.mistakes.recognise_consumers import own_exceptions
from tests.mistakes.recognisers import recognises

BLOCKING = {("time", "sleep"), ("requests", "get"), ("requests", "post"), ("urllib.request", "urlopen")}
BLOCKING |= {("subprocess", "run"), ("httpx", "get"), ("httpx", "post")}
NO_COROUTINE = r"object NoneType can't be used in 'await' expression|'NoneType' object can't be awaited"
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
TASKS = ("create_task", "ensure_future", "start_soon")


@recognises("never-awaited")
def never_awaited(clues):
    """A coroutine was made in an async def and thrown away, or used as if it were its result."""
    for warning in clues.warnings:
        match = re.match(r"coroutine '([\w.<>]+)' was never awaited", warning["message"])
        if match and (frame := warning["frame"]) and is_async_at(clues, frame):
            return thrown_away(clues, frame, match[1].rpartition(".")[2])
    raised = clues.raised("AttributeError", r"^'coroutine' object has no attribute '(\w+)'") or clues.raised(
        "TypeError", r"('coroutine' object is not|non-iterable coroutine object|Object of type coroutine is not)"
    )
    if raised and raised.own and is_async_at(clues, raised.own[-1]):
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
    functions = (node for tree in clues.sources.values() for node in ast.walk(tree) if hasattr(node, "decorator_list"))
    named = [node for node in functions if node.name == called(call)]
    return is_wrapper(call) or any(
        isinstance(node, ast.AsyncFunctionDef)
        or any("sync_to_async" in ast.unparse(each) for each in node.decorator_list)
        for node in named
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


def is_async_at(clues, frame):
    """Whether the line stands in an async def."""
    return isinstance(clues.function_around(frame), ast.AsyncFunctionDef)


@recognises("layer-without-async-to-sync")
def layer_without_async_to_sync(clues):
    """A method of the channel layer was called in a plain def: it made a coroutine that nobody awaits."""
    for warning in clues.warnings:
        frame = warning["frame"]
        if frame and "never awaited" in warning["message"] and re.search(r"layer\.\w+\(", frame["source"]):
            around = clues.function_around(frame)
            if isinstance(around, ast.FunctionDef) and clues.family_around(frame) not in ("", *ASYNC):
                return {"source": frame["source"], "where": where(frame)}
    return None


ASYNC = ("AsyncConsumer", "AsyncWebsocketConsumer", "AsyncJsonWebsocketConsumer")


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


@recognises("blocking-call")
def blocking_call(clues):
    """A blocking call stands in an async def of the consumer in question, and nothing failed with an exception."""
    if own_exceptions(clues) or clues.warnings:
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


def definitions(module, name):
    """Yield what gives this name a meaning in a module: functions, classes, assignments, arguments, at any depth."""
    for node in ast.walk(module):
        is_defined = isinstance(node, FUNCTION | ast.ClassDef) and node.name == name
        is_given = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name
        if is_defined or is_given or (isinstance(node, ast.arg) and node.arg == name):
            yield node


def direct_calls(tree):
    """Yield the calls of a function that are made in it, not in functions that are defined in it."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


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
    if not re.search(r"stop|still there|handshake|had ended", f"{clues.check} {clues.message}") or own_exceptions(
        clues
    ):
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


def reaches(tree, trees, wanted, seen=()):
    """Whether a method, or one that it calls, calls a function or method of this name."""
    names = {called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if wanted in names:
        return True
    inner = names & set(trees) - set(seen)
    return any(reaches(trees[name], trees, wanted, (*seen, name)) for name in inner)


@recognises("shared-state")
def shared_state(clues):
    """What belongs to one connection is kept where all have it; it shows only with two clients at the same time."""
    if own_exceptions(clues) or sum("handshake /" in text for text in clues.lane("client")) < 2:
        return None
    for route in clues.routes:
        if route["kind"] == "instance" and route["consumer"] in clues.suspects():
            return {"what": f"The route `{route['pattern']}` leads to one `{route['consumer']}` for all connections"}
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        for tree in trees.values():
            if shared := kept_on_class(tree, name, set(consumer["shared"]) - assigned(trees)):
                return {"what": f"`{shared}` belongs to the class `{name}`, so all its connections have the same one"}
    return None


def assigned(trees):
    """The attributes that the methods assign on self: each connection then has its own."""
    return {
        node.attr
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


def kept_on_class(tree, name, shared):
    """Return the attribute of the class that a method writes to, or None; `shared` are lists, dicts and sets on it."""
    owners = (name, "type(self)", "self.__class__", "cls")
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
    if not re.search(r"count|sixty|time", clues.check or "") or own_exceptions(clues):
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
