"""gs4 as it is measured: with QUIET in the environment nobody is told who comes and goes."""

import os

# First of all, because it loads the apps; the server serves it.
from gs4.asgi import application  # noqa: F401

# isort: split
from app.consumers import AsyncChatConsumer, ChatConsumer


def tell_nobody(self, frame):
    pass


async def await_nobody(self, frame):
    pass


if os.environ.get("QUIET"):
    ChatConsumer.tell_others = tell_nobody
    AsyncChatConsumer.tell_others = await_nobody
