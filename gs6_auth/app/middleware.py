from urllib.parse import parse_qs

from channels.db import database_sync_to_async

from .chat import NOT_LOGGED_IN
from .tickets import redeem


class TicketMiddleware:
    """Around an ASGI application: whoever comes with ?ticket=… is the user who has got that ticket."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if "ticket" in query:
            user = await database_sync_to_async(redeem)(query["ticket"][0])
            if user is None:
                await receive()
                await send({"type": "websocket.accept"})
                await send({"type": "websocket.close", "code": NOT_LOGGED_IN})
                return
            # A copy: the scope belongs to the application around us.
            scope = dict(scope, user=user, session=None)
        await self.application(scope, receive, send)
