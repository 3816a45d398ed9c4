import asyncio
import logging

from redis.exceptions import RedisError

# The standard has 1013 for this, but daphne sends only 1000 and what is from 3000 to 4999.
TRY_AGAIN_LATER = 4013

logger = logging.getLogger(__name__)


class SurviveLosses:
    """Around an ASGI application: a client that is gone, or a Redis that is away, is no reason for a traceback."""

    def __init__(self, application):
        self.application = application
        self.connections = set()

    async def __call__(self, scope, receive, send):
        accepted = False

        async def send_if_there(event):
            nonlocal accepted
            if event["type"] == "websocket.accept":
                accepted = True
                self.connections.add(end)
            try:
                await send(event)
            except (OSError, RuntimeError) as error:
                # The client has just gone (daphne's Disconnected is a RuntimeError), or was sent away (uvicorn's own).
                # The next event is websocket.disconnect, and the consumer leaves its groups.
                logger.debug("Nobody is there for %s: %s", event["type"], error)

        async def end():
            if end in self.connections:
                self.connections.remove(end)
                await send_if_there({"type": "websocket.close", "code": TRY_AGAIN_LATER})

        try:
            await self.application(scope, receive, send_if_there)
        except RedisError as error:
            logger.warning("The channel layer failed, so a connection ends: %s", error)
            if not accepted:
                # A close before the accept would be an HTTP 403, and the code would be lost.
                await send_if_there({"type": "websocket.accept"})
            # Of all that wait for Redis the layer tells one alone. The others would stay, in groups that may be gone.
            await asyncio.gather(*(each() for each in self.connections))
        finally:
            self.connections.discard(end)
