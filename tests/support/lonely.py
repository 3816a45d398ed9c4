"""A socket that is opened early and then left alone, for checks that need much time to pass."""

import contextlib
import threading
import time

from tests.support.redis import Redis
from tests.support.server import Server


class LonelySocket:
    """A socket on a server and a Redis of its own, opened in the background."""

    def __init__(self, project, step, redis_program):
        self.stack = contextlib.ExitStack()
        self.arguments = (project, "daphne", f"{step}.asgi:application")
        self.redis_program = redis_program
        self.opened = None
        self.thread = threading.Thread(target=self.open)
        self.thread.start()

    def open(self):
        from websockets.sync.client import connect

        redis = self.stack.enter_context(Redis(self.redis_program))
        self.server = self.stack.enter_context(Server(*self.arguments, REDIS_URL=redis.url))
        self.socket = self.stack.enter_context(connect(self.server.url("/ws/ac/idle/"), ping_interval=None))
        assert "welcome" in self.socket.recv(timeout=5)
        self.opened = time.monotonic()

    def close(self):
        self.thread.join()
        self.stack.close()

    def seconds_open(self):
        return time.monotonic() - self.opened
