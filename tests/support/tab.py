"""A tab of a user in a room of gs7: what it is shown when it comes, and what it hears."""

from tests.support.chat import Member

# Who comes and goes is told whenever it happens: a check that is not about it passes it over.
COMING = {"join", "leave", "users"}


class Tab(Member):
    """A Member that knows the history it was shown, in `messages`."""

    async def enter(self):
        await super().enter()
        history, users = await self.next(), await self.next()
        assert (history["event"], users["event"]) == ("history", "users"), (
            f"expected the history and the users, got {history}, {users}"
        )
        self.messages = history["messages"]
        return self

    async def tell(self, msg, **more):
        """Send a message, and return it as it comes back; `more` are other keys of the frame."""
        await self.send({"msg": msg, **more})
        return await self.hear("message", msg=msg)

    async def heard(self):
        """Return what came that was not heard yet, but for who comes and goes."""
        await self.say("is that all?")
        frames = []
        while (frame := await self.next()).get("msg") != "is that all?" or frame.get("from") != self.name:
            if frame["event"] not in COMING:
                frames.append(frame)
        return frames

    async def next_of(self, *events):
        """Return the next frame that is one of these events."""
        while (frame := await self.next())["event"] not in events:
            pass
        return frame
