import asyncio

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from django.core.management.base import BaseCommand

SENT = 150


class Command(BaseCommand):
    help = "Measures what a channel layer does with too many messages, with old ones, and with nobody there."

    def handle(self, **options):
        for experiment in (one_channel, one_group, too_late, nobody_there):
            self.stdout.write(asyncio.run(experiment()))


async def one_channel():
    layer = InMemoryChannelLayer()
    for number in range(1, SENT + 1):
        try:
            await layer.send("reader", {"type": "number"})
        except ChannelFull:
            return f"send, and nobody reads: message {number} raises ChannelFull."


async def one_group():
    layer = InMemoryChannelLayer()
    await layer.group_add("room", "reader")
    for _ in range(SENT):
        await layer.group_send("room", {"type": "number"})
    received = await count_waiting(layer)
    return f"group_send, and nobody reads: {SENT} sent without an error, {received} received, {SENT - received} lost."


async def too_late():
    layer = InMemoryChannelLayer(expiry=1)
    await layer.send("reader", {"type": "number"})
    await asyncio.sleep(1.2)
    return f"expiry of 1 s, read after 1.2 s: 1 sent, {await count_waiting(layer)} received."


async def nobody_there():
    layer = InMemoryChannelLayer()
    await layer.group_send("room", {"type": "number"})
    await layer.group_add("room", "reader")
    return f"group_send before the reader has joined: 1 sent, {await count_waiting(layer)} received."


async def count_waiting(layer):
    count = 0
    while True:
        try:
            async with asyncio.timeout(0.1):
                await layer.receive("reader")
        except TimeoutError:
            return count
        count += 1
