"""Mistakes around the consumers: settings, asgi.py, routing, imports."""

import ast
import difflib
import re

from tests.mistakes.clues import where
from tests.mistakes.code import called, calls
from tests.mistakes.recognisers import recognises

# What people mean when they misspell a package, and what they shadow with a file of their own.
PACKAGES = ("channels", "daphne", "channels_redis", "redis", "django", "asgiref", "websockets", "asyncio", "json")

# Where the names come from that these lessons use.
HOMES = {
    "StopConsumer": "channels.exceptions",
    "SyncConsumer": "channels.consumer",
    "AsyncConsumer": "channels.consumer",
    "WebsocketConsumer": "channels.generic.websocket",
    "AsyncWebsocketConsumer": "channels.generic.websocket",
    "JsonWebsocketConsumer": "channels.generic.websocket",
    "AsyncJsonWebsocketConsumer": "channels.generic.websocket",
    "ProtocolTypeRouter": "channels.routing",
    "URLRouter": "channels.routing",
    "ChannelNameRouter": "channels.routing",
    "AuthMiddlewareStack": "channels.auth",
    "AllowedHostsOriginValidator": "channels.security.websocket",
    "database_sync_to_async": "channels.db",
    "get_channel_layer": "channels.layers",
    "async_to_sync": "asgiref.sync",
    "sync_to_async": "asgiref.sync",
    "get_asgi_application": "django.core.asgi",
    "settings": "django.conf",
    "path": "django.urls",
    "re_path": "django.urls",
}
MODULES = ("asyncio", "json", "time", "os")

# What stands for "websocket" in other places.
NO_PROTOCOLS = ("ws", "wss", "sockets", "channels")


def has_sockets(clues):
    """Whether the project has come as far as to route WebSockets: before that, what is missing is only not done yet."""
    tree = clues.sources.get(f"{clues.step}/asgi.py", ast.Module([], []))
    return any(isinstance(node, ast.Constant) and node.value == "websocket" for node in ast.walk(tree))


@recognises("wsgi-server")
def wsgi_server(clues):
    """daphne is not among the apps, although the project routes WebSockets or lists channels in its place."""
    apps = clues.settings.get("INSTALLED_APPS", ["daphne"])
    if "daphne" in apps or not is_about_the_server(clues) or clues.raised("ModuleNotFoundError"):
        return None
    if "channels" in apps:
        return {"what": '`"channels"` is listed in INSTALLED_APPS, but `"daphne"` is not'}
    return {"what": '`"daphne"` is missing from INSTALLED_APPS'} if has_sockets(clues) else None


def is_about_the_server(clues):
    return clues.check == "test_daphne_comes_first" or "not daphne's runserver" in clues.message


@recognises("daphne-order")
def daphne_order(clues):
    """daphne is listed after staticfiles."""
    apps = clues.settings.get("INSTALLED_APPS", [])
    staticfiles = "django.contrib.staticfiles"
    if "daphne" in apps and staticfiles in apps and apps.index("daphne") > apps.index(staticfiles):
        return {} if is_about_the_server(clues) or "daphne.E001" in clues.message else None
    return None


@recognises("no-asgi-application")
def no_asgi_application(clues):
    """ASGI_APPLICATION is not set, or under a name that only looks like it."""
    names = clues.settings.get("names", ["ASGI_APPLICATION"])
    if "ASGI_APPLICATION" in names or "ASGI_APPLICATION" not in clues.message:
        return None
    near = difflib.get_close_matches("ASGI_APPLICATION", [name for name in names if "WSGI" not in name], 1, 0.75)
    if near:
        return {"hint": f" It sets `{near[0]}`: a misspelling?"}
    return {"hint": ""} if has_sockets(clues) else None


@recognises("asgi-application-import")
def asgi_application_import(clues):
    """ASGI_APPLICATION is set, but not to the application in asgi.py."""
    named, right = clues.settings.get("ASGI_APPLICATION"), f"{clues.step}.asgi.application"
    if named is None or named == right or "wsgi" in str(named):
        return None
    return {"named": named, "right": right} if "ASGI_APPLICATION" in clues.message or is_named(clues) else None


def is_named(clues):
    return clues.check == "test_asgi_application_is_named"


@recognises("asgi-application-is-wsgi")
def asgi_application_is_wsgi(clues):
    """ASGI_APPLICATION names the WSGI application."""
    named = str(clues.settings.get("ASGI_APPLICATION"))
    return {"named": named, "right": f"{clues.step}.asgi.application"} if "wsgi" in named and is_named(clues) else None


