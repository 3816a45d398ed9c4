"""What a chat is measured against: a consumer that passes text on to one group, and does nothing else."""

import os

import django
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings

GROUP = "everyone"

redis = {"address": os.environ.get("REDIS_URL"), "socket_timeout": None}
in_memory = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
over_redis = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis]}}
settings.configure(CHANNEL_LAYERS={"default": over_redis if redis["address"] else in_memory})
django.setup()


class BareConsumer(AsyncConsumer):
    async def websocket_connect(self, event):
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, event):
        await self.channel_layer.group_send(GROUP, {"type": "bare.text", "text": event["text"]})

    async def websocket_disconnect(self, event):
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        raise StopConsumer()

    async def bare_text(self, event):
        await self.send({"type": "websocket.send", "text": event["text"]})


async def answer_http(scope, receive, send):
    """Answer any page with nothing, which tells that the server is ready."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


application = ProtocolTypeRouter({"websocket": BareConsumer.as_asgi(), "http": answer_http})
