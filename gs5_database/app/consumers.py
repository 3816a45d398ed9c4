import asyncio
import json

from asgiref.sync import async_to_sync
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django.db import transaction

from .chat import EVERYONE, LOBBY, BadFrame, history_frames, layer_group, read_after, read_message, short_name
from .models import Room, history, store


class ChatConsumer(SyncConsumer):
    """One connection to a room; what it receives goes to all the others through the channel layer."""

    def websocket_connect(self, event):
        self.room = self.scope["url_route"]["kwargs"].get("group", LOBBY)
        self.name = short_name(self.channel_name)
        # First the groups: whoever has its welcome misses nothing from then on.
        async_to_sync(self.channel_layer.group_add)(EVERYONE, self.channel_name)
        async_to_sync(self.channel_layer.group_add)(layer_group(self.room), self.channel_name)
        # Then the history: without a database there is no welcome either.
        frames = self.read_history()
        self.send({"type": "websocket.accept"})
        self.answer({"event": "welcome", "group": self.room, "from": self.name})
        for frame in frames:
            self.answer(frame)
        self.tell_others({"event": "join", "from": self.name})

    def websocket_receive(self, event):
        try:
            msg = read_message(event.get("text"))
            message = store(self.room, self.name, msg)
        except BadFrame as bad:
            self.answer({"event": "error", "code": bad.code, "detail": bad.detail})
        else:
            self.tell_all(message.as_frame())

    def websocket_disconnect(self, event):
        async_to_sync(self.channel_layer.group_discard)(layer_group(self.room), self.channel_name)
        async_to_sync(self.channel_layer.group_discard)(EVERYONE, self.channel_name)
        self.tell_others({"event": "leave", "from": self.name})
        raise StopConsumer()

    def read_history(self):
        messages = [message.as_frame() for message in history(self.room, read_after(self.scope))]
        self.shown = {message["id"] for message in messages}
        return history_frames(messages)

    def tell_all(self, frame, sender=None):
        # "type" names the handler that each member runs. It is ours to choose, never the client's.
        event = {"type": "room.frame", "frame": frame, "sender": sender}
        async_to_sync(self.channel_layer.group_send)(layer_group(self.room), event)

    def tell_others(self, frame):
        self.tell_all(frame, sender=self.channel_name)

    def room_frame(self, event):
        frame = event["frame"]
        # What was stored after this member joined the group and before it read the history comes both ways.
        if event["sender"] != self.channel_name and frame.get("id") not in self.shown:
            self.answer(frame)

    def answer(self, frame):
        self.send({"type": "websocket.send", "text": json.dumps(frame, ensure_ascii=False)})


class AsyncChatConsumer(AsyncConsumer):
    """The same as ChatConsumer, awaited."""

    async def websocket_connect(self, event):
        self.room = self.scope["url_route"]["kwargs"].get("group", LOBBY)
        self.name = short_name(self.channel_name)
        # First the groups: whoever has its welcome misses nothing from then on.
        await self.channel_layer.group_add(EVERYONE, self.channel_name)
        await self.channel_layer.group_add(layer_group(self.room), self.channel_name)
        # Then the history: without a database there is no welcome either.
        frames = await self.read_history()
        await self.send({"type": "websocket.accept"})
        await self.answer({"event": "welcome", "group": self.room, "from": self.name})
        for frame in frames:
            await self.answer(frame)
        await self.tell_others({"event": "join", "from": self.name})

    async def websocket_receive(self, event):
        try:
            msg = read_message(event.get("text"))
            message = await database_sync_to_async(store)(self.room, self.name, msg)
        except BadFrame as bad:
            await self.answer({"event": "error", "code": bad.code, "detail": bad.detail})
        else:
            await self.tell_all(message.as_frame())

    async def websocket_disconnect(self, event):
        await self.channel_layer.group_discard(layer_group(self.room), self.channel_name)
        await self.channel_layer.group_discard(EVERYONE, self.channel_name)
        await self.tell_others({"event": "leave", "from": self.name})
        raise StopConsumer()

    async def read_history(self):
        messages = [message.as_frame() async for message in history(self.room, read_after(self.scope))]
        self.shown = {message["id"] for message in messages}
        return history_frames(messages)

    async def tell_all(self, frame, sender=None):
        # "type" names the handler that each member runs. It is ours to choose, never the client's.
        event = {"type": "room.frame", "frame": frame, "sender": sender}
        await self.channel_layer.group_send(layer_group(self.room), event)

    async def tell_others(self, frame):
        await self.tell_all(frame, sender=self.channel_name)

    async def room_frame(self, event):
        frame = event["frame"]
        if event["sender"] != self.channel_name and frame.get("id") not in self.shown:
            await self.answer(frame)

    async def answer(self, frame):
        await self.send({"type": "websocket.send", "text": json.dumps(frame, ensure_ascii=False)})


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
