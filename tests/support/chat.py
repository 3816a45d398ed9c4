"""A member of a chat room: JSON frames on top of either way in."""

import json

from tests.support.answers import decoded
from tests.support.comparing import said
from tests.support.timeline import shorten

# What may come between two frames that a check waits for. Anything else out of turn is a mistake.
BY_THE_WAY = {"join", "leave", "history", "users", "typing"}


def memberships(layer):
    """Return who is in the groups of a layer in memory, as a set of (group, channel)."""
    return {(group, channel) for group, channels in layer.groups.items() for channel in channels}


class Member:
    """A client in a room. `name` is the one that its welcome gave it; `user` the Visitor whose it is, if any."""

    def __init__(self, client, user=None):
        self.client = client
        self.user = user
        self.name = None
        self.passed_over = []

    async def enter(self):
        """Connect, and expect the welcome before anything else."""
        await self.client.connect()
        welcome = await self.next()
        assert welcome.get("event") == "welcome", f"expected the welcome as the first frame, got {welcome}"
        self.name = welcome["from"]
        return welcome

    async def send(self, frame):
        """Send a frame: str or bytes as they are, anything else as JSON."""
        await self.client.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def say(self, msg):
        """Send a message."""
        await self.send({"msg": msg})

    async def next(self):
        """Return the next frame, decoded."""
        self.passed_over = []
        frame = await self.client.receive()
        assert isinstance(frame, str), f"expected a text frame, got the bytes {shorten(frame)}"
        told = decoded(frame)
        assert isinstance(told, dict), f"expected a JSON object, got {shorten(frame)}"
        return told

    async def news(self):
        """Return the next frame that is no list of users. Until another is taken, `passed_over` has those before it."""
        passed_over = []
        while (frame := await self.next())["event"] == "users":
            passed_over.append(frame["users"])
        self.passed_over = passed_over
        return frame

    async def hear(self, event, **fields):
        """Return the next frame, which is an `event` with these fields; only what comes BY_THE_WAY is passed over."""
        frame = await self.next()
        while frame.get("event") != event and frame.get("event") in BY_THE_WAY:
            frame = await self.next()
        expected = {"event": event, **fields}
        got = {key: frame.get(key) for key in expected}
        assert got == expected, f"expected {said(expected)}, got {said(frame)}"
        return frame

    async def hear_error(self, *codes):
        """Assert that the next frame is an error with one of these codes, and a detail for people."""
        frame = await self.hear("error")
        assert frame.get("code") in codes, f"expected an error with the code {' or '.join(codes)}, got {frame}"
        assert isinstance(frame.get("detail"), str), f"expected a detail in words, got {frame}"
        assert len(frame["detail"]) in range(1, 500), "a detail is a sentence, not an echo of the frame"

    async def drain(self):
        """Receive until the connection is closed, and raise Closed."""
        while True:
            await self.client.receive()

    async def hears_only(self, msg="is that all?"):
        """Assert that nothing was left unheard: the next thing that counts is our own `msg`, or its refusal."""
        await self.say(msg)
        if self.name is None:
            return await self.hear_error("login_required")
        await self.hear("message", msg=msg, **{"from": self.name})
