"""Mistakes in consumers: the handshake, handlers, events that are sent."""

import ast
import builtins
import difflib
import re

from tests.mistakes.clues import BARE, BROAD, SYNC, where
from tests.mistakes.code import FUNCTION, called, calls, raises, says
from tests.mistakes.recognisers import RECOGNISERS, recognises

# What handles an event that every consumer gets is not another one's handler, misspelt.
HANDLERS = {"websocket_connect", "websocket_receive", "websocket_disconnect"}
SENDABLE = {"websocket.accept", "websocket.send", "websocket.close"}
# The methods that only generic consumers have, and the event that a bare one sends in place of each.
GENERIC_ONLY = {
    "accept": "websocket.accept",
    "close": "websocket.close",
    "send_json": "websocket.send",
    "encode_json": "websocket.send",
}
TYPE = re.compile(r"'type': '([^']*)'")


@recognises("no-accept")
def no_accept(clues):
    """Nobody answered the handshake, nothing failed, and the handler of a consumer that does send sends no accept."""
    if not clues.nobody_answered_the_handshake or clues.sent or clues.own_exceptions or clues.waiting or clues.warnings:
        return None
    for name, consumer in clues.suspects().items():
        handler = consumer["methods"].get("websocket_connect") or consumer["methods"].get("connect")
        if handler is None or accepts(clues, name, handler):
            continue
        if any(True for _, _, _, tree in clues.methods({name: consumer}) for _ in calls(tree, "send", "accept")):
            return {"consumer": name, "where": where(handler)}
    return None


def accepts(clues, name, handler, seen=()):
    """Whether a method, or one that it calls on self, accepts the handshake."""
    tree = clues.function_at(handler["file"], handler["line"])
    if tree is None:
        return True
    # However it is put together: "accept" may be a part of it.
    if "accept" in ast.unparse(tree):
        return True
    names = {called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    methods = clues.consumers[name]["methods"]
    inner = names & set(methods) - set(seen)
    helpers = (each for other in names - set(methods) for each in clues.functions.get(other, ()))
    if any("accept" in ast.unparse(each) for each in helpers):
        return True
    return any(accepts(clues, name, methods[other], (*seen, other)) for other in inner)


@recognises("no-stopconsumer")
def no_stop_consumer(clues):
    """The consumer stayed after its client, is not busy, and nothing in its class raises StopConsumer."""
    for name, consumer, handler in stayed(clues):
        raised = [node for _, _, _, tree in clues.methods({name: consumer}) for node in raises(tree, "StopConsumer")]
        is_decorated = handler.name != "websocket_disconnect"
        if not raised and not is_decorated and not is_ended_elsewhere(clues, handler):
            return {"consumer": name, "where": where(consumer["methods"]["websocket_disconnect"])}
    return None


@recognises("stopconsumer-kept")
def stop_consumer_kept(clues):
    """The consumer stayed after its client, because an except of its own caught StopConsumer."""
    bases = clues.functions.get("websocket_disconnect", ())
    is_in_base = any(True for tree in bases for _ in raises(tree, "StopConsumer"))
    for name, consumer, handler in stayed(clues):
        file = consumer["methods"]["websocket_disconnect"]["file"]
        for path, tree in [(file, handler), *decorators_of(clues, handler)]:
            is_around = tree.name != "websocket_disconnect"
            for node in ast.walk(tree):
                catcher = catcher_of(node) if isinstance(node, ast.Try) else suppressor_of(node)
                body = ast.Module(node.body, []) if catcher else ast.Module([], [])
                is_caught = any(calls(body, "websocket_disconnect")) or (is_around and any(unknown_calls(clues, body)))
                if catcher and (any(raises(body, "StopConsumer")) or (is_in_base and is_caught)):
                    place = f"{path}, line {catcher.lineno}"
                    return {"consumer": name, "where": place, "source": ast.unparse(catcher).splitlines()[0]}
    return None


def decorators_of(clues, handler):
    """Yield (file, syntax tree) of the project's functions that decorate a handler."""
    names = {ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in handler.decorator_list}
    for path, module in clues.sources.items():
        for node in ast.walk(module):
            if isinstance(node, FUNCTION) and node.name in {name.rpartition(".")[2] for name in names}:
                yield path, node


def unknown_calls(clues, body):
    """Yield the calls of what is neither a builtin nor defined in the project: in a decorator, of what it decorates."""
    for node in ast.walk(body):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
        if name and name not in clues.functions and not hasattr(builtins, name):
            yield node


def catcher_of(node):
    """Return the `except` of a try that keeps StopConsumer for itself; None where the first that catches it raises."""
    for handler in node.handlers:
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {getattr(each, "id", None) or getattr(each, "attr", None) for each in types}
        if handler.type is None or names & {*BROAD, "StopConsumer"}:
            return None if any(isinstance(inner, ast.Raise) for inner in ast.walk(handler)) else handler
    return None


def suppressor_of(node):
    """Return the `with suppress(…)` that keeps StopConsumer, if this is one."""
    items = node.items if isinstance(node, ast.With) else ()
    made = (item.context_expr for item in items if isinstance(item.context_expr, ast.Call))
    names = {ast.unparse(argument) for call in made if called(call) == "suppress" for argument in call.args}
    return node if names & {*BROAD, "StopConsumer"} else None


def stayed(clues):
    """Yield (name, consumer, websocket_disconnect) of bare consumers, one of which stayed and is not busy."""
    pattern = r"consumer (was still there|to end after its client)|took too long to shut down"
    if not re.search(pattern, clues.message) or clues.waiting or clues.own_exceptions:
        return
    for name, consumer in clues.suspects().items():
        handler = consumer["methods"].get("websocket_disconnect")
        tree = clues.function_at(handler["file"], handler["line"]) if handler else None
        if tree is not None and consumer["family"] in BARE:
            yield name, consumer, tree


def is_ended_elsewhere(clues, tree, seen=()):
    """Whether what a handler calls, in a base class or a function of the project, may raise StopConsumer."""
    names = {called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)} - set(seen)
    if names & {"super", "websocket_disconnect"}:
        return True
    inner = [each for name in names for each in clues.functions.get(name, ())]
    return any(any(raises(each, "StopConsumer")) or is_ended_elsewhere(clues, each, (*seen, *names)) for each in inner)


