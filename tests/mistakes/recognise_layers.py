"""Mistakes with channel layers and groups."""

import ast
import difflib
import re
from urllib.parse import unquote

from tests.mistakes.code import called, calls, reaches
from tests.mistakes.recognise_project import unrouted
from tests.mistakes.recognisers import recognises

LAYER = "group_add|group_send|group_discard|send|receive|new_channel"
LETTERS = r"A-Za-z0-9\-_."
# Names of methods that a consumer has anyway, so that an event of this type runs them.
BUILT_IN = ("send", "dispatch", "websocket.receive", "websocket.connect", "websocket.disconnect")


def room_of(clues):
    """The room that the check asked for, as a person would write it."""
    return unquote(clues.path).removeprefix((clues.route or "/").lstrip("/")).partition("?")[0].removesuffix("/")


@recognises("bad-group-name")
def bad_group_name(clues):
    """A group's name has characters, or a length, that no layer takes."""
    raised = clues.raised("TypeError", "^Group name must be a valid unicode string")
    if not raised or not raised.own or swapped(clues):
        return None
    return {"where": raised.where, "source": raised.own[-1]["source"], "why": why_not_a_group(room_of(clues))}


def why_not_a_group(room):
    if odd := re.findall(rf"[^{LETTERS}]", room):
        return f"The room here is `{room[:40]}`, and `{odd[0]}` is none of them."
    if len(room) > 90:
        return f"The room here has {len(room)} characters."
    return f"The room here, `{room}`, would do as a name: something else in the group's name is not allowed."


@recognises("group-add-arguments")
def group_add_arguments(clues):
    """group_add has its arguments the wrong way round, or adds something that is no channel."""
    if clues.raised("TypeError", "^(Group|Channel) name must be") and (call := swapped(clues)):
        return {"what": "has its arguments the wrong way round", **place(call)}
    if not clues.own_exceptions:
        for file, call, arguments in joins(clues):
            if len(arguments) == 2 and isinstance(arguments[1], ast.Constant | ast.JoinedStr):
                return {"what": "adds a text of your own, not a channel", **place((file, call))}
            if len(arguments) == 2 and re.fullmatch(r"self\.(room\w*|group\w*|name)", ast.unparse(arguments[1])):
                return {"what": f"adds `{ast.unparse(arguments[1])}`, which is no channel", **place((file, call))}
    return None


def swapped(clues):
    for file, call, arguments in joins(clues):
        if arguments and ast.unparse(arguments[0]).endswith("channel_name"):
            return file, call
    return None


def place(found):
    file, call = found
    return {"source": ast.unparse(call), "where": f"{file}, line {call.lineno}"}


def joins(clues):
    """Yield (file, call, arguments) of the group_add of the consumers in question, awaited or through async_to_sync."""
    for _, _, method, tree in clues.methods(clues.suspects()):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            through = isinstance(node.func, ast.Call) and called(node.func) == "async_to_sync" and node.func.args
            name = getattr(node.func.args[0], "attr", None) if through else called(node)
            if name == "group_add" and node.args:
                yield method["file"], node, node.args


@recognises("no-channel-layers")
def no_channel_layers(clues):
    """There is no channel layer, because the setting is missing, misspelt or without "default"."""

    raised = clues.raised("AttributeError", rf"^'NoneType' object has no attribute '({LAYER})'")
    raised = raised or clues.raised("AttributeError", r"object has no attribute '(channel_name)'")
    layers = clues.settings.get("CHANNEL_LAYERS")
    if not raised or not raised.own or (isinstance(layers, dict) and "default" in layers):
        return None
    near = difflib.get_close_matches("CHANNEL_LAYERS", clues.settings.get("names", []), 1, 0.75)
    if layers is not None:
        hint = '`CHANNEL_LAYERS` has no entry `"default"`.'
    elif near:
        hint = f"The settings have `{near[0]}`; the name is `CHANNEL_LAYERS`."
    else:
        hint = "The settings have no `CHANNEL_LAYERS`."
    return {"where": raised.where, "hint": hint}


@recognises("backend-path")
def backend_path(clues):
    """The layer's BACKEND cannot be imported."""
    raised = clues.raised("InvalidChannelLayerError", r"^Cannot import BACKEND '(.+)' specified for")
    return {"backend": raised[1]} if raised else None


@recognises("hosts-format")
def hosts_format(clues):
    """The Redis layer's hosts are not written as it reads them."""
    raised = (
        clues.raised("ValueError", "You must pass a list of Redis hosts")
        or clues.raised("ValueError", "Redis URL must specify one of the following schemes")
        or clues.raised("AttributeError", "'int' object has no attribute 'decode'")
    )
    return {"what": raised.error["message"].split(". ")[0].rstrip(".")} if raised else None