@recognises("import-order")
def import_order(clues):
    """asgi.py imports what needs the apps before it calls get_asgi_application()."""
    if "imported before get_asgi_application()" in clues.message:
        return {"what": early_import(clues)}
    raised = clues.raised("AppRegistryNotReady", "Apps aren't loaded yet") or clues.raised(
        "ImproperlyConfigured", "Requested setting .* but settings are not configured"
    )
    first = [frame for frame in raised.own if frame["file"].endswith("asgi.py")] if raised else ()
    return {"what": f"`{first[0]['source']}`"} if first else None


def early_import(clues):
    """The first import of a module of the project's own in asgi.py, as it is written."""
    own = {path.name for path in clues.project.iterdir()} | {path.stem for path in clues.project.glob("*.py")}
    for node in clues.sources[f"{clues.step}/asgi.py"].body:
        names = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [name.name for name in getattr(node, "names", ())]
        )
        if any(name.partition(".")[0] in own for name in names) or getattr(node, "level", 0):
            return f"`{ast.unparse(node)}`"
    return "modules of its own"


@recognises("file-named-channels")
def file_named_channels(clues):
    """A file beside manage.py has the name of a package and takes its place."""
    raised = clues.raised("ImportError", r"'(\w+)[.\w]*'( is not a package)?") if clues.startup else None
    for name in PACKAGES:
        if raised and raised[1] == name and name != "app" and (clues.project / f"{name}.py").is_file():
            return {"file": f"{name}.py", "package": name}
    return None


@recognises("channels-not-installed")
def channels_not_installed(clues):
    """A package cannot be found: misspelt, or not installed in this environment."""
    raised = clues.raised("ModuleNotFoundError", r"^No module named '([\w-]+)(?:\.[\w.]+)?'$")
    if clues.raised("InvalidChannelLayerError"):
        return None
    if not raised or (clues.project / f"{raised[1]}.py").is_file() or (clues.project / raised[1]).is_dir():
        return None
    place = f" ({raised.where})" if raised.where else " (INSTALLED_APPS)"
    if raised[1] in PACKAGES:
        return {"package": raised[1], "place": place, "hint": "It is not installed in the environment that runs this."}
    near = difflib.get_close_matches(raised[1], PACKAGES, 1, 0.7)
    return {"package": raised[1], "place": place, "hint": f"Did you mean `{near[0]}`?"} if near else None


@recognises("name-not-defined")
def name_not_defined(clues):
    """A name is used that nothing defines or imports, in the learner's own line."""
    raised = clues.raised("NameError", r"^(?:name|cannot access free variable) '(\w+)'")
    if not raised or not raised.own or "UnboundLocalError" in raised.error["bases"]:
        return None
    name, first = raised[1], "Import it at the top of the file"
    if name == "self":
        hint, first = "A method has it from its first argument.", "Write it as the first argument of the method"
    elif name in HOMES:
        hint = f"It is not imported: `from {HOMES[name]} import {name}`."
    elif name in MODULES:
        hint = f"It is not imported: `import {name}`."
    else:
        near = difflib.get_close_matches(name, [*HOMES, *MODULES, *names_in(clues, raised.own[-1]["file"])], 1, 0.7)
        hint = f"Did you mean `{near[0]}`?" if near else "It is neither defined in this file nor imported."
    return {"undefined": name, "where": raised.where, "hint": hint, "first": first}


