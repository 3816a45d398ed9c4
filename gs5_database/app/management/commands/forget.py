from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError


class Command(BaseCommand):
    help = "Lets the worker delete a room with all that was said in it."

    def add_arguments(self, parser):
        parser.add_argument("room")

    def handle(self, *, room, **options):
        layer = get_channel_layer()
        if isinstance(layer, InMemoryChannelLayer):
            raise CommandError(
                "The in-memory channel layer cannot reach the worker's process. "
                "Start Redis and set REDIS_URL, for the worker and for this command."
            )
        try:
            async_to_sync(layer.send)("forgetter", {"type": "room.forget", "room": room})
        except RedisError as error:
            raise CommandError(f"Redis does not answer: {error}") from None
