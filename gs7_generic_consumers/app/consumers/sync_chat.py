"""The chat on the two sync generic consumers: ..chat says what is to be done, they do it."""

import time

from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer, WebsocketConsumer

from .. import visits
from ..chat import EVERYONE, NOT_LOGGED_IN, Answer, Close, Keep, Tell, Visit, decode, encode, received
from ..heartbeat import Heartbeat


class ChatConsumer(Heartbeat, WebsocketConsumer):
    """One connection to a room. The base class takes events apart, joins and leaves `groups`, and stops at the end."""

    groups = (EVERYONE,)

    def connect(self):
        self.visit = Visit.of(self.scope, self.channel_name)
        actions = visits.refuse(self.visit)
        if not actions:
            # First the groups: whoever has its welcome misses nothing from then on.
            self.groups = [*self.groups, *self.visit.groups]
            self.join_groups()
            actions = visits.enter(self.visit)
        self.accept(self.visit.subprotocol)
        self.perform(actions)

    def receive(self, text_data=None, bytes_data=None):
        self.perform(received(self.visit, decode(text_data), time.monotonic()))

    def disconnect(self, code):
        self.perform(visits.leave(self.visit))

    def perform(self, actions):
        for action in actions:
            match action:
                case Answer(frame):
                    self.answer(frame)
                case Tell(group):
                    async_to_sync(self.channel_layer.group_send)(group, action.event)
                case Keep():
                    self.perform(visits.speak(self.visit, action))
                case Close(code):
                    self.close(code)
                    # Leaves the groups, and raises StopConsumer: what a client still sends, nobody reads.
                    self.websocket_disconnect({"code": code})

    def answer(self, frame):
        self.send(encode(frame))

    @async_to_sync
    async def join_groups(self):
        # As a whole: each call of something async from a sync consumer waits for its turn in the event loop.
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)

    def room_frame(self, event):
        for text in self.visit.news_in(event):
            self.send(text)

    def user_notice(self, event):
        self.perform(visits.be_notified(self.visit, event))

    def user_logout(self, event):
        self.perform([Close(NOT_LOGGED_IN)])

    def heart_beat(self, event):
        self.join_groups()
        self.perform(visits.stay(self.visit))


class JsonChatConsumer(JsonWebsocketConsumer, ChatConsumer):
    """The same, with a base class that knows JSON."""

    def receive(self, text_data=None, bytes_data=None):
        if text_data:
            super().receive(text_data)
        else:
            # Bytes and the empty text are an exception in the base class.
            self.receive_json(None)

    def receive_json(self, content):
        self.perform(received(self.visit, content, time.monotonic()))

    def answer(self, frame):
        self.send_json(frame)

    @classmethod
    def decode_json(cls, text_data):
        # Ours, because the base class would raise an exception for what is no JSON.
        return decode(text_data)

    @classmethod
    def encode_json(cls, content):
        return encode(content)
