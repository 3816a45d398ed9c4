from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from app.chat import EVERYONE, layer_group


class Command(BaseCommand):
    help = "Sends a notice to everyone who is connected, or to one group."

    def add_arguments(self, parser):
        parser.add_argument("text")
        parser.add_argument("--group", help="only to this group")
        parser.add_argument("--after", type=float, metavar="SECONDS", help="let the worker wait so long first")

    def handle(self, *, text, group, after, **options):
        layer = get_channel_layer()
        if isinstance(layer, InMemoryChannelLayer):
            raise CommandError(
                "The in-memory channel layer cannot reach the server's process. "
                "Start Redis and set REDIS_URL, for the server and for this command."
            )
        target = layer_group(group) if group else EVERYONE
        event = {"type": "room.frame", "frame": {"event": "notice", "msg": text}, "sender": None}
        try:
            if after is None:
                async_to_sync(layer.group_send)(target, event)
            else:
                job = {"type": "announce.later", "after": after, "group": target, "event": event}
                async_to_sync(layer.send)("announcer", job)
        except RedisError as error:
            raise CommandError(f"Redis does not answer: {error}") from None
        self.stdout.write("Sent. Whether somebody was there to hear it, a channel layer does not tell.")