@recognises("redis-socket-timeout")
def redis_socket_timeout(clues):
    """Idle sockets over Redis die, because redis-py gives up before the layer's own wait ends."""
    idle = "idle" in (clues.check or "") and "closed with code" in clues.message
    timed_out = re.search(r"Timeout reading from", clues.log + clues.message)
    if (idle or timed_out) and "socket_timeout" not in settings_text(clues):
        return {}
    return None


def settings_text(clues):
    file = clues.project / clues.step / "settings.py"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


@recognises("redis-max-connections")
def redis_max_connections(clues):
    """A crowd comes at once, and redis-py's pool is empty."""
    # Who is turned away may only see that nobody answers.
    is_crowd = "crowd_that_comes_at_once" in (clues.check or "") and not clues.own_exceptions
    if is_crowd or re.search(r"Too many connections|MaxConnectionsError", clues.log + clues.message):
        return {} if "max_connections" not in settings_text(clues) else None
    return None


@recognises("one-is-told")
def one_is_told(clues):
    """Redis was away, and of all connections only the one that the layer told was closed."""
    was_told = any("close 4013" in text for text in clues.lane("client"))
    is_about_it = "starts_anew" in (clues.check or "") and clues.message.startswith("no close came")
    return {} if was_told and is_about_it else None


@recognises("inmemory-across-processes")
def in_memory_across_processes(clues):
    """Redis is there, but the settings take the in-memory layer all the same."""
    is_about_processes = re.search(r"with_redis|announce|worker", clues.check or "")
    if not is_about_processes or clues.own_exceptions or "in_memory" in (clues.check or ""):
        return None
    text = settings_text(clues)
    if "InMemoryChannelLayer" in text and "channels_redis" not in text:
        return {}
    return None


@recognises("unserialisable-message")
def unserialisable_message(clues):
    """Something is in a layer's message that only the in-memory layer would carry."""
    raised = clues.raised("TypeError", r"can not serialize '(.+)' object")
    if raised and raised[1] != "coroutine":
        return {"what": f"a `{raised[1]}`", "where": raised.where or "the event that was sent"}
    raised = clues.raised("AssertionError", r"^Redis would make (.+) of (.+?)(\n|$)")
    if raised:
        return {"what": "something that Redis gives back changed (a tuple becomes a list)", "where": raised.where}
    raised = clues.raised("ValueError", "keys? .* not allowed for map key|is not allowed for map key")
    return {"what": "a key that is no text", "where": raised.where} if raised and raised.own else None


@recognises("not-json")
def not_json(clues):
    """json.dumps was given what JSON has no words for."""
    raised = clues.raised("TypeError", r"^Object of type (\w+) is not JSON serializable")
    if raised and raised.own and raised[1] != "coroutine":
        return {"what": raised[1], "where": raised.where}
    return None


@recognises("no-group-discard")
def no_group_discard(clues):
    """The client has left and its channel is still in the group: nothing in the disconnect handler discards it."""
    is_about_it = (
        re.search("no_membership_is_left|leaves_every_group", clues.check or "") and "still there" not in clues.message
    )
    if not is_about_it or clues.own_exceptions:
        return None
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        handler = trees.get("websocket_disconnect") or trees.get("disconnect")
        if handler is None:
            continue
        adds, discards = (sum(count(tree, what) for tree in trees.values()) for what in ("group_add", "group_discard"))
        where = f"{consumer['file']}, line {handler.lineno}"
        if not reaches(handler, trees, "group_discard") and not count_within(handler, trees, "group_discard"):
            return {"consumer": name, "where": where, "what": "leaves no group"}
        if discards < adds:
            return {"consumer": name, "where": where, "what": f"leaves {discards} of the {adds} groups that it joined"}
    return None


def count(tree, name):
    """How often a layer's method is named in a syntax tree."""
    return sum(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(tree))


def count_within(handler, trees, name, seen=()):
    """Whether a method, or one that it calls on self, names the layer's method."""
    inner = {called(node) for node in ast.walk(handler) if isinstance(node, ast.Call)} & set(trees) - set(seen)
    return count(handler, name) or any(count_within(trees[other], trees, name, (*seen, other)) for other in inner)


@recognises("type-collides")
def type_collides(clues):
    """A layer event's type runs a method that every consumer has, or one with an underscore in front."""
    if raised := clues.raised("ValueError", "^Malformed type in message"):
        return {"where": layer_types(clues, lambda name: name.startswith("_")) or raised.where}
    found = layer_types(clues, lambda name: name in BUILT_IN)
    if not found:
        return None
    name = re.search(r"`(.+)`", found)[1]
    sent = any(f"'type': '{name}'" in event for event in clues.sent)
    # An event of the type "send" reaches the client as it is; the others never leave the server.
    return {"where": found} if sent == (name == "send") and not clues.own_exceptions else None


