"""Messages a second through one room: each step's chat beside a bare consumer. `python -m tests.bench.load`.

One client process sends messages and reads them as every member of the room, so that sending and arriving are told by
one clock. At most WINDOW messages are under way at once: far below a channel's capacity, so nothing needs to be lost.
"""

import asyncio
import json
import statistics
import sys
import time

from websockets.asyncio.client import connect

from tests.support.redis import Redis, find_redis
from tests.support.server import ROOT, Server

WINDOW = 20  # messages under way
ROUNDS = 3
AT_ONCE = 50  # handshakes under way
QUIET = 0.5  # seconds without a frame, after which joining is over
PATIENCE = 10.0  # seconds without a frame, after which the rest counts as lost
MESSAGES = {10: 500, 100: 200, 1000: 30}  # how many are sent to so many members

# What is measured: a name, the folder, the application and the path. The first is what the others are compared with.
CHATS = [
    ("bare consumer", ROOT, "tests.bench.bare:application", "/"),
    ("gs4, async", ROOT / "gs4_channel_layers", "gs4.asgi:application", "/ws/ac/bench/"),
    ("gs4, sync", ROOT / "gs4_channel_layers", "gs4.asgi:application", "/ws/sc/bench/"),
]
PLACES = [("daphne, in memory", "daphne", False), ("daphne, Redis", "daphne", True)]


class Room:
    """All members of a room, and what they hear."""

    def __init__(self, url, members, messages):
        self.url = url
        self.members = members
        self.messages = messages
        self.sent = {}
        self.latencies = []
        self.heard = asyncio.Condition()
        self.arrived = dict.fromkeys(range(messages), 0)
        self.last_frame = time.perf_counter()

    async def listen(self, websocket):
        async for frame in websocket:
            self.last_frame = time.perf_counter()
            # The number of the message stands between two tildes, wherever the chat puts its text.
            parts = frame.split("~")
            if len(parts) == 3:
                number = int(parts[1])
                self.latencies.append(self.last_frame - self.sent[number])
                self.arrived[number] += 1

    async def measure(self):
        """Return (deliveries a second, p50 and p99 in milliseconds, deliveries lost)."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def join():
            async with limit:
                return await connect(self.url, max_size=None, open_timeout=60, ping_interval=None, max_queue=None)

        websockets = await asyncio.gather(*(join() for _ in range(self.members)))
        listeners = [asyncio.create_task(self.listen(websocket)) for websocket in websockets]
        await self.quiet(QUIET)
        begin = time.perf_counter()
        for number in range(self.messages):
            await self.room_for(number)
            self.sent[number] = time.perf_counter()
            await websockets[0].send(json.dumps({"msg": f"~{number}~"}))
        expected = self.members * self.messages
        while len(self.latencies) < expected and time.perf_counter() - self.last_frame < PATIENCE:
            await asyncio.sleep(0.005)
        seconds = self.last_frame - begin
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*(websocket.close() for websocket in websockets))
        p50, p99 = (statistics.quantiles(self.latencies, n=100)[at] * 1000 for at in (49, 98))
        return len(self.latencies) / seconds, p50, p99, expected - len(self.latencies)

    async def quiet(self, seconds):
        while time.perf_counter() - self.last_frame < seconds:
            await asyncio.sleep(0.05)

    async def room_for(self, number):
        """Wait until the message WINDOW places before has reached all, or nothing has come for a while."""
        before = number - WINDOW
        while before >= 0 and self.arrived[before] < self.members:
            if time.perf_counter() - self.last_frame > PATIENCE:
                return
            await asyncio.sleep(0)


def best_of(rounds, folder, kind, application, path, members, environment):
    """Return the measure with the most deliveries a second, out of so many on one server: the first warms it up."""
    with Server(folder, kind, application, **environment) as server:
        url = server.url(path)
        best = max(asyncio.run(Room(url, members, MESSAGES[members]).measure()) for _ in range(rounds))
        # Not Ctrl-C: a sync handler that is under way then waits for an event loop that has stopped.
        server.process.kill()
        return best


def main(sizes):
    print(f"{'':<20} {'':<18} {'members':>8} {'a second':>9} {'of bare':>8} {'p50 ms':>8} {'p99 ms':>8} {'lost':>6}")
    with Redis(find_redis()) as redis:
        for place, kind, over_redis in PLACES:
            environment = {"REDIS_URL": redis.url} if over_redis else {}
            for members in sizes:
                bare = None
                for name, folder, application, path in CHATS:
                    rate, p50, p99, lost = best_of(ROUNDS, folder, kind, application, path, members, environment)
                    bare = bare or rate
                    print(
                        f"{place:<20} {name:<18} {members:>8} {rate:>9,.0f} {rate / bare:>8.2f} "
                        f"{p50:>8.1f} {p99:>8.1f} {lost:>6}",
                        flush=True,
                    )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or list(MESSAGES))
