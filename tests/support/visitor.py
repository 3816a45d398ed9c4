"""Somebody with a browser of their own, who keeps cookies and fills in forms; in process and on the wire alike."""

import asyncio
import contextlib
import re
import sys
import uuid
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from tests.support.answers import Status, decoded

PASSWORD = "only for this check"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass(frozen=True)
class Response:
    """An answer to an HTTP request. `headers` is a list of (name in lower case, value)."""

    status: int
    headers: list
    body: str

    def header(self, name):
        """Return the value of a header, or None."""
        return dict(self.headers).get(name)

    def json(self):
        """Return what the body means as JSON; see answers.py."""
        return decoded(self.body)


class Visitor:
    """A visitor of the pages. `ask(method, path, headers, body)` is the way in: a coroutine function."""

    def __init__(self, ask, origin):
        self.ask = ask
        self.origin = origin
        self.name = None
        self.cookies = {}
        self.token = ""

    @property
    def cookie(self):
        """The value of the header Cookie."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    async def get(self, path):
        return await self.request("GET", path)

    async def post(self, path, **fields):
        """Send a form, with the CSRF token of the page that was seen last."""
        form = urlencode({"csrfmiddlewaretoken": self.token, **fields})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        return await self.request("POST", path, headers, form)

    async def request(self, method, path, headers=(), body=""):
        """Return the Response; cookies that it sets are kept, over HTTP the secure ones too."""
        headers = dict(headers) | ({"Cookie": self.cookie} if self.cookies else {})
        response = await self.ask(method, path, headers, body)
        for name, value in response.headers:
            if name == "set-cookie":
                self.keep(SimpleCookie(value))
        if token := TOKEN.search(response.body):
            self.token = token[1]
        return response

    def keep(self, cookies):
        for name, cookie in cookies.items():
            self.cookies[name] = cookie.value
            if not cookie.value or cookie["max-age"] == "0":
                del self.cookies[name]

    async def sign_up(self, name=None, query=""):
        """Make a new user, and be logged in as that; return the Response."""
        self.name = name or new_name()
        await self.get(f"/accounts/signup/{query}")
        fields = {"username": self.name, "password1": PASSWORD, "password2": PASSWORD}
        response = await self.post(f"/accounts/signup/{query}", **fields)
        assert response.status == 302, f"signing up {self.name!r} got HTTP {response.status}\n{response.body}"
        return response

    async def be_signed_up(self):
        """Be a new user who is logged in, as after sign_up, without the pages: in process alone, and far quicker."""
        from channels.db import database_sync_to_async

        self.name = new_name()
        self.keep(await database_sync_to_async(cookies_of_a_new_user)(self.name))

    async def log_in(self, name, password=PASSWORD, query=""):
        """Log in as a user who has signed up before; return the Response."""
        self.name = name
        await self.get(f"/accounts/login/{query}")
        return await self.post(f"/accounts/login/{query}", username=name, password=password)

    async def log_out(self):
        """Log out, by the form in the head of each page; return the Response."""
        await self.get("/chat/")
        return await self.post("/accounts/logout/")

    async def ticket(self):
        """Fetch a ticket for a WebSocket; return the Response."""
        await self.get("/chat/")
        return await self.post("/ticket/")


def new_name():
    return f"user-{uuid.uuid4().hex[:8]}"


def cookies_of_a_new_user(name):
    """Make a user of that name; return the cookies with which it is logged in."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.create_user(name, password=PASSWORD))
    return client.cookies


def visitor_of(server):
    """Return a new Visitor of a server."""

    async def ask(method, path, headers, body):
        status, headers, body = await asyncio.to_thread(server.request, method, path, headers, body)
        return Response(status, [(name.lower(), value) for name, value in headers.items()], body.decode())

    return Visitor(ask, server.url("", "http"))


@contextlib.contextmanager
def request_failures(failures):
    """Append to failures, once each, what views raise that nobody catches: all that the answer tells is HTTP 500."""
    from django.core.signals import got_request_exception

    def keep(**event):
        error = sys.exc_info()[1]
        # Who asks at the same time is told of it, too.
        if error not in failures:
            failures.append(error)

    got_request_exception.connect(keep)
    try:
        yield
    finally:
        got_request_exception.disconnect(keep)


def visitor_in_process(application, failures=None):
    """Return a new Visitor of an ASGI application; `failures` is a list for the exceptions of its views."""
    failures = [] if failures is None else failures

    async def ask(method, path, headers, body):
        events = asyncio.Queue()
        events.put_nowait({"type": "http.request", "body": body.encode(), "more_body": False})
        sent = []

        async def send(event):
            sent.append(event)

        url = urlsplit(path)
        headers = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
        scope = {
            "type": "http",
            # Over HTTPS: that is where a ticket is given.
            "scheme": "https",
            "method": method,
            "path": url.path,
            "query_string": url.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        with request_failures(failures):
            await application(scope, events.get, send)
        start, *bodies = sent
        return Response(
            Status(start["status"]),
            [(name.decode().lower(), value.decode()) for name, value in start["headers"]],
            b"".join(event["body"] for event in bodies).decode(),
        )

    return Visitor(ask, "https://localhost")
