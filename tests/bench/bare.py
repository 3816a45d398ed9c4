"""What a chat is measured against: consumers that pass text on to one group, and do nothing else."""

import os

import django
from asgiref.sync import async_to_sync
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

GROUP = "everyone"

redis = {"address": os.environ.get("REDIS_URL"), "socket_timeout": None, "max_connections": 10_000}
in_memory = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
over_redis = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis]}}
settings.configure(CHANNEL_LAYERS={"default": over_redis if redis["address"] else in_memory})
django.setup()


class BareConsumer(SyncConsumer):
    def websocket_connect(self, event):
        async_to_sync(self.channel_layer.group_add)(GROUP, self.channel_name)
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        async_to_sync(self.channel_layer.group_send)(GROUP, {"type": "bare.text", "text": event["text"]})

    def websocket_disconnect(self, event):
        async_to_sync(self.channel_layer.group_discard)(GROUP, self.channel_name)
        raise StopConsumer()

    def bare_text(self, event):
        self.send({"type": "websocket.send", "text": event["text"]})


class AsyncBareConsumer(AsyncConsumer):
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


routes = [path("sc/", BareConsumer.as_asgi()), path("ac/", AsyncBareConsumer.as_asgi())]
application = ProtocolTypeRouter({"websocket": URLRouter(routes), "http": answer_http})
