"""Exceptions as plain data: type, message and frames, from a live exception or from a printed traceback.

Needs nothing but the standard library, so that a process in which nothing else can be imported can use it too.
"""

import linecache
import re
import traceback
from itertools import pairwise
from pathlib import Path

FRAME = re.compile(r'^\s*File "(.+)", line (\d+)(?:, in (.+))?$')
# The last line of a printed traceback: `package.Error: message`, or the bare `Error`.
RAISED = re.compile(r"^((?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?:: (.*))?$")
BEGINS = "Traceback (most recent call last):"
# So a worker begins (asgiref.server.StatelessServer): the message, the frames, and the message again; no type.
OF_A_WORKER = re.compile(r"Exception inside application: (.*)$")


def place(project, file, line, function=None):
    """Return one frame as a dict; `file` is relative to the folder `project` when it is inside."""
    inside = path_inside(project, file)
    return {
        "file": inside or str(file),
        "line": line,
        "function": function,
        "source": linecache.getline(str(file), line).strip() if line else "",
        "inside": inside is not None,
    }


def path_inside(project, file):
    """Return the path relative to `project`, or to a copy of it that has the same name; None for any other file."""
    project, file = Path(project), Path(file)
    if "site-packages" in file.parts:
        return None
    if file.is_relative_to(project):
        return file.relative_to(project).as_posix()
    if project.name in file.parts:
        rest = Path(*file.parts[file.parts.index(project.name) + 1 :])
        return rest.as_posix() if (project / rest).is_file() else None
    return None


def chain_of(error, project):
    """Return an exception and what led to it, the outermost first, as dicts."""
    chain, seen = [], set()
    waiting = [error]
    while waiting:
        error = waiting.pop(0)
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        chain.append(as_dict(error, project))
        waiting += [error.__cause__, None if error.__suppress_context__ else error.__context__]
        waiting += getattr(error, "exceptions", ())
    return chain


def as_dict(error, project):
    """Return one exception as a dict."""
    names = [base.__name__ for base in type(error).__mro__]
    return {"type": type(error).__name__, "bases": names, "message": str(error), "frames": frames_of(error, project)}


def frames_of(error, project):
    """Return the frames of an exception, the outermost first; a syntax error's own place is the last."""
    frames = [
        place(project, frame.filename, frame.lineno, frame.name) for frame in traceback.extract_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(place(project, error.filename, error.lineno))
    return without_middleware(frames)


def without_middleware(frames):
    """Return frames; the line of a middleware that only calls the application inside it is nobody's line."""
    for frame, called in pairwise(frames):
        is_application = called["inside"] or "channels" in Path(called["file"]).parts
        if is_application and frame["function"] == called["function"] == "__call__":
            frame["inside"] = False
    return frames


def read_tracebacks(text, project):
    """Return the exceptions that stand as tracebacks in what a process printed, in the order of printing.

    Of what type one was that a worker has printed, nobody knows: it has no bases.
    """
    found, frames, indent, message = [], None, 0, None
    for line in text.splitlines():
        if BEGINS in line:
            frames, indent, message = [], 0, None
        elif match := OF_A_WORKER.search(line):
            frames, message = [], match[1]
        elif frames is not None and (match := FRAME.match(line)):
            frames.append(place(project, match[1], int(match[2]), match[3]))
            indent = len(line) - len(line.lstrip())
        elif frames and message is not None and line.strip() == message.strip():
            found.append(printed("Exception", message, frames) | {"bases": []})
            frames = None
        # Whoever quotes a traceback may have indented it; its last line stands further left than its frames.
        elif frames and len(line) - len(line.lstrip()) < indent and (match := RAISED.match(line.strip())):
            found.append(printed(match[1].rpartition(".")[2], match[2] or "", frames))
            frames = None
    return found


def printed(name, message, frames):
    return {"type": name, "bases": [name], "message": message, "frames": without_middleware(frames)}


def own_frame(exceptions):
    """Return the learner's line that matters: the innermost frame of hers in the innermost exception that has one."""
    for error in reversed(exceptions):
        for frame in reversed(error["frames"]):
            if frame["inside"]:
                return frame
    return None
