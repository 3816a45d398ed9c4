import logging

from autobahn.exception import Disconnected

logger = logging.getLogger(__name__)


class SurviveLosses:
    """Around an ASGI application: a client that is gone is no reason for a traceback."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        async def send_if_there(event):
            try:
                await send(event)
            except (OSError, Disconnected) as error:
                # The client has just gone. The next event is websocket.disconnect, and the consumer ends.
                logger.debug("Nobody is there for %s: %s", event["type"], error)

        await self.application(scope, receive, send_if_there)
