"""One room, all of its members, and what they hear; they share one process, and so one clock.

Their frames are taken apart by `websockets` without its connections and queues: that takes some 5 µs a frame, where a
server takes 100. So two cores are enough for a server and all members.
"""

import asyncio
import contextlib
import json
import math
import statistics
import time
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

# All in seconds.
JOINING = 600  # in which all members have to be there
QUICK, SLOW = 6, 20  # a party that is settled sooner is followed by a larger one, one that is later by a smaller one
SILENCE = 10  # without a frame, after which whatever has not come counts as lost
QUIET = 3  # the same while members come
DRAINING = 60  # in which what is under way has to arrive, when sending is over

FIRST_PARTY, LARGEST_PARTY = 25, 400
TRIES = 10  # in vain, to let somebody in or to reach all members, after which a room is given up
BUSY = 0.9  # of the time: members that work more than that would be what is measured


class NotMeasured(Exception):
    """There is no figure. The text says why, for the table."""


class Measured(NamedTuple):
    """What came out: messages delivered a second, latencies and the time of joining in seconds, deliveries lost."""

    rate: float
    p50: float
    p99: float
    lost: int
    joining: float


def next_party(party, seconds):
    """Return how many come next, when a party of so many was settled after so many seconds."""
    if seconds > SLOW:
        return max(1, party // 2)
    return min(LARGEST_PARTY, party * 2) if seconds < QUICK else party


def number_in(frame):
    """Return the number of the message in a frame's bytes, or None: it stands between two tildes, wherever that is."""
    parts = frame.split(b"~")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else None


class Member(asyncio.Protocol):
    """One connection to a room. `opened` is done when the handshake is, and holds the refusal if there was one."""

    def __init__(self, room, cookie=None):
        self.room = room
        self.cookie = cookie
        # No compression is offered: it would be a part of what is measured.
        self.websocket = ClientProtocol(room.uri, origin=room.origin, max_size=None)
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        request = self.websocket.connect()
        if self.cookie:
            request.headers["Cookie"] = self.cookie
        self.websocket.send_request(request)
        self.flush()

    def data_received(self, data):
        self.websocket.receive_data(data)
        for event in self.websocket.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT:
                    self.room.hear(event.data)
            elif not self.opened.done():
                self.settle(self.websocket.handshake_exc)
        # Among others the answers to pings, without which a server ends the connection.
        self.flush()

    def connection_lost(self, error):
        self.settle(error or self.websocket.handshake_exc or ConnectionError("the server closed the connection"))

    def settle(self, error):
        if not self.opened.done():
            self.opened.set_exception(error) if error else self.opened.set_result(None)

    def say(self, text):
        self.websocket.send_text(text.encode())
        self.flush()

    def flush(self):
        for data in self.websocket.data_to_send():
            if data:
                self.transport.write(data)


class Room:
    """A room that is filled with members, of whom the first one speaks."""

    def __init__(self, url, size, origin=None, cookie=None):
        """`cookie` is that of whoever speaks; all others only listen."""
        self.uri = parse_uri(url)
        self.size = size
        self.origin = origin
        self.cookie = cookie
        self.members = []
        self.sent = []  # when each message was sent
        self.heard = []  # by how many it was heard
        self.under_way = set()  # those that not all have heard
        self.latencies = []
        self.changed = asyncio.Event()
        self.last_frame = self.last_heard = 0.0
        self.refusal = ""

    def say(self):
        """Send a message with the next number."""
        number = len(self.sent)
        self.under_way.add(number)
        self.heard.append(0)
        self.last_frame = time.perf_counter()
        self.sent.append(self.last_frame)
        self.members[0].say(json.dumps({"msg": f"~{number}~"}))
        return number

    def hear(self, frame):
        self.last_frame = time.perf_counter()
        number = number_in(frame)
        if number is None:
            return
        self.last_heard = self.last_frame
        self.latencies.append(self.last_heard - self.sent[number])
        self.heard[number] += 1
        if self.heard[number] == len(self.members):
            self.under_way.discard(number)
            self.changed.set()

    async def wait_for(self, condition, until=math.inf, silence=None):
        """Wait until condition() is true; return False if first no frame comes for `silence`, or it is `until`."""
        silence = SILENCE if silence is None else silence
        while not condition():
            left = min(self.last_frame + silence, until) - time.perf_counter()
            if left <= 0:
                return False
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), left)
        return True

    async def measure(self, seconds, under_way):
        """Return what is Measured while so many seconds there are so many messages under way. Raises NotMeasured."""
        try:
            joining = await self.fill()
            self.under_way.clear()
            self.latencies.clear()
            first = len(self.sent)
            begin, worked = time.perf_counter(), time.process_time()
            until = begin + seconds
            while time.perf_counter() < until and await self.wait_for(lambda: len(self.under_way) < under_way, until):
                self.say()
            is_over = await self.wait_for(lambda: not self.under_way, until + DRAINING)
            busy = (time.process_time() - worked) / (time.perf_counter() - begin)
            return self.measured(len(self.sent) - first, self.last_heard - begin, busy, joining, is_over)
        finally:
            for member in self.members:
                member.transport.abort()

    def measured(self, messages, took, busy, joining, is_over):
        """Return what is Measured, from the messages sent, the seconds they took and the part that the members worked.

        `is_over` is whether all were heard. If not, what has not come in SILENCE is lost; what still comes is no loss.
        """
        expected, delivered = messages * self.size, len(self.latencies)
        told = f"{delivered:,} of {expected:,} delivered"
        is_silent = time.perf_counter() - self.last_frame >= SILENCE
        if delivered < 2 or not (is_over or is_silent):
            raise NotMeasured(f"{told} after {max(took, 0):.0f} s")
        if busy > BUSY:
            raise NotMeasured(f"{told}, but the members were busy {busy:.0%} of the time")
        quantiles = statistics.quantiles(self.latencies, n=100)
        return Measured(delivered / took, quantiles[49], quantiles[98], expected - delivered, joining)

    async def fill(self):
        """Let all members come, in parties that the server takes; return the seconds. Raises NotMeasured.

        Whoever comes is told to all who are there. So a party comes when all that was said of the one before is heard,
        or was dropped: of more than 100 who come at once a channel does not hold all. What waits there for 60 seconds
        costs its member the room, at least in memory: so a party is smaller where the one before took long.
        """
        begin = time.perf_counter()
        until = begin + JOINING
        came = await self.admit(1, until, self.cookie)
        party, in_vain = FIRST_PARTY, 0 if came else TRIES
        while missing := self.size - len(self.members):
            came_at = time.perf_counter()
            if came_at > until or in_vain == TRIES:
                raise NotMeasured(
                    f"{len(self.members):,} of {self.size:,} members had joined "
                    f"after {came_at - begin:.0f} s{self.refusal}"
                )
            asked = min(party, missing)
            came = await self.admit(asked, until)
            await self.settle()
            party = next_party(party, time.perf_counter() - came_at if came == asked else math.inf)
            in_vain = 0 if came else in_vain + 1
        return time.perf_counter() - begin

    async def admit(self, party, until, cookie=None):
        """Let so many members come at once; return how many were let in. The others may come again."""
        results = await asyncio.gather(*(self.join(until, cookie) for _ in range(party)), return_exceptions=True)
        came = [result for result in results if isinstance(result, Member)]
        self.members += came
        for error in set(results) - set(came):
            if not isinstance(error, TimeoutError):
                self.refusal = f"; the last was refused: {error}"
        return len(came)

    async def join(self, until, cookie):
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(max(0, until - time.perf_counter())):
            transport, member = await loop.create_connection(lambda: Member(self, cookie), self.uri.host, self.uri.port)
            try:
                await member.opened
            except BaseException:
                transport.abort()
                raise
        return member

    async def settle(self):
        """Wait until a message has reached all members: then all that was said before has, too. Raises NotMeasured."""
        for _ in range(TRIES):
            number = self.say()
            if await self.wait_for(lambda number=number: number not in self.under_way, silence=QUIET):
                return
        raise NotMeasured(f"a message reached {max(self.heard[-TRIES:]):,} of {len(self.members):,} members")
