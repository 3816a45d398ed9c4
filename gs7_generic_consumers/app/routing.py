from django.urls import path

from .consumers import async_chat, sync_chat, workers

CHATS = {
    "wsc": sync_chat.ChatConsumer,
    "awsc": async_chat.AsyncChatConsumer,
    "jwc": sync_chat.JsonChatConsumer,
    "ajwc": async_chat.AsyncJsonChatConsumer,
}

websocket_urlpatterns = [
    path(f"ws/{name}/{group}", consumer.as_asgi())
    for name, consumer in CHATS.items()
    for group in ("", "<path:group>/")
]

channel_patterns = {
    "announcer": workers.AnnounceConsumer.as_asgi(),
    "forgetter": workers.ForgetConsumer.as_asgi(),
}
