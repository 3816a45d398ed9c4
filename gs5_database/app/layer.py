import logging

from django import db
from redis.exceptions import RedisError

# The standard has 1013 for this, but daphne sends only 1000 and what is from 3000 to 4999.
TRY_AGAIN_LATER = 4013

logger = logging.getLogger(__name__)


class CloseWhenTheLayerFails:
    """Around an ASGI application: without Redis or the database clients are told to come back, and the log gets a line."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        passed = set()

        async def watched_receive():
            event = await receive()
            passed.add(event["type"])
            return event

        async def watched_send(event):
            passed.add(event["type"])
            await send(event)

        try:
            await self.application(scope, watched_receive, watched_send)
        except (RedisError, db.Error) as error:
            logger.warning("The channel layer or the database failed, so a connection ends: %s", error)
            if "websocket.disconnect" in passed:
                return
            if "websocket.accept" not in passed:
                # A close before the accept would be an HTTP 403, and the code would be lost.
                await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