@recognises("no-handler")
def no_handler(clues):
    """An event arrived for which the consumer has no method."""
    raised = clues.raised("ValueError", r"^No handler for message type (\S+)$")
    # A type that the client sent is another mistake: client-chooses-type.
    if not raised or any(text.startswith("→") and raised[1] in text for text in clues.lane("client")):
        return None
    wanted = raised[1].replace(".", "_")
    # A worker's consumer has no route that a client asks for.
    suspects = clues.consumers if raised.is_of_a_worker else clues.suspects()
    methods = {name for consumer in suspects.values() for name in consumer["methods"]} - HANDLERS
    near = difflib.get_close_matches(wanted, sorted(methods), 1, 0.75)
    hint = f" It has `{near[0]}`: is that the one?" if near else ""
    classes = {name for consumer in suspects.values() for name in consumer["made_of"]}
    if any(clues.defines(name, wanted) for name in classes):
        hint = f" A `def {wanted}` is there: does its decorator return a function?"
    consumer = "the worker's consumer" if raised.is_of_a_worker else " or ".join(suspects) or "the consumer"
    return {"type": raised[1], "wanted": wanted, "hint": hint, "consumer": consumer}


@recognises("send-string")
def send_string(clues):
    """Something was sent that is no dict, or send got what only a generic consumer's takes."""
    # By the class whose method it is: a generic consumer's send takes no dict.
    if raised := clues.raised("TypeError", rf"\b({'|'.join(BARE)})\.send\(\) (got an unexpected keyword|takes 2 pos)"):
        return {"what": "more than one dict", "where": raised.where} if raised.own else None
    for event in clues.sent:
        if not event.startswith("{"):
            return {"what": f"`{event[:40]}`", "where": first_send(clues)}
    return None


def first_send(clues):
    """Where the learner's consumer sends what is no dict, as far as the code shows it."""
    sends = {
        f"{method['file']}, line {call.lineno}"
        for _, _, method, tree in clues.methods(clues.suspects())
        for call in calls(tree, "send")
        if not call.args or not isinstance(call.args[0], ast.Dict)
    }
    return sends.pop() if len(sends) == 1 else "in one of the handlers"


@recognises("bare-consumer-accept")
def bare_consumer_accept(clues):
    """A method of the generic consumers was called on a bare one."""
    raised = clues.raised("AttributeError", rf"^'(\w+)' object has no attribute '({'|'.join(GENERIC_ONLY)})'")
    knows_no_json = raised and raised[2].endswith("_json") and "Json" not in clues.family_of(raised[1])
    if raised and (clues.family_of(raised[1]) in BARE or (knows_no_json and clues.family_of(raised[1]))):
        consumer, method = raised[1], raised[2]
        details = {"consumer": consumer, "family": clues.family_of(consumer), "where": raised.where}
        return details | {"method": method, "type": GENERIC_ONLY[method]}
    return None


@recognises("send-before-accept")
def send_before_accept(clues):
    """The first event that was sent is no accept, but a frame."""
    first = TYPE.search(clues.first_sent)
    refused = clues.raised("ValueError", "Socket has not been accepted, so cannot send over it")
    if (first and first[1] == "websocket.send") or refused:
        overridden = [
            name
            for name, consumer in clues.suspects().items()
            if consumer["family"] not in BARE and "websocket_connect" in consumer["methods"]
        ]
        return None if overridden else {"where": refused.where if refused and refused.own else handshake_of(clues)}
    return None


def handshake_of(clues):
    for consumer in clues.suspects().values():
        for name in ("websocket_connect", "connect"):
            if name in consumer["methods"]:
                return where(consumer["methods"][name])
    return "the handler of websocket.connect"


