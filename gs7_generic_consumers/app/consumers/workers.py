import asyncio

from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from django.db import transaction

from ..models import Room


class AnnounceConsumer(AsyncConsumer):
    """Runs in the worker, not in the server: holds announcements back until their time has come."""

    def __init__(self):
        self.waiting = set()

    async def announce_later(self, event):
        # A task of its own, as in gs3: the next announcement may be due earlier.
        task = asyncio.create_task(self.announce(event))
        self.waiting.add(task)
        task.add_done_callback(self.waiting.discard)

    async def announce(self, event):
        await asyncio.sleep(event["after"])
        await self.channel_layer.group_send(event["group"], event["event"])


class ForgetConsumer(AsyncConsumer):
    """Runs in the worker, too: deletes a room with all that was said in it, which may take a while."""

    @database_sync_to_async
    @transaction.atomic
    def room_forget(self, event):
        # The lock that store() takes: nobody writes into a room that is about to go.
        Room.objects.select_for_update().filter(name=event["room"]).delete()
