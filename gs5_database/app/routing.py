from django.urls import path

from . import consumers, converters  # noqa: F401  (converters brings <room:…>)

websocket_urlpatterns = [
    path("ws/sc/", consumers.ChatConsumer.as_asgi()),
    path("ws/sc/<room:group>/", consumers.ChatConsumer.as_asgi()),
    path("ws/ac/", consumers.AsyncChatConsumer.as_asgi()),
    path("ws/ac/<room:group>/", consumers.AsyncChatConsumer.as_asgi()),
]

channel_patterns = {
    "announcer": consumers.AnnounceConsumer.as_asgi(),
    "forgetter": consumers.ForgetConsumer.as_asgi(),
}
