"""Questions to the evidence: what a recogniser may ask, in the words of the field."""

import ast
import re
from functools import cached_property
from pathlib import Path

from tests.mistakes.code import FUNCTION

SYNC = ("SyncConsumer", "WebsocketConsumer", "JsonWebsocketConsumer")
ASYNC = ("AsyncConsumer", "AsyncWebsocketConsumer", "AsyncJsonWebsocketConsumer")
BARE = ("SyncConsumer", "AsyncConsumer")
BROAD = ("Exception", "BaseException")


class Clues:
    """The evidence of one failed check."""

    def __init__(self, evidence):
        self.evidence = evidence
        self.message = evidence["message"]
        self.exceptions = evidence["exceptions"]
        self.warnings = evidence["warnings"]
        self.waiting = evidence["waiting"]
        self.shape = evidence["shape"] or {"settings": {}, "protocols": None, "routes": [], "consumers": {}}
        self.settings = self.shape["settings"]
        self.routes = self.shape["routes"]
        self.consumers = self.shape["consumers"]
        self.check = evidence["check"]
        self.route = evidence["route"]
        self.step = evidence["step"]
        self.project = Path(evidence["project"])
        self.log = evidence["log"]
        self.startup = evidence.get("startup")

    # What was raised

    def raised(self, name, pattern=""):
        """Return the match, with `.error`, of the first exception of type `name` whose message has `pattern`."""
        for error in self.exceptions:
            # Where the type is not known the message has to tell.
            if name not in error["bases"] and (error["bases"] or not pattern):
                continue
            if match := re.search(pattern, error["message"], re.DOTALL):
                return Raised(error, match)
        return None

    @cached_property
    def own_exceptions(self):
        """The exceptions in which a line of the learner's stands."""
        return [error for error in self.exceptions if any(frame["inside"] for frame in error["frames"])]

    # What was sent and received

    def lane(self, name):
        return [text for _, lane, text in self.evidence["timeline"] if lane == name]

    def logged(self, pattern):
        """Return the match of a pattern in what was logged or printed by servers and workers, or None."""
        return re.search(pattern, self.log)

    @property
    def sent(self):
        """The events that consumers sent, as text."""
        return [text[2:] for text in self.lane("consumer") if text.startswith("→ ")]

    @property
    def first_sent(self):
        """The first event that a consumer sent, or "" when the timeline does not tell."""
        for _, lane, text in self.evidence["timeline"]:
            if lane == "" or (lane == "consumer" and text.startswith("→ ")):
                return text[2:] if lane else ""
        return ""

    @property
    def arrived(self):
        """The events that reached consumers, as text."""
        return [text[2:] for text in self.lane("consumer") if text.startswith("← ")]

    @property
    def nobody_answered_the_handshake(self):
        return any("nobody answered the handshake" in text for text in self.lane("client"))

    @property
    def no_frame_came(self):
        return any("no frame came" in text for text in self.lane("client"))

    # What the project is made of

    def made_of(self, name):
        """Return the consumers, by name, that are this class or made of it, as of a mixin; those in question first."""
        for consumers in (self.suspects(), self.consumers):
            if found := {own: shape for own, shape in consumers.items() if name in (own, *shape["made_of"])}:
                return found
        return {}

    def family_of(self, name):
        """Return the family of a consumer or of a class that consumers are made of; "" for none, or several."""
        families = {shape["family"] for shape in self.made_of(name).values()}
        return families.pop() if len(families) == 1 else ""

    def defines(self, name, method):
        """Whether a class of this name has a def of this name, whatever became of it."""
        classes = [
            node
            for tree in self.sources.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and node.name == name
        ]
        return any(isinstance(node, FUNCTION) and node.name == method for each in classes for node in each.body)

    def method_of(self, name, method):
        """Return the method of this class, as a dict, or None."""
        found = (shape["methods"].get(method) for shape in self.made_of(name).values())
        return next(filter(None, found), None)

    @cached_property
    def path(self):
        """The path that the check asked for, without its first slash."""
        asked = [text for text in self.lane("client") if "handshake /" in text]
        return asked[-1].partition("handshake /")[2] if asked else (self.route or "/").lstrip("/")

    @property
    def consumer(self):
        """The consumer class (a dict) that serves this check's route, with its `name`; None when none is found."""
        plain = (self.route or "").strip("/")
        for route in self.routes:
            # The rooms below a route are served by the same consumer as the route itself.
            pattern = re.split(r"<|\(\?P", route["pattern"].strip("^$"))[0].strip("/")
            if plain and pattern == plain and route["consumer"] in self.consumers:
                return {"name": route["consumer"], **self.consumers[route["consumer"]]}
        return None

    def suspects(self):
        """Return the consumers in question, by name: the one on this check's route, or all."""
        consumer = self.consumer
        return {consumer["name"]: consumer} if consumer else self.consumers

    @cached_property
    def sources(self):
        """The project's Python files: {path: syntax tree}; those that cannot be parsed are left out."""
        trees = {}
        for file in sorted(self.project.rglob("*.py")):
            path = file.relative_to(self.project)
            if "site-packages" in path.parts or any(part.startswith(".") for part in path.parts):
                continue
            try:
                trees[path.as_posix()] = ast.parse(file.read_text(encoding="utf-8"))
            except (SyntaxError, ValueError):
                continue
        return trees

    @cached_property
    def functions(self):
        """The syntax trees of the project's functions and methods, by name."""
        found = {}
        for tree in self.sources.values():
            for node in ast.walk(tree):
                if isinstance(node, FUNCTION):
                    found.setdefault(node.name, []).append(node)
        return found

    def methods(self, consumers=None):
        """Yield (consumer, name, method as dict, syntax tree) of the consumers' methods in the project's own files."""
        for consumer, shape in (self.consumers if consumers is None else consumers).items():
            for name, method in shape["methods"].items():
                tree = self.function_at(method["file"], method["line"])
                if tree is not None:
                    yield consumer, name, method, tree

    def function_at(self, file, line):
        for node in ast.walk(self.sources.get(file, ast.Module([], []))):
            if isinstance(node, FUNCTION):
                first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
                if line in (first, node.lineno):
                    return node
        return None

    def function_around(self, frame):
        """Return the innermost function's syntax tree around a frame's line, or None."""
        return self.innermost_around(frame, FUNCTION)

    def is_async_at(self, frame):
        """Whether a frame's line stands in an async def."""
        return bool(frame) and isinstance(self.function_around(frame), ast.AsyncFunctionDef)

    def family_around(self, frame):
        """Return the family of the consumers in whose class, or a class of theirs, a frame's line stands, or ""."""
        cls = self.innermost_around(frame, ast.ClassDef)
        return self.family_of(cls.name) if cls else ""

    def innermost_around(self, frame, kind):
        inside = [
            node
            for node in ast.walk(self.sources.get(frame["file"], ast.Module([], [])))
            if isinstance(node, kind) and node.lineno <= frame["line"] <= node.end_lineno
        ]
        return max(inside, key=lambda node: node.lineno, default=None)

    def text_of(self, *patterns):
        """Yield (path, text) of the project's files that match one of the glob patterns, as "*.js"."""
        for pattern in patterns:
            for file in sorted(self.project.rglob(pattern)):
                path = file.relative_to(self.project)
                if not any(part.startswith(".") or part in ("site-packages", "node_modules") for part in path.parts):
                    yield path.as_posix(), file.read_text(encoding="utf-8", errors="replace")


class Raised:
    """An exception that was found: the match in its message, and its own lines."""

    def __init__(self, error, match):
        self.error = error
        self.match = match
        self.own = [frame for frame in error["frames"] if frame["inside"]]
        self.last = error["frames"][-1] if error["frames"] else None

    def __getitem__(self, group):
        return self.match[group]

    @property
    def where(self):
        """The learner's line, as `file, line N`, or "" when none of her lines is in the traceback."""
        return where(self.own[-1]) if self.own else ""

    @property
    def is_of_a_worker(self):
        """Whether a worker has printed it, which does not tell its type."""
        return not self.error["bases"]

    @property
    def is_in_own_line(self):
        """Whether the learner's own line raised it, not something that the line called."""
        return bool(self.last and self.last["inside"])


def where(frame):
    """Return a frame, or anything with file and line, as `app/consumers.py, line 12`."""
    return f"{frame['file']}, line {frame['line']}" if frame and frame.get("file") else ""
