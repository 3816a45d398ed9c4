"""A WebSocket client for checks, the same in process and on the wire; it tells the timeline all it does."""

import asyncio
import contextlib
import os

from tests.support.answers import Status
from tests.support.idle import first_of
from tests.support.recorder import ENDED, record
from tests.support.timeline import read_events, shorten
from tests.support.waiting import wait_until

# Seconds that an answer may take; daphne looks at its applications only once a second.
PATIENCE = float(os.environ.get("WORKBOOK_PATIENCE", 5.0))


# The origin that a page of the server itself has.
OWN = object()


class Refused(Exception):
    """The handshake was refused. `status` is the HTTP status, or None in process, where there is none."""

    def __init__(self, status=None):
        self.status = status
        super().__init__(f"the handshake was refused (HTTP {status})" if status else "the handshake was refused")


class Closed(Exception):
    """The connection was closed by the server. `code` is the close code, 1006 when there was no close frame."""

    def __init__(self, code):
        self.code = code
        super().__init__(f"the server closed the connection with code {code}")


def no_close(code):
    """Return what is to be raised when the time is up, and the server has not closed the connection with `code`."""
    return AssertionError(f"no close came; {code} was expected")


class Client:
    """What both ways in have in common. A subclass brings open, send_frame, next_frame, leave and vanish."""

    def __init__(self, path, timeline, cookie=None, origin=OWN, subprotocols=None):
        """`cookie` and `origin` are headers of the handshake; None for none, and OWN for the server's own origin.

        `subprotocols` is the list of those which are offered; `subprotocol` is then the one that was chosen.
        """
        self.path = path
        self.timeline = timeline
        self.cookie = cookie
        self.origin = origin
        self.subprotocols = subprotocols
        self.subprotocol = None

    async def connect(self):
        """Open the connection; raise Refused, or TimeoutError when nobody answers the handshake."""
        self.timeline.add("client", f"→ handshake {self.path}")
        try:
            async with asyncio.timeout(PATIENCE):
                await self.open()
        except Refused as refused:
            self.timeline.add("client", f"← {refused}")
            raise
        except TimeoutError:
            self.timeline.add("client", "  nobody answered the handshake")
            raise
        self.timeline.add("client", "← open")
        return self

    async def send(self, frame):
        """Send one text frame (str) or binary frame (bytes)."""
        self.timeline.add("client", f"→ {shorten(frame)}")
        await self.send_frame(frame)

    async def receive(self):
        """Return the next frame, str or bytes; raise Closed, or TimeoutError when none comes."""
        try:
            async with asyncio.timeout(PATIENCE):
                frame = await self.next_frame()
        except Closed as closed:
            self.timeline.add("client", f"← close {closed.code}")
            raise
        except TimeoutError:
            self.timeline.add("client", "  no frame came")
            raise
        self.timeline.add("client", f"← {shorten(frame)}")
        return frame

    async def expect(self, *frames):
        """Assert that exactly these frames come next, in this order."""
        for expected in frames:
            frame = await self.receive()
            assert frame == expected, f"expected the frame {shorten(repr(expected))}, got {shorten(repr(frame))}"

    async def expect_error(self):
        """Assert that the next frame is a text that starts with "error:"; return it."""
        frame = await self.receive()
        is_error = isinstance(frame, str) and frame.startswith("error:")
        assert is_error, f'expected a text that starts with "error:", got {shorten(frame)!r}'
        return frame

    async def expect_close(self, code):
        """Assert that the server closes with `code`, and that no frame is left unread before that."""
        frame = closed_with = None
        try:
            frame = await self.receive()
        except Closed as closed:
            closed_with = closed.code
        except TimeoutError:
            raise no_close(code) from None
        assert frame is None, f"expected a close with code {code}, got the frame {shorten(repr(frame))}"
        assert closed_with == code, f"expected the close code {code}, got {closed_with!r}"


