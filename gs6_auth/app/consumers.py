import asyncio
import json

from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django import db
from django.db import transaction

from .chat import (
    EVERYONE,
    LOBBY,
    NOT_LOGGED_IN,
    BadFrame,
    history_frames,
    layer_group,
    read_after,
    read_message,
    user_group,
)
from .heartbeat import Heartbeat
from .models import Room, history, store
from .presence import enter, leave, refusal, remove_lost, who_is_here


class AsyncChatConsumer(Heartbeat, AsyncConsumer):
    """One connection to a room: whoever is logged in may speak, everybody else may listen."""

    async def websocket_connect(self, event):
        self.room = self.scope["url_route"]["kwargs"].get("group", LOBBY)
        self.user = self.scope["user"]
        self.name = self.user.get_username() or None
        self.users = {"names": None, "at": 0}
        if refused := await database_sync_to_async(refusal)(self.room, self.user, self.scope["session"]):
            # A close before the accept would be an HTTP 403, and the code would be lost.
            await self.send({"type": "websocket.accept"})
            await self.turn_out(refused)
        # First the groups: whoever has its welcome misses nothing from then on.
        await self.join_groups()
        # Then the history: without a database there is no welcome either.
        frames = await self.read_history()
        await self.send({"type": "websocket.accept"})
        await self.answer({"event": "welcome", "group": self.room, "from": self.name})
        for frame in frames:
            await self.answer(frame)
        await self.be_present()

    async def websocket_receive(self, event):
        try:
            msg = read_message(event.get("text"))
            if not self.name:
                raise BadFrame("login_required", "Log in to write here. Until then you may listen.")
            message = await database_sync_to_async(store)(self.room, self.name, msg)
        except BadFrame as bad:
            await self.answer({"event": "error", "code": bad.code, "detail": bad.detail})
        else:
            await self.tell_all(message.as_frame())

    async def websocket_disconnect(self, event):
        for group in self.groups():
            await self.channel_layer.group_discard(group, self.channel_name)
        if await database_sync_to_async(leave)(layer_group(self.room), self.user, self.channel_name):
            await self.tell_change({"event": "leave", "from": self.name})
        raise StopConsumer()

    def groups(self):
        yield EVERYONE
        yield layer_group(self.room)
        if self.name:
            yield user_group(self.user)

    async def join_groups(self):
        for group in self.groups():
            await self.channel_layer.group_add(group, self.channel_name)

    async def read_history(self):
        messages = [message.as_frame() async for message in history(self.room, read_after(self.scope))]
        self.shown = {message["id"] for message in messages}
        return history_frames(messages)

    async def heart_beat(self, event):
        await self.join_groups()
        try:
            refused = await database_sync_to_async(refusal)(self.room, self.user, self.scope["session"])
            if not refused:
                await self.be_present()
        except db.Error:
            # Without a database nobody knows better: the next beat comes.
            return
        if refused:
            await self.turn_out(refused)

    async def be_present(self):
        """Say that we are here, tell the others what that changes, and show our client who else is."""
        group = layer_group(self.room)
        if await database_sync_to_async(enter)(group, self.user, self.channel_name):
            await self.tell_change({"event": "join", "from": self.name}, sender=self.channel_name)
        for name in await database_sync_to_async(remove_lost)(group):
            await self.tell_change({"event": "leave", "from": name})
        await self.show_users(await database_sync_to_async(who_is_here)(group))

    async def user_logout(self, event):
        await self.turn_out(NOT_LOGGED_IN)

    async def turn_out(self, code):
        await self.send({"type": "websocket.close", "code": code})
        await self.websocket_disconnect({"type": "websocket.disconnect", "code": code})

    async def tell_all(self, frame, sender=None):
        # "type" names the handler that each member runs. It is ours to choose, never the client's.
        event = {"type": "room.frame", "frame": frame, "sender": sender}
        await self.channel_layer.group_send(layer_group(self.room), event)

    async def tell_change(self, frame, sender=None):
        # One event for two frames: a crowd that comes at once fills the layer's channels soon enough.
        users = await database_sync_to_async(who_is_here)(layer_group(self.room))
        event = {"type": "room.change", "frame": frame, "sender": sender, "users": users}
        await self.channel_layer.group_send(layer_group(self.room), event)

    async def room_frame(self, event):
        frame = event["frame"]
        # What was stored after this member joined the group and before it read the history comes both ways.
        if event["sender"] != self.channel_name and frame.get("id") not in self.shown:
            await self.answer(frame)

    async def room_change(self, event):
        await self.room_frame(event)
        await self.show_users(event["users"])

    async def show_users(self, users):
        # Lists overtake each other: one that was read before ours is out of date.
        if users["at"] <= self.users["at"]:
            return
        if users["names"] != self.users["names"]:
            await self.answer({"event": "users", "users": users["names"]})
        self.users = users

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