def names_in(clues, file):
    """The names that a file defines, assigns or imports."""
    names = set()
    for node in ast.walk(clues.sources.get(file, ast.Module([], []))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    return names


@recognises("name-not-there")
def name_not_there(clues):
    """Something is imported, or taken from a module, that is not there."""
    raised = clues.raised("ImportError", r"^cannot import name '(\w+)' from '([\w.]+)'")
    raised = raised or clues.raised("AttributeError", r"^module '()([\w.]+)' has no attribute '(\w+)'")
    if not raised or not raised.own or (clues.startup and file_named_channels(clues)):
        return None
    name, module = raised[1] or raised[3], raised[2]
    there = names_in(clues, module.replace(".", "/") + ".py")
    home = HOMES.get(name)
    near = difflib.get_close_matches(
        name, [*there, *(known for known, place in HOMES.items() if place == module)], 1, 0.6
    )
    hint = f"Did you mean `{near[0]}`?" if near else ""
    if home and home != module:
        hint = f"It is in `{home}`."
    if not hint:
        # Nothing of that kind is there: what is imported may only not be written yet.
        return None
    return {"missing": name, "module": module, "where": raised.where, "hint": hint}


@recognises("await-in-def")
def await_in_def(clues):
    """`await` in a plain def is a syntax error."""
    raised = clues.raised("SyntaxError", r"'(await|async for|async with)' outside (async )?function") or clues.raised(
        "SyntaxError", r"'(await)' outside"
    )
    return {"where": raised.where, "source": raised.own[-1]["source"]} if raised and raised.own else None


@recognises("missing-as-asgi")
def missing_as_asgi(clues):
    """A route leads to a consumer class, or to as_asgi itself."""
    if not clues.raised("TypeError"):
        return None
    for route in clues.routes:
        if route["kind"] in ("class", "as_asgi not called"):
            what = "the class itself" if route["kind"] == "class" else "`as_asgi`, without parentheses"
            return {"pattern": route["pattern"], "consumer": route["consumer"], "what": what}
    return None


def unrouted(clues):
    """The path that no route took, or None; not the one that has none on purpose."""
    raised = clues.raised("ValueError", r"^No route found for path '(.*)'\.$")
    return raised[1] if raised and raised[1] != "ws/nowhere/" else None


@recognises("route-slash-mismatch")
def route_slash_mismatch(clues):
    """A route would take the path, were it not for a slash, a letter's case or a blank."""
    path = unrouted(clues)
    for route in clues.routes:
        pattern = route["pattern"]
        if path is None or pattern.startswith(("/", "^/")) or looks_mixed(route):
            continue
        plain = pattern.strip("^$")
        if plain != path and plain.strip("/ ").lower() == path.strip("/ ").lower():
            return {"path": path, "pattern": pattern, "difference": difference(plain, path)}
        if plain != path and re.sub(r"^ws/?", "", plain.strip("/")) == re.sub(r"^ws/?", "", path.strip("/")):
            return {"path": path, "pattern": pattern, "difference": "They do not begin with the same word."}
    return None


def difference(pattern, path):
    if pattern + "/" == path:
        return "The route lacks the final slash."
    if pattern == path + "/":
        return "The path lacks the final slash."
    return "They have to be the same to the letter."


def looks_mixed(route):
    text = route["pattern"]
    return ("<" in text and "(?P" not in text) if route["is_regex"] else bool(re.search(r"\(\?P|\^|\$|\\w|\[", text))


@recognises("path-vs-re-path")
def path_vs_re_path(clues):
    """A route is written in the language of the other function, or begins with a slash."""
    if unrouted(clues):
        for route in clues.routes:
            text = route["pattern"]
            function = "re_path" if route["is_regex"] else "path"
            if text.startswith(("/", "^/")):
                return {"pattern": text, "what": "begins with a slash, which a path never has when it is matched"}
            if looks_mixed(route):
                what = "a converter" if route["is_regex"] else "a regular expression"
                return {"pattern": text, "what": f"is {what}, given to `{function}()`"}
    return None


@recognises("include-in-router")
def include_in_router(clues):
    """include() stands among the routes of a URLRouter."""
    if not clues.raised("ImproperlyConfigured", r"include\(\) is not supported in URLRouter"):
        return None
    for file, tree in clues.sources.items():
        for call in calls(tree, "include") if not file.endswith("urls.py") else ():
            return {"where": where({"file": file, "line": call.lineno})}
    return {"where": "in the routes"}


@recognises("route-in-urls-py")
def route_in_urls_py(clues):
    """A consumer stands in a urls.py, and the router knows nothing of it."""
    path = unrouted(clues)
    if path is None:
        return None
    for file, tree in clues.sources.items():
        if file.endswith("urls.py"):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and called(node) == "as_asgi":
                    return {"path": path, "where": where({"file": file, "line": node.lineno})}
    return None


@recognises("protocol-key")
def protocol_key(clues):
    """The ProtocolTypeRouter has no application for this kind of connection."""
    raised = clues.raised("ValueError", r"^No application configured for scope type '(\w+)'")
    if not raised:
        return None
    keys = clues.shape["protocols"] or []
    near = difflib.get_close_matches(raised[1], keys, 1, 0.6) or [key for key in keys if key in NO_PROTOCOLS]
    # Without a key that was meant for it, it may only not be there yet.
    if near or raised[1] == "http":
        hint = f" It has `{near[0]}`: a misspelling?" if near else " Since Channels 4 nobody adds it by itself."
        return {"protocol": raised[1], "hint": hint}
    return None


@recognises("asgi-untouched")
def asgi_untouched(clues):
    """Consumers are routed somewhere, but asgi.py still serves HTTP alone."""
    if not clues.raised("ValueError", "Django can only handle ASGI/HTTP connections, not websocket"):
        return None
    for file, tree in clues.sources.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) == "as_asgi":
                return {"where": where({"file": file, "line": node.lineno}), "asgi": f"{clues.step}/asgi.py"}
    return None


@recognises("kwarg-name")
def kwarg_name(clues):
    """A name is read from the route that its pattern does not give."""
    raised = clues.raised("KeyError", r"^'(\w+)'$")
    if not raised or not raised.is_in_own_line or "kwargs" not in raised.own[-1]["source"]:
        return None
    given = sorted({name for route in clues.routes for name in re.findall(r"<(?:\w+:)?(\w+)>", route["pattern"])})
    names = ", ".join(f"`{name}`" for name in given) or "no names at all"
    return {"key": raised[1], "where": raised.where, "names": names}
