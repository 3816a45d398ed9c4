from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from redis.exceptions import RedisError

from app.chat import EVERYONE, user_group
from app.models import Notice


class Command(BaseCommand):
    help = "Sends a notice to every user, or to one: at once to who is connected, to the others when they next connect."

    def add_arguments(self, parser):
        parser.add_argument("text")
        parser.add_argument("--user", help="only to this user")

    def handle(self, *, text, user, **options):
        layer = get_channel_layer()
        if isinstance(layer, InMemoryChannelLayer):
            raise CommandError(
                "The in-memory channel layer cannot reach the server's process, so nothing was sent and nothing kept. "
                "Start Redis and set REDIS_URL, for the server and for this command."
            )
        users = get_user_model().objects.filter(is_active=True)
        if user is not None:
            users = users.filter(username=user)
            if not users:
                raise CommandError(f"There is no user {user!r}, so nothing was sent.")
        # Kept before it is sent: who connects in between gets it, and whoever has got it is crossed off.
        with transaction.atomic():
            notice = Notice.objects.create(text=text)
            notice.waiting.set(users)
        event = {"type": "user.notice", "id": notice.id, "frame": notice.as_frame()}
        try:
            async_to_sync(layer.group_send)(EVERYONE if user is None else user_group(users[0]), event)
        except RedisError as error:
            raise CommandError(
                f"Redis does not answer, so nobody has got it yet. It is kept for when they next connect. {error}"
            ) from None
        self.stdout.write("Sent. Who is not connected gets it when they next connect.")
