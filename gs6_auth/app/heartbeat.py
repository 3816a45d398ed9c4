import asyncio
import contextlib

from django.conf import settings


class Heartbeat:
    """For a consumer: as long as its connection lasts, it gets the event heart.beat, every HEARTBEAT seconds."""

    async def __call__(self, scope, receive, send):
        loop = asyncio.get_running_loop()
        next_beat = None

        async def receive_or_beat():
            # Among the client's events: so it waits for its turn, and takes no place in the channel layer.
            nonlocal next_beat
            # From the end of the last one: however long a beat takes, the client has its turn, too.
            next_beat = next_beat or loop.time() + settings.HEARTBEAT
            if loop.time() < next_beat:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(next_beat):
                        return await receive()
            next_beat = None
            return {"type": "heart.beat"}

        await super().__call__(scope, receive_or_beat, send)