def layer_types(clues, is_wrong):
    """Return where an event of a wrong type is written, or None; events for the client have other types."""
    for file, tree in clues.sources.items():
        # Who calls a handler of her own with an event sends it nowhere.
        handed = {argument for call in calls(tree, "websocket_disconnect") for argument in call.args}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Dict) or node in handed:
                continue
            for key, value in zip(node.keys, node.values, strict=True):
                is_type = isinstance(key, ast.Constant) and key.value == "type"
                if is_type and isinstance(value, ast.Constant) and is_wrong(str(value.value)):
                    return f"`{value.value}` in {file}, line {value.lineno}"
    return None


@recognises("handler-key")
def handler_key(clues):
    """A layer handler reads a key that the sender did not put into the event."""
    raised = clues.raised("KeyError", r"^'(\w+)'$")
    if not raised or not raised.is_in_own_line:
        return None
    function, source = raised.own[-1]["function"] or "", raised.own[-1]["source"]
    is_handler = any(function in consumer["methods"] for consumer in clues.consumers.values())
    if not is_handler or function.startswith("websocket_") or function in ("connect", "receive", "disconnect"):
        return None
    if not re.search(rf"""event\[["']{raised[1]}["']\]""", source):
        return None
    return {"key": raised[1], "method": function, "where": raised.where}


@recognises("echo-twice")
def echo_twice(clues):
    """The sender gets its message from the group, and once more directly."""
    if clues.own_exceptions:
        return None
    return {} if any(members + 1 == deliveries for members, deliveries in conversations(clues)) else None


def conversations(clues):
    """Yield for each message (members at that time, the most often that one frame went out), until the next handshake.

    A newcomer gets from the history what it may get from the layer, too: so nothing is counted across a handshake.
    """
    entries = clues.evidence["timeline"]
    handshakes = [at for at, (_, _, text) in enumerate(entries) if "→ handshake /" in text]
    sent = [(at, text) for at, (_, lane, text) in enumerate(entries) if lane == "consumer" and is_message(text)]
    for at, (_, lane, text) in enumerate(entries):
        members = sum(handshake < at for handshake in handshakes)
        if lane != "client" or not text.startswith('→ {"msg"') or members < 2:
            continue
        end = next((handshake for handshake in handshakes if handshake > at), len(entries))
        before = {frame for when, frame in sent if when < at}
        frames = [frame for when, frame in sent if at < when < end and frame not in before]
        yield members, max(map(frames.count, frames), default=0)


def is_message(text):
    return text.startswith("→ ") and ('"event": "message"' in text or '"msg"' in text)


@recognises("join-after-welcome")
def join_after_welcome(clues):
    """The handshake is accepted before the channel is in its group."""
    if "misses_nothing" not in (clues.check or "") or clues.own_exceptions:
        return None
    for name, consumer in clues.suspects().items():
        trees = {method: tree for _, method, _, tree in clues.methods({name: consumer})}
        handler = trees.get("websocket_connect") or trees.get("connect")
        found = list(in_order(handler, trees)) if handler else []
        accepts = [at for at, (what, _) in enumerate(found) if what == "accept"]
        late = [line for at, (what, line) in enumerate(found) if what == "group_add" and accepts and at > accepts[0]]
        if late:
            return {"where": f"{consumer['file']}, line {late[0]}"}
    return None


def in_order(tree, trees, seen=()):
    """Yield ("accept" or "group_add", line) in the order in which a handler comes to them, through its own methods."""
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        name = called(node) if isinstance(node, ast.Call) else None
        if name == "accept" or (isinstance(node, ast.Constant) and node.value == "websocket.accept"):
            yield "accept", node.lineno
        elif isinstance(node, ast.Attribute) and node.attr == "group_add":
            yield "group_add", node.lineno
        elif name in trees and name not in seen:
            yield from in_order(trees[name], trees, (*seen, name))


@recognises("client-chooses-type")
def client_chooses_type(clues):
    """What the client sent decides which method of the other consumers runs."""
    raised = clues.raised("ValueError", r"^No handler for message type (\S+)$")
    if raised and any(text.startswith("→") and f'"type": "{raised[1]}"' in text for text in clues.lane("client")):
        return {"type": raised[1]}
    return None


@recognises("room-name-characters")
def room_name_characters(clues):
    """A route takes a room, but not one with these characters."""
    path = unrouted(clues)
    for route in clues.routes if path else ():
        match = re.match(r"\^?(.*?)(<(\w+):\w+>|\(\?P<\w+>(.+?)\))(/?\$?)", route["pattern"])
        if not match or not path.startswith(match[1]) or path == match[1]:
            continue
        converter, room = match[3] or match[4], path.removeprefix(match[1]).removesuffix("/")
        if room and converter != "path" and (match[4] is not None) == route["is_regex"]:
            return {"path": path, "pattern": route["pattern"], "room": room[:60], "takes": takes(converter)}
    return None


def takes(converter):
    words = {
        "slug": "ASCII letters, digits, hyphens and underscores",
        "str": "everything but a slash",
        "int": "digits",
        r"\w+": "letters, digits and underscores",
        r"[^/]+": "everything but a slash",
    }
    return words.get(converter, f"what matches `{converter}`")
