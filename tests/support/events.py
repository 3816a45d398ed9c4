"""A client of server-sent events: plain HTTP that does not end."""

import asyncio
import contextlib

from tests.support.answers import Status, decoded
from tests.support.client import PATIENCE


class EventStream:
    """One GET that is answered line by line. `status` and `headers` are there after `open`, `ids` grow with `next`."""

    def __init__(self, server, path, timeline, **headers):
        self.server = server
        self.path = path
        self.timeline = timeline
        self.request_headers = {"Host": f"127.0.0.1:{server.port}", **headers}
        self.ids = []
        self.comments = 0
        self.unread = b""

    async def open(self):
        """Send the request, and read the head of the response."""
        self.timeline.add("client", f"→ GET {self.path}")
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in self.request_headers.items())
        self.writer.write(f"GET {self.path} HTTP/1.1\r\n{head}\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = Status(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        self.timeline.add("client", f"← HTTP {self.status}")
        return self

    async def line(self):
        """Return the next line; raise EOFError when the response has ended."""
        while b"\n" not in self.unread:
            async with asyncio.timeout(PATIENCE):
                size = int(await self.reader.readuntil(b"\r\n"), 16)
                self.unread += (await self.reader.readexactly(size + 2))[:-2]
            if size == 0:
                raise EOFError
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode()

    async def comment(self):
        """Wait for the next comment, which tells that the stream is alive; what else comes before is an error."""
        while not (line := await self.line()).startswith(":"):
            assert not line, f"expected a comment, got {line!r}"

    async def next(self):
        """Return the next event's data, decoded from JSON; comments are passed over."""
        fields = {}
        while True:
            line = await self.line()
            if not line and "data" in fields:
                break
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            else:
                self.comments += line.startswith(":")
        self.timeline.add("client", f"← {fields}")
        self.ids.append(fields.get("id"))
        return decoded(fields["data"])

    async def rest(self):
        """Return the lines that still come, when the response has ended."""
        lines = []
        with contextlib.suppress(EOFError):
            while True:
                lines.append(await self.line())
        return lines

    async def body(self):
        """Return the rest of a response that has an end and says its length."""
        return (await self.reader.readexactly(int(self.headers["content-length"]))).decode()

    async def leave(self):
        """Close the connection."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
