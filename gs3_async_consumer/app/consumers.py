import asyncio
import time

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

NUMBERS = {str(number) for number in range(1, 61)}
ONE_MIB = 1024 * 1024


def answer_to(text):
    answer = f"Message from server: {text}"
    # daphne ends a connection over which more than 1 MiB is sent at once, by either side.
    return answer if len(answer.encode()) <= ONE_MIB else "error: too long to be answered"


class EchoConsumer(SyncConsumer):
    """Accepts, answers each frame, and closes when it is told "bye"."""

    def websocket_connect(self, event):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        text = event.get("text")
        if text is None:
            self.send({"type": "websocket.send", "bytes": event["bytes"]})
        elif text == "bye":
            self.send({"type": "websocket.close", "code": 4000})
        else:
            self.send({"type": "websocket.send", "text": answer_to(text)})

    def websocket_disconnect(self, event):
        raise StopConsumer()


class CountConsumer(SyncConsumer):
    """Counts as far as it is told, and blocks its thread while it does."""

    def websocket_connect(self, event):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        text = event.get("text")
        if text in NUMBERS:
            self.count(int(text))
        else:
            self.send({"type": "websocket.send", "text": "error: send a number from 1 to 60"})

    def websocket_disconnect(self, event):
        raise StopConsumer()

    def count(self, last):
        for number in range(1, last + 1):
            time.sleep(settings.COUNT_INTERVAL)
            self.send({"type": "websocket.send", "text": str(number)})


class AsyncEchoConsumer(AsyncConsumer):
    """The same as EchoConsumer, awaited."""

    async def websocket_connect(self, event):
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, event):
        text = event.get("text")
        if text is None:
            await self.send({"type": "websocket.send", "bytes": event["bytes"]})
        elif text == "bye":
            await self.send({"type": "websocket.close", "code": 4000})
        else:
            await self.send({"type": "websocket.send", "text": answer_to(text)})

    async def websocket_disconnect(self, event):
        raise StopConsumer()


class AsyncCountConsumer(AsyncConsumer):
    """Counts in a task of its own, so it hears "stop", and ends when the client leaves."""

    counting = None
    number = 0

    async def websocket_connect(self, event):
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, event):
        text = event.get("text")
        is_counting = self.counting and not self.counting.done()
        if text == "stop" and is_counting:
            self.counting.cancel()
            await self.answer(f"stopped at {self.number}")
        elif text == "stop":
            await self.answer("error: nothing is counting")
        elif is_counting:
            await self.answer("error: already counting, send stop first")
        elif text in NUMBERS:
            self.counting = asyncio.create_task(self.count(int(text)))
        elif text == "await 3":
            # The contrast: until this returns, no other event of this connection is handled.
            await self.count(3)
        else:
            await self.answer("error: send a number from 1 to 60, or stop")

    async def websocket_disconnect(self, event):
        if self.counting:
            self.counting.cancel()
        raise StopConsumer()

    async def count(self, last):
        self.number = 0
        while self.number < last:
            await asyncio.sleep(settings.COUNT_INTERVAL)
            self.number += 1
            await self.answer(str(self.number))

    async def answer(self, text):
        await self.send({"type": "websocket.send", "text": text})
