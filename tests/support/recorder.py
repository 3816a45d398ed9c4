"""An ASGI application around another one, which tells every event that passes, and the end.

In the suite's own process it is used through `record`. In a server's process it is the application that
the server is told to serve (`tests.support.recorder:application`); two environment variables say what it
wraps and where it writes. It imports the wrapped module just as the server would have done.
"""

import importlib
import json
import os
import time

from tests.support.timeline import ENDED, shorten


def record(application, tell, failed=lambda error: None):
    """Return `application` wrapped; each WebSocket event is told by `tell(scope, text)`, its exception by `failed`."""

    async def recorded(scope, receive, send):
        if scope["type"] != "websocket":
            return await application(scope, receive, send)

        async def recorded_receive():
            event = await receive()
            tell(scope, f"← {shorten(event)}")
            return event

        async def recorded_send(event):
            tell(scope, f"→ {shorten(event)}")
            await send(event)

        try:
            return await application(scope, recorded_receive, recorded_send)
        except Exception as error:
            tell(scope, f"! {type(error).__name__}: {shorten(str(error))}")
            failed(error)
            raise
        finally:
            tell(scope, ENDED)

    return recorded


def write_to(path):
    """Return a `tell` that appends one line of JSON an event to the file `path`."""

    def tell(scope, text):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([time.time(), scope["client"][1], text]) + "\n")

    return tell


if "RECORDED_APPLICATION" in os.environ:
    application = record(
        importlib.import_module(os.environ["RECORDED_APPLICATION"]).application,
        write_to(os.environ["RECORDED_EVENTS"]),
    )
