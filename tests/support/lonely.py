"""A socket that is opened early and then left alone, for checks that need much time to pass."""

import asyncio
import contextlib
import threading
import time

from tests.support.redis import Redis
from tests.support.server import Server
from tests.support.visitor import visitor_of


class LonelySocket:
    """A socket on a server and a Redis of its own, opened in the background."""

    def __init__(self, project, step, redis_program, with_user=False):
        self.stack = contextlib.ExitStack()
        self.arguments = (project, "daphne", f"{step}.asgi:application")
        self.redis_program = redis_program
        self.with_user = with_user
        self.path = "/ws/ajwc/idle/" if step == "gs7" else "/ws/ac/idle/"
        self.opened = None
        self.error = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.open()
        except Exception as error:
            # The check tells it; a thread's exception would hit whatever check is running.
            self.error = error

    def open(self):
        from websockets.sync.client import connect

        redis = self.stack.enter_context(Redis(self.redis_program))
        self.server = self.stack.enter_context(Server(*self.arguments, REDIS_URL=redis.url))
        visitor = visitor_of(self.server)
        if self.with_user:
            asyncio.run(visitor.sign_up())
        handshake = connect(
            self.server.url(self.path),
            origin=visitor.origin,
            additional_headers={"Cookie": visitor.cookie},
            ping_interval=None,
        )
        self.socket = self.stack.enter_context(handshake)
        assert "welcome" in self.socket.recv(timeout=5)
        self.opened = time.monotonic()

    def close(self):
        self.thread.join()
        self.stack.close()

    def seconds_open(self):
        return time.monotonic() - self.opened