class ProcessClient(Client):
    """Talks to the ASGI application itself: exact and fast, with the consumer's exception at hand."""

    communicator = None

    def __init__(self, application, path, timeline, **headers):
        super().__init__(path, timeline, **headers)
        self.has_told = False  # that the connection has ended
        self.application = record(
            application, lambda scope, text: timeline.add("consumer", text), timeline.failures.append
        )

    async def start(self):
        """Send websocket.connect and wait for no answer."""
        from channels.testing import WebsocketCommunicator

        headers = {"Origin": "http://localhost" if self.origin is OWN else self.origin, "Cookie": self.cookie}
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items() if value is not None]
        self.communicator = WebsocketCommunicator(
            self.application, self.path, headers=given, subprotocols=self.subprotocols
        )
        self.timeline.consumers.append(self.communicator.future)
        await self.communicator.send_input({"type": "websocket.connect"})

    async def open(self):
        await self.start()
        event = await self.output()
        if event["type"] == "websocket.close":
            raise Refused
        assert event["type"] == "websocket.accept", f"expected websocket.accept, the consumer sent {event}"
        self.subprotocol = event.get("subprotocol")

    async def output(self):
        """Return the consumer's next event; raise its exception when it has failed."""
        consumer = self.communicator.future
        queue = asyncio.ensure_future(self.communicator.output_queue.get())
        try:
            if not await first_of(queue, consumer, within=PATIENCE + 1):  # the limit is our caller's
                raise TimeoutError
            if not queue.done():
                await consumer
                raise AssertionError("the consumer has ended without a word")
            return queue.result()
        finally:
            queue.cancel()

    async def send_frame(self, frame):
        kind = "text" if isinstance(frame, str) else "bytes"
        await self.communicator.send_input({"type": "websocket.receive", kind: frame})

    async def next_frame(self):
        event = await self.output()
        if event["type"] == "websocket.close":
            code = event.get("code", 1000)
            await self.tell_the_end(code)
            raise Closed(code)
        assert event["type"] == "websocket.send", f"expected websocket.send, the consumer sent {event}"
        return checked_frame(event)

    async def leave(self, code=1001):
        """Tell the consumer that its client has left, with close code `code`."""
        self.timeline.add("client", f"→ close {code}")
        await self.tell_the_end(code)

    async def tell_the_end(self, code):
        # A server tells it after each close, whoever has sent that; and only once.
        if not self.has_told:
            self.has_told = True
            await self.communicator.send_input({"type": "websocket.disconnect", "code": code})

    async def vanish(self):
        """What the consumer is told when the client goes without a close frame."""
        await self.leave(1006)

    async def ended(self):
        """Wait until the consumer has ended; raise its exception, or AssertionError when it goes on."""
        consumer = self.communicator.future
        done = await first_of(consumer, within=PATIENCE)
        assert done, "the consumer was still there after its client had left"
        await consumer

    async def discard(self):
        """End the consumer, whatever state it is in."""
        from asgiref.sync import sync_to_async

        if self.communicator is None:
            return
        consumer = self.communicator.future
        consumer.cancel()
        # Its failure was the check's business; here it only has to be gone.
        await asyncio.wait([consumer])
        consumer.cancelled() or consumer.exception()
        # A sync handler that is at work cannot be cancelled. It must end before its event loop does: otherwise it waits
        # for ever, in the one thread that all sync consumers of this process share. One that never ends is left alone.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await sync_to_async(bool)()


def checked_frame(event):
    """Return the text or the bytes of a websocket.send. Raises AssertionError for what no server would send."""
    kind = "text" if event.get("text") is not None else "bytes"
    assert event.get(kind) is not None, f"this websocket.send holds neither a text nor bytes: {shorten(repr(event))}"
    frame, wanted = event[kind], {"text": str, "bytes": bytes}[kind]
    is_one = isinstance(frame, wanted)
    assert is_one, (
        f"a frame's {kind!r} is a {wanted.__name__}, and this is a {type(frame).__name__}: {shorten(repr(frame))}"
    )
    return frame


class WireClient(Client):
    """Talks to a server through a socket, as a browser does."""

    def __init__(self, server, path, timeline, events=None, **headers):
        """`events` is the file that the server's recorder writes, when it has one."""
        super().__init__(path, timeline, **headers)
        self.server = server
        self.events = events
        self.websocket = None
        self.handshake = None

    def begin(self):
        """Begin the handshake and return it as a task, which is done when it is answered."""
        self.timeline.add("client", f"→ handshake {self.path}")
        self.handshake = asyncio.create_task(self.open())
        return self.handshake

    async def open(self):
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus

        try:
            self.websocket = await connect(
                self.server.url(self.path),
                origin=self.server.url("", "http") if self.origin is OWN else self.origin,
                additional_headers={"Cookie": self.cookie} if self.cookie else None,
                subprotocols=self.subprotocols,
                max_size=None,
                # Otherwise what was not read yet would keep the answer to a close frame from being read.
                max_queue=None,
                open_timeout=None,
                ping_interval=None,
                close_timeout=PATIENCE,
                proxy=None,
            )
        except InvalidStatus as error:
            raise Refused(Status(error.response.status_code)) from None
        self.subprotocol = self.websocket.subprotocol
        self.port = self.websocket.local_address[1]
        if self.events:
            self.timeline.follow(lambda: read_events(self.events, self.port))

    async def send_frame(self, frame):
        from websockets.exceptions import ConnectionClosed

        # A server that has just closed is found out by reading, which tells the close code.
        with contextlib.suppress(ConnectionClosed):
            await self.websocket.send(frame)

    async def next_frame(self):
        from websockets.exceptions import ConnectionClosed

        try:
            return await self.websocket.recv()
        except ConnectionClosed as error:
            raise Closed(error.rcvd.code if error.rcvd else 1006) from None

    async def leave(self, code=1001):
        """Close the connection with a close frame."""
        self.timeline.add("client", f"→ close {code}")
        await self.websocket.close(code)

    async def vanish(self):
        """Go without a close frame, as a machine does that loses its network."""
        self.timeline.add("client", "→ (gone without a close frame)")
        self.websocket.transport.abort()

    async def ended(self):
        """Wait until the server's recorder tells that this client's consumer has ended."""
        await wait_until(
            lambda: any(text == ENDED for _, _, text in read_events(self.events, self.port)),
            "the consumer to end after its client had left",
            PATIENCE,
        )

    async def discard(self):
        """Let go of the connection, whatever state it is in."""
        if self.handshake:
            self.handshake.cancel()
            await asyncio.wait([self.handshake])
        if self.websocket:
            self.websocket.transport.abort()
            await self.websocket.wait_closed()
