import asyncio
import contextlib

from channels.exceptions import ChannelFull
from django.conf import settings
from redis.exceptions import RedisError


class Heartbeat:
    """For a consumer: as long as its connection lasts, it gets the event heart.beat, every HEARTBEAT seconds."""

    async def __call__(self, scope, receive, send):
        heart = asyncio.create_task(self.beat())
        try:
            await super().__call__(scope, receive, send)
        finally:
            # However the connection ends, its heart stops with it.
            heart.cancel()

    async def beat(self):
        while True:
            await asyncio.sleep(settings.HEARTBEAT)
            # Sent, not called: so it waits for its turn, like any event. One that fails is missed, and the next comes.
            with contextlib.suppress(ChannelFull, RedisError):
                await self.channel_layer.send(self.channel_name, {"type": "heart.beat"})