@recognises("close-before-accept")
def close_before_accept(clues):
    """The first answer to the handshake that was refused is a close of the consumer's."""
    if "refused" not in clues.message or answer_to_the_refused(clues) != "websocket.close":
        return None
    return {"where": handshake_of(clues)} if is_closed_by_consumer(clues) else None


def answer_to_the_refused(clues):
    """Return the type of the first accept or close that was sent after the last handshake before a refusal."""
    answers = []
    for _, lane, text in clues.evidence["timeline"]:
        kind = TYPE.search(text) if lane == "consumer" and text.startswith("→ ") else None
        if lane == "client" and "handshake /" in text:
            answers = []
        elif lane == "client" and "handshake was refused" in text:
            break
        elif kind and kind[1] in ("websocket.accept", "websocket.close"):
            answers.append(kind[1])
    return next(iter(answers), None)


def is_closed_by_consumer(clues):
    """Whether nothing but the consumer can have closed; a middleware can, if the handler accepts before it closes."""
    closes = [tree for tree in clues.sources.values() if any(says(tree, "websocket.close"))]
    methods = [tree for *_, tree in clues.methods()]
    inside = {node for tree in methods for node in says(tree, "websocket.close")}
    if all(node in inside for tree in closes for node in says(tree, "websocket.close")):
        return True
    return any(first_answer(clues, name) == "close" for name in clues.suspects())


def first_answer(clues, consumer):
    """Return "accept" or "close": which of them a consumer's handler of the handshake comes to first."""
    trees = {method: tree for _, method, _, tree in clues.methods({consumer: clues.consumers[consumer]})}
    handler = trees.get("websocket_connect") or trees.get("connect")
    return next(answers_in_order(handler, trees), None) if handler else None


def answers_in_order(tree, trees, seen=()):
    """Yield "accept" and "close" in the order in which a handler comes to them, through its own methods."""
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        name = called(node) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Constant) and node.value in ("websocket.accept", "websocket.close"):
            yield node.value.removeprefix("websocket.")
        elif name in trees and name not in seen:
            yield from answers_in_order(trees[name], trees, (*seen, name))
        elif name in ("accept", "close"):
            yield name


@recognises("no-type-key")
def no_type_key(clues):
    """An event without "type" was sent, to the client or to the layer."""
    if raised := clues.raised("ValueError", "Incoming message has no 'type' attribute"):
        return {"to": "the channel layer", "type": '"room.frame"'} if not raised.is_in_own_line else None
    if clues.raised("KeyError", r"^'type'$"):
        for event in clues.sent:
            if event.startswith("{") and "'type'" not in event:
                return {"to": f"the client, `{event}`", "type": '"websocket.send"'}
    return None


@recognises("unknown-send-type")
def unknown_send_type(clues):
    """An event was sent whose type no client knows."""
    for event in clues.sent:
        match = TYPE.search(event)
        if match and match[1] not in SENDABLE and not match[1].startswith("websocket.http."):
            if RECOGNISERS["type-collides"](clues) is not None:
                return None
            accepted = any("'websocket.accept'" in earlier for earlier in clues.sent)
            return {"type": match[1], "near": "websocket.send" if accepted else "websocket.accept"}
    return None


@recognises("bad-close-code")
def bad_close_code(clues):
    """A close with a code that no application may send."""
    for event in clues.sent:
        match = re.search(r"'websocket\.close'.*'code': (-?\d+)", event)
        if match and not is_close_code(int(match[1])):
            return {"code": match[1]}
    if match := re.search(r"invalid close code (-?\d+)", clues.log):
        return {"code": match[1]}
    return None


def is_close_code(code):
    return code == 1000 or 3000 <= code <= 4999


@recognises("text-or-bytes")
def text_or_bytes(clues):
    """A handler reads event["text"] of a binary frame, or event["bytes"] of a text."""
    raised = clues.raised("KeyError", r"^'(text|bytes)'$")
    if raised and raised.is_in_own_line and any("websocket.receive" in event for event in clues.arrived):
        source = raised.own[-1]["source"]
        if re.search(rf"""\[\s*["']{raised[1]}["']\s*\]""", source):
            other = "bytes" if raised[1] == "text" else "text"
            return {"key": raised[1], "other": other, "where": raised.where, "source": source}
    return None


@recognises("async-def-in-sync")
def async_def_in_sync(clues):
    """A handler of a sync consumer is an async def: its coroutine is made and thrown away."""
    for warning in clues.warnings:
        match = re.match(r"coroutine '(?:.*\.)?(\w+)\.(\w+)' was never awaited", warning["message"])
        if match and clues.family_of(match[1]) in SYNC:
            method = clues.method_of(match[1], match[2])
            if method and method["is_async"]:
                return {
                    "consumer": match[1],
                    "method": match[2],
                    "where": where(method),
                    "family": clues.family_of(match[1]),
                }
    return None


@recognises("mixin-behind")
def mixin_behind(clues):
    """A method of a class of hers is never run: another base class, which has one of that name, stands before it."""
    for consumer in clues.suspects().values():
        for hidden in consumer["never_run"]:
            return hidden
    return None
