"""Messages a second through one room: each chat beside a bare consumer. `python -m tests.bench.load`.

One client process sends messages and reads them as every member of the room, so that sending and arriving are told by
one clock. At most WINDOW messages are under way at once: far below a channel's capacity, so nothing needs to be lost.
A chat and the bare consumers are measured in turn, round by round: whatever else the machine does, it does to both.
"""

import argparse
import asyncio
import json
import math
import statistics
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from websockets.asyncio.client import connect

from tests.support.redis import Redis, find_redis
from tests.support.server import ROOT, Server, SqliteDatabase
from tests.support.visitor import visitor_of

WINDOW = 20  # messages under way
ROUNDS = {10: 3, 100: 2, 1000: 2}
AT_ONCE = 50  # handshakes under way
QUIET = 0.5  # seconds without a frame, after which joining is over
PATIENCE = 10.0  # seconds without a frame, after which the rest counts as lost
MESSAGES = {10: 400, 100: 100, 1000: 25}  # how many are sent to so many members


class Contestant(NamedTuple):
    """What is measured: its name in the table, where it is, and the name of the bare consumer it is compared with."""

    name: str
    folder: Path
    application: str
    path: str
    against: str | None = None
    environment: dict = {}  # noqa: RUF012  (nobody changes it)


BARE = [
    Contestant("bare, async", ROOT, "tests.bench.bare:application", "/ac/"),
    Contestant("bare, sync", ROOT, "tests.bench.bare:application", "/sc/"),
]
GS4 = [
    Contestant("gs4, async", ROOT / "gs4_channel_layers", "gs4.asgi:application", "/ws/ac/bench/", "bare, async"),
    Contestant("gs4, sync", ROOT / "gs4_channel_layers", "gs4.asgi:application", "/ws/sc/bench/", "bare, sync"),
]
GS7_FOLDER = ROOT / "gs7_generic_consumers"
GS7 = [
    Contestant(f"gs7, {name}", GS7_FOLDER, "tests.bench.gs7:application", path, against, environment)
    for name, path, against, environment in (
        ("async, unstored", "/ws/ajwc/bench/", "bare, async", {"UNSTORED": "1"}),
        ("sync, unstored", "/ws/jwc/bench/", "bare, sync", {"UNSTORED": "1"}),
        ("async", "/ws/ajwc/bench/", "bare, async", {}),
    )
]

ALL = (10, 100, 1000)  # members
UNASKED = (10, 100)  # a thousand who join one room are told of each other, which takes many minutes

# Where it is measured: the name in the table, the kind of server, its number of processes, whether over Redis, and with
# how many members. What several processes change is seen with a hundred.
PLACES = [
    ("daphne, in memory", "daphne", 1, False, ALL),
    ("daphne, Redis", "daphne", 1, True, ALL),
    ("uvicorn, Redis", "uvicorn", 1, True, (100,)),
    ("2 workers, Redis", "uvicorn", 2, True, (100,)),
    ("4 workers, Redis", "uvicorn", 4, True, (100,)),
]


class Room:
    """All members of a room, and what they hear."""

    def __init__(self, url, members, messages, origin=None, cookie=None):
        """`cookie` is that of whoever speaks; all others only listen."""
        self.url = url
        self.origin = origin
        self.cookie = cookie
        self.members = members
        self.messages = messages
        self.sent = {}
        self.latencies = []
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

        async def join(cookie=None):
            async with limit:
                return await connect(
                    self.url,
                    origin=self.origin,
                    additional_headers={"Cookie": cookie} if cookie else None,
                    max_size=None,
                    open_timeout=60,
                    ping_interval=None,
                    max_queue=None,
                    proxy=None,
                )

        websockets = await asyncio.gather(join(self.cookie), *(join() for _ in range(self.members - 1)))
        listeners = [asyncio.create_task(self.listen(websocket)) for websocket in websockets]
        # A crowd is told of everybody who comes: that takes its time, and may falter.
        await self.quiet(QUIET + self.members / 200)
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
        # Of nothing heard there is no latency; the loss says it all.
        quantiles = statistics.quantiles(self.latencies, n=100) if len(self.latencies) > 1 else [math.nan] * 99
        p50, p99 = (quantiles[at] * 1000 for at in (49, 98))
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


def measure_in_turn(contestants, place, members, redis_url, folder):
    """Return {name: its best measure}, the one with the most deliveries a second; the first round warms up."""
    with ExitStack() as stack:
        # Each in a database of its own: a group's name in one chat is a group's name in another.
        rooms = {
            each.name: stack.enter_context(serve(each, place, f"{redis_url}/{number}", folder))
            for number, each in enumerate(contestants)
        }
        best = {}
        for _ in range(ROUNDS[members]):
            for name, how in rooms.items():
                measured = asyncio.run(Room(members=members, messages=MESSAGES[members], **how).measure())
                best[name] = max(measured, best.get(name, measured))
        return best


@contextmanager
def serve(contestant, place, redis_url, folder):
    """Serve a contestant, with its database in `folder`; yield what a Room has to know of it."""
    _, kind, processes, over_redis, _ = place
    environment = {"PYTHONPATH": str(ROOT), **contestant.environment} | ({"REDIS_URL": redis_url} if over_redis else {})
    workers = f"--workers {processes} " if processes > 1 else ""
    has_users = contestant in GS7
    database = SqliteDatabase(contestant.folder, Path(tempfile.mkdtemp(dir=folder))) if has_users else None
    server = Server(contestant.folder, kind, workers + contestant.application, database=database, **environment)
    try:
        server.wait()
        visitor = visitor_of(server)
        if has_users:
            asyncio.run(visitor.sign_up())
        yield {"url": server.url(contestant.path), "origin": visitor.origin, "cookie": visitor.cookie}
    finally:
        # Not Ctrl-C for one process: a sync handler under way would then wait for an event loop that has stopped.
        (server.stop if processes > 1 else server.kill)()


def rows(sizes, contestants=(*BARE, *GS4, *GS7), places=PLACES):
    """Measure, and yield a line of the table each time one is known; the first two are its head."""
    yield "| Server | Consumer | Members | Messages delivered a second | Of bare | p50 ms | p99 ms | Lost |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    with Redis(find_redis()) as redis, tempfile.TemporaryDirectory() as folder:
        for place in places:
            for members in (size for size in place[-1] if size in sizes):
                best = measure_in_turn(contestants, place, members, redis.url, folder)
                for contestant in contestants:
                    rate, p50, p99, lost = best[contestant.name]
                    share = f"{rate / best[contestant.against][0]:.2f}" if contestant.against else ""
                    yield (
                        f"| {place[0]} | {contestant.name} | {members:,} | {rate:,.0f} | {share} "
                        f"| {p50:.1f} | {p99:.1f} | {lost:,} |"
                    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description="messages a second through a room")
    parser.add_argument("members", nargs="*", type=int, choices=[*ALL, []], help="how many members the room has")
    for row in rows(parser.parse_args().members or UNASKED):
        print(row, flush=True)
