from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("ws/ac/", consumers.AsyncChatConsumer.as_asgi()),
    path("ws/ac/<path:group>/", consumers.AsyncChatConsumer.as_asgi()),
]

channel_patterns = {
    "announcer": consumers.AnnounceConsumer.as_asgi(),
    "forgetter": consumers.ForgetConsumer.as_asgi(),
}
