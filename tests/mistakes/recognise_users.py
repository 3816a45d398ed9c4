"""Mistakes with users, middleware and the generic consumers."""

import ast
import re

from tests.mistakes.clues import BARE, where
from tests.mistakes.code import called, calls, raises, reaches
from tests.mistakes.recognisers import recognises


@recognises("no-auth-middleware")
def no_auth_middleware(clues):
    """The scope has no user, because no auth middleware stands around the router."""
    raised = clues.raised("KeyError", "^'user'$")
    if raised and raised.is_in_own_line and "scope" in raised.own[-1]["source"]:
        return {"where": raised.where, "source": raised.own[-1]["source"]}
    return None


@recognises("request-user")
def request_user(clues):
    """A consumer was written as if it were a view."""
    raised = (
        clues.raised("AttributeError", r"object has no attribute '(request)'")
        or clues.raised("AttributeError", r"^'dict' object has no attribute '(user|session|path|headers)'")
        or clues.raised("TypeError", r"^'(bool)' object is not callable")
    )
    is_call = raised and raised[1] == "bool" and "is_a" not in (raised.own[-1]["source"] if raised.own else "")
    if raised and raised.own and not is_call:
        return {"where": raised.where, "source": raised.own[-1]["source"]}
    return None


@recognises("anonymous-saved")
def anonymous_saved(clues):
    """Somebody who is not logged in was to be stored as a user."""
    raised = clues.raised(
        "ValueError", r'Cannot assign "<?.*(Lazy|Anonymous).*": "([\w.]+)" must be a "\w*User" instance'
    )
    return {"where": raised.where, "field": raised[2]} if raised and raised.own else None


@recognises("middleware-order")
def middleware_order(clues):
    """A middleware outside of AuthMiddlewareStack has put something of its own where that expects a lazy object."""
    raised = clues.raised("AttributeError", r"^'(\w+)' object has no attribute '_wrapped'")
    key = raised and re.search(r'scope\["(user|session)"\]', raised.error["frames"][-1]["source"])
    more = "; and put a user there, not a name" if raised and raised[1] == "str" else ""
    return {"what": raised[1], "key": key[1], "more": more} if key else None


@recognises("scope-is-bytes")
def scope_is_bytes(clues):
    """The query string or the headers of the scope were taken for texts, or for a dict."""
    words = r"query_string|headers|query_params|cookies"
    patterns = {
        "TypeError": r"bytes-like object is required|list indices must be integers|expected bytes|not bytes",
        "KeyError": r"^(b'[\w-]+'|'query_params')$",
    }
    for name, pattern in patterns.items():
        raised = clues.raised(name, pattern)
        if raised and raised.own and re.search(words, raised.own[-1]["source"]):
            return {"where": raised.where, "source": raised.own[-1]["source"]}
    return None


@recognises("no-return-after-close")
def no_return_after_close(clues):
    """The handler of the connection refuses, and goes on."""
    if clues.own_exceptions or not any("'websocket.close'" in event for event in clues.sent):
        return None
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        handler = trees.get("websocket_connect") or trees.get("connect")
        for node in ast.walk(handler) if handler else ():
            if isinstance(node, ast.If) and closes(node, trees) and not leaves(node, trees):
                after = [other for other in handler.body if other.lineno > node.end_lineno]
                if after and any(accepts(other) for other in after):
                    return {"where": f"{consumer['file']}, line {node.lineno}"}
    return None


def closes(node, trees):
    """Whether a part of a handler closes the connection, itself or through another method."""
    tree = ast.Module([node], [])
    names = {called(call) for call in ast.walk(tree) if isinstance(call, ast.Call)}
    return is_close(tree) or "close" in names or any(is_close(trees[name]) for name in names & set(trees))


def is_close(tree):
    return any(isinstance(node, ast.Constant) and node.value == "websocket.close" for node in ast.walk(tree))


def leaves(node, trees):
    """Whether a part of a handler ends the handler: it returns, raises, or calls a method that does."""
    if any(isinstance(inner, ast.Return | ast.Raise) for part in node.body for inner in ast.walk(part)):
        return True
    names = {called(call) for part in node.body for call in ast.walk(part) if isinstance(call, ast.Call)}
    return any(raises_stop(trees[name], trees) for name in names & set(trees))


def raises_stop(tree, trees, seen=()):
    if any(raises(tree, "StopConsumer")):
        return True
    names = {called(call) for call in ast.walk(tree) if isinstance(call, ast.Call)} & set(trees) - set(seen)
    return any(raises_stop(trees[name], trees, (*seen, name)) for name in names)


def accepts(node):
    constants = (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant))
    return "websocket.accept" in constants or any(calls(ast.Module([node], []), "accept"))


@recognises("disconnect-signature")
def disconnect_signature(clues):
    """disconnect of a generic consumer does not take the close code."""
    raised = clues.raised("TypeError", r"(\w+)\.(disconnect)\(\) takes 1 positional argument but 2 were given")
    method = raised and clues.method_of(raised[1], "disconnect")
    return {"consumer": raised[1], "where": where(method)} if method else None


def overridden(clues, *names):
    """Yield (consumer, method, shape) of the generic consumers that have a handler of these names of their own."""
    for name, consumer in clues.suspects().items():
        for method in names:
            if consumer["family"] not in BARE and method in consumer["methods"]:
                yield name, method, consumer["methods"][method]


@recognises("generic-websocket-disconnect")
def generic_websocket_disconnect(clues):
    """The generic consumer's own handler of the end was replaced, and with it StopConsumer."""
    if not re.search(r"still there|took too long|to end after", clues.message):
        return None
    for name, method, shape in overridden(clues, "websocket_disconnect"):
        tree = clues.function_at(shape["file"], shape["line"])
        if not any(raises(tree, "StopConsumer")) and not reaches(tree, {}, "websocket_disconnect"):
            return {"consumer": name, "method": method, "where": where(shape), "instead": "disconnect"}
    return None


@recognises("generic-websocket-connect")
def generic_websocket_connect(clues):
    """A generic consumer handles the raw event, and sends it a dict, which its `send` takes for a text."""
    wrong = any("'text': {'type'" in event for event in clues.sent)
    wrong = wrong or clues.raised("ValueError", "Socket has not been accepted")
    wrong = wrong or clues.raised("AttributeError", "'dict' object has no attribute 'encode'")
    for name, method, shape in overridden(clues, "websocket_connect", "websocket_receive") if wrong else ():
        instead = method.removeprefix("websocket_")
        return {"consumer": name, "method": method, "where": where(shape), "instead": instead}
    return None


@recognises("double-decode")
def double_decode(clues):
    """json.loads was given what is decoded already."""
    raised = clues.raised("TypeError", r"^the JSON object must be str, bytes or bytearray, not (dict|list)")
    return {"where": raised.where, "source": raised.own[-1]["source"]} if raised and raised.own else None


@recognises("subprotocol-not-answered")
def subprotocol_not_answered(clues):
    """A subprotocol was offered, and the accept names none."""
    asked = "chat_v1" in (clues.check or "") or "Sec-WebSocket-Protocol" in "".join(clues.lane("browser"))
    if not asked or clues.own_exceptions or any("'subprotocol': '" in event for event in clues.sent):
        return None
    for _, _, method, tree in clues.methods(clues.suspects()):
        for call in calls(tree, "accept"):
            if not call.args and not call.keywords:
                return {"where": f"{method['file']}, line {call.lineno}"}
    return None
