"""Mistakes with the database."""

import ast
import re

from tests.mistakes.clues import SYNC, where
from tests.mistakes.code import calls
from tests.mistakes.recognisers import recognises

WRAPPER = r"(database_sync_to_async|sync_to_async)"


def in_event_loop(clues):
    """The SynchronousOnlyOperation with which Django guards the event loop, with a line of the learner's in it."""
    raised = clues.raised("SynchronousOnlyOperation", "You cannot call this from an async context")
    return raised if raised and raised.own else None


@recognises("called-inside-wrapper")
def called_inside_wrapper(clues):
    """The query runs before the wrapper has got it."""
    raised = in_event_loop(clues)
    frame = wrapping_frame(raised) if raised else None
    return {"source": frame["source"], "where": f"{frame['file']}, line {frame['line']}"} if frame else None


def wrapping_frame(raised):
    """The own line in which something is called inside the parentheses of the wrapper."""
    return next((frame for frame in raised.own if re.search(rf"\b{WRAPPER}\([^()]*\(", frame["source"])), None)


@recognises("foreign-key-in-async")
def foreign_key_in_async(clues):
    """A related object was not there yet, and was fetched by touching it."""
    raised = in_event_loop(clues)
    if not raised or wrapping_frame(raised):
        return None
    fetched = [
        frame
        for frame in raised.error["frames"]
        if "related_descriptors" in frame["file"] and frame["function"] == "__get__"
    ]
    name = clues.raised("KeyError", r"^'(\w+)'$")
    if fetched:
        return {"where": raised.where, "source": raised.own[-1]["source"], "field": name[1] if name else "room"}
    return None


@recognises("middleware-sync-orm")
def middleware_sync_orm(clues):
    """The ORM was called in a middleware of the learner's own."""
    raised = in_event_loop(clues)
    if not raised or wrapping_frame(raised):
        return None
    calls = [frame for frame in raised.own if frame["function"] == "__call__"]
    in_consumer = any(frame["function"] == "dispatch" for frame in raised.error["frames"])
    # What only passes the connection on stands in every traceback.
    if calls and not in_consumer and not re.match(r"(return )?await self\.\w+\(", calls[-1]["source"]):
        return {"where": f"{calls[-1]['file']}, line {calls[-1]['line']}", "source": calls[-1]["source"]}
    return None


@recognises("orm-in-async")
def orm_in_async(clues):
    """The ORM was called in the event loop, in none of the more particular ways."""
    raised = in_event_loop(clues)
    others = (called_inside_wrapper, foreign_key_in_async, middleware_sync_orm, orm_at_import)
    if not raised or any(other(clues) is not None for other in others):
        return None
    # The line that has to change: where a plain function, or a model's method, was called from async code.
    frame = next((frame for frame in reversed(raised.own) if clues.is_async_at(frame)), raised.own[-1])
    return {"where": f"{frame['file']}, line {frame['line']}", "source": frame["source"]}


@recognises("orm-at-import")
def orm_at_import(clues):
    """A query stands at the top level of a module."""
    for name in ("OperationalError", "ProgrammingError", "RuntimeError", "SynchronousOnlyOperation"):
        raised = clues.raised(name, r"no such table|does not exist|Database access not allowed|async context")
        if raised and (top := [frame for frame in raised.own if frame["function"] == "<module>" and is_query(frame)]):
            return {"where": f"{top[-1]['file']}, line {top[-1]['line']}", "source": top[-1]["source"]}
    return None


def is_query(frame):
    return not re.match(r"(from|import) ", frame["source"])


@recognises("wrapper-in-sync-consumer")
def wrapper_in_sync_consumer(clues):
    """A sync consumer uses the wrapper for async ones: it only makes a coroutine."""
    for warning in clues.warnings:
        frame = warning["frame"]
        # Channels itself has put a wrapper around a sync consumer's dispatch.
        is_dispatch = frame and re.search(r"\bdispatch\(", frame["source"])
        if is_dispatch or clues.is_async_at(frame):
            return None
        if frame and "SyncToAsync.__call__" in warning["message"] and clues.family_around(frame) in SYNC:
            return {"where": f"{frame['file']}, line {frame['line']}", "source": frame["source"]}
    raised = clues.raised("AttributeError", r"^'coroutine' object has no attribute")
    if raised and raised.own and clues.family_around(raised.own[-1]) in SYNC:
        return wrapper_call(clues, raised.own[-1])
    return None


def wrapper_call(clues, frame):
    """Where the function around this line calls the wrapper."""
    for call in calls(clues.function_around(frame), "database_sync_to_async", "sync_to_async"):
        return {"where": f"{frame['file']}, line {call.lineno}", "source": ast.unparse(call)}
    return {"where": where(frame), "source": frame["source"]}


@recognises("wrapper-on-async-def")
def wrapper_on_async_def(clues):
    """database_sync_to_async was put around an async def."""
    raised = clues.raised("TypeError", "sync_to_async can only be applied to sync functions")
    return {"where": raised.where} if raised and raised.own else None


@recognises("migration-missing")
def migration_missing(clues):
    """The models say something that no migration makes. (The checks migrate their database themselves.)"""
    if "models have changed since the last migration" in clues.message:
        return {"what": "The models have something"}
    pattern = (
        r'no such (?:table|column): ([\w.]+)|has no column named (\w+)|(?:relation|column) "?([\w.]+)"? does not exist'
    )
    # Where the step survives the loss of a database, only its log tells why.
    for told in (
        clues.raised("OperationalError", pattern),
        clues.raised("ProgrammingError", pattern),
        clues.logged(pattern),
    ):
        if told and orm_at_import(clues) is None:
            return {"what": f"The models have `{told[1] or told[2] or told[3]}`"}
    return None


@recognises("sqlite-locked")
def sqlite_locked(clues):
    """Two wanted to write at the same time, and one waited in vain."""
    raised = clues.raised("OperationalError", "database is locked")
    return {"where": raised.where} if raised and raised.own else None
