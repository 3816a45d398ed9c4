"""What a loaded project is made of: settings, WebSocket routes, consumers. All by looking, nothing is called."""

import inspect
import sys
from collections import Counter

from tests.support.frames import path_inside

# What is worth knowing of the settings; never the secret ones.
SETTINGS = ("INSTALLED_APPS", "ASGI_APPLICATION", "CHANNEL_LAYERS", "COUNT_INTERVAL", "MIDDLEWARE")
DEEPEST = 8  # wrappers around a router


def shape_of(project, step):
    """Return the shape of the project in the folder `project` that this process has loaded, as plain data."""
    names = names_of(consumer_classes(project))
    return {
        "settings": settings_of(step),
        "protocols": protocols(step),
        "routes": routes(step, names),
        "consumers": {name: consumer_as_dict(cls, project) for cls, name in names.items()},
    }


def settings_of(step):
    """Return the settings that matter, and the names of all that the settings module defines."""
    module = sys.modules.get(f"{step}.settings")
    if module is None:
        return {}
    chosen = {name: plain(getattr(module, name)) for name in SETTINGS if hasattr(module, name)}
    return chosen | {"names": [name for name in vars(module) if name.isupper()]}


def plain(value):
    """Return `value` as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def application_of(step):
    return getattr(sys.modules.get(f"{step}.asgi"), "application", None)


def protocols(step):
    """Return the keys of the ProtocolTypeRouter, or None when the application is none."""
    mapping = getattr(application_of(step), "application_mapping", None)
    return None if mapping is None else list(mapping)


def routes(step, names):
    """Return the WebSocket routes: kind of pattern, its text, what it leads to; `names` are those of the consumers."""
    mapping = getattr(application_of(step), "application_mapping", None) or {}
    return [route_as_dict(route, names) for route in find_routes(mapping.get("websocket"))]


def find_routes(application, depth=0):
    """Return the routes of the first URLRouter inside whatever wraps it."""
    if application is None or depth > DEEPEST:
        return []
    found = vars(application).get("routes") if hasattr(application, "__dict__") else None
    if found is not None:
        return list(found)
    for inner in getattr(application, "__dict__", {}).values():
        if callable(inner) and (found := find_routes(inner, depth + 1)):
            return found
    return []


def route_as_dict(route, names):
    callback = getattr(route, "callback", None)
    leads_to = getattr(callback, "consumer_class", None)
    kind = "as_asgi"
    if inspect.isclass(callback):
        kind, leads_to = "class", callback
    elif leads_to is None and inspect.ismethod(callback) and callback.__name__ == "as_asgi":
        kind, leads_to = "as_asgi not called", callback.__self__
    elif leads_to is None and not inspect.isroutine(callback):
        kind, leads_to = "instance", type(callback)
    elif leads_to is None:
        kind = "function"
    pattern = route.pattern
    return {
        "pattern": str(pattern),
        "is_regex": type(pattern).__name__ == "RegexPattern",
        "kind": kind,
        "consumer": (names.get(leads_to) if inspect.isclass(leads_to) else None) or getattr(leads_to, "__name__", None),
    }


def consumer_classes(project):
    """Return the consumer classes of the project."""
    from channels.consumer import AsyncConsumer

    return [
        value
        for module in list(sys.modules.values())
        if path_inside(project, getattr(module, "__file__", None) or "/")
        for value in list(vars(module).values())
        if inspect.isclass(value) and issubclass(value, AsyncConsumer) and value.__module__ == module.__name__
    ]


def names_of(classes):
    """Return {class: its name}; where two have the same, the module stands before it."""
    often = Counter(cls.__name__ for cls in set(classes))
    return {cls: cls.__name__ if often[cls.__name__] == 1 else f"{cls.__module__}.{cls.__name__}" for cls in classes}


def consumer_as_dict(cls, project):
    own = [base for base in cls.__mro__ if is_inside(base, project)]
    family = next(base.__name__ for base in cls.__mro__ if base not in own and base.__module__.startswith("channels"))
    methods, shared = {}, {}
    for base in reversed(own):
        for name, value in vars(base).items():
            function = getattr(value, "__wrapped__", None) or getattr(value, "func", None) or value
            if inspect.isfunction(function):
                methods[name] = method_as_dict(value, function, project)
            elif isinstance(value, list | dict | set) and not name.startswith("__"):
                shared[name] = type(value).__name__
    return {
        "family": family,
        "made_of": [base.__name__ for base in own],
        "methods": methods,
        "shared": shared,
        "never_run": [hidden for base in own for hidden in never_run(cls, base, own)],
        **place_of(cls, project),
    }


def never_run(cls, base, own):
    """Yield the methods of `base`, one of a consumer's `own` classes, that one of another base class stands before."""
    for name, value in vars(base).items():
        runs = next(other for other in cls.__mro__ if name in vars(other))
        if not inspect.isfunction(value) or runs in own:
            continue
        user = next(each for each in own if base in each.__bases__)
        for before in user.__bases__:
            if issubclass(before, runs):
                yield {"method": name, "mixin": base.__name__, "behind": before.__name__, "consumer": user.__name__}
                break


def is_inside(cls, project):
    module = sys.modules.get(cls.__module__)
    return path_inside(project, getattr(module, "__file__", None) or "/") is not None


def place_of(thing, project):
    try:
        return {
            "file": path_inside(project, inspect.getsourcefile(thing)),
            "line": inspect.getsourcelines(thing)[1],
        }
    except (OSError, TypeError):
        return {"file": None, "line": None}


def method_as_dict(value, function, project):
    return {
        "is_async": inspect.iscoroutinefunction(function),
        # database_sync_to_async and its like: a plain def that has to be awaited all the same.
        "is_wrapped": value is not function,
        "arguments": list(inspect.signature(function).parameters),
        "line": function.__code__.co_firstlineno,
        "file": path_inside(project, function.__code__.co_filename),
    }
