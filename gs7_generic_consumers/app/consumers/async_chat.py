"""The same as sync_chat, awaited; what is asked of the database runs in a thread."""

import time

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer

from .. import visits
from ..chat import EVERYONE, NOT_LOGGED_IN, Answer, Close, Keep, Tell, Visit, decode, encode, received
from ..heartbeat import Heartbeat


class AsyncChatConsumer(Heartbeat, AsyncWebsocketConsumer):
    """One connection to a room. The base class takes events apart, joins and leaves `groups`, and stops at the end."""

    groups = (EVERYONE,)

    async def connect(self):
        self.visit = Visit.of(self.scope, self.channel_name)
        actions = await database_sync_to_async(visits.refuse)(self.visit)
        if not actions:
            # First the groups: whoever has its welcome misses nothing from then on.
            self.groups = [*self.groups, *self.visit.groups]
            await self.join_groups()
            actions = await database_sync_to_async(visits.enter)(self.visit)
        await self.accept(self.visit.subprotocol)
        await self.perform(actions)

    async def receive(self, text_data=None, bytes_data=None):
        await self.perform(received(self.visit, decode(text_data), time.monotonic()))

    async def disconnect(self, code):
        await self.perform(await database_sync_to_async(visits.leave)(self.visit))

    async def perform(self, actions):
        for action in actions:
            match action:
                case Answer(frame):
                    await self.answer(frame)
                case Tell(group):
                    await self.channel_layer.group_send(group, action.event)
                case Keep():
                    await self.perform(await database_sync_to_async(visits.speak)(self.visit, action))
                case Close(code):
                    await self.close(code)
                    # Leaves the groups, and raises StopConsumer: what a client still sends, nobody reads.
                    await self.websocket_disconnect({"code": code})

    async def answer(self, frame):
        await self.send(encode(frame))

    async def join_groups(self):
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)

    async def room_frame(self, event):
        for text in self.visit.news_in(event):
            await self.send(text)

    async def user_notice(self, event):
        await self.perform(await database_sync_to_async(visits.be_notified)(self.visit, event))

    async def user_logout(self, event):
        await self.perform([Close(NOT_LOGGED_IN)])

    async def heart_beat(self, event):
        await self.join_groups()
        await self.perform(await database_sync_to_async(visits.stay)(self.visit))


class AsyncJsonChatConsumer(AsyncJsonWebsocketConsumer, AsyncChatConsumer):
    """The same, with a base class that knows JSON."""

    async def receive(self, text_data=None, bytes_data=None):
        if text_data:
            await super().receive(text_data)
        else:
            # Bytes and the empty text are an exception in the base class.
            await self.receive_json(None)

    async def receive_json(self, content):
        await self.perform(received(self.visit, content, time.monotonic()))

    async def answer(self, frame):
        await self.send_json(frame)

    @classmethod
    async def decode_json(cls, text_data):
        # Ours, because the base class would raise an exception for what is no JSON.
        return decode(text_data)

    @classmethod
    async def encode_json(cls, content):
        return encode(content)
