"""From gs5 on: the pages that show what is kept."""

import asyncio
import re
from html import escape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command

from tests.support.commands import manage, worker
from tests.support.server import free_port
from tests.support.waiting import wait_until
from tests.tasks import KEPT, check

HTML = "<img src=x onerror=alert(1)> & \"quotes\" 'too'"


class Links(HTMLParser):
    """The links of a page: {text: (address, the text up to the next link)}."""

    def __init__(self, page):
        super().__init__()
        self.found = {}
        self.address = self.text = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        assert tag != "img", "a room's name became HTML"
        if tag == "a":
            self.address, self.text = dict(attributes)["href"], None

    def handle_data(self, data):
        if self.address and self.text is None:
            self.text = data
            self.found[data] = (self.address, "")
        elif self.address:
            address, after = self.found[self.text]
            self.found[self.text] = (address, after + data)


@check("wire", "postgres", gs5={"/ws/ac/": 8}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
@pytest.mark.parametrize("tail", ["", " é 🎉 a/b", HTML], ids=["plain", "odd", "html"])
async def test_the_rooms_are_listed(server, join, room, tail):
    """GET /chat/ lists the rooms as links, each with its number of messages; a name is never HTML."""
    name = room + tail
    assert name not in Links(server.get("/chat/")[2].decode()).found
    ann = await join(name)
    for number in range(3):
        await ann.say(f"message {number}")
        await ann.hear("message")
    found = Links(server.get("/chat/")[2].decode()).found
    assert name in found, "/chat/ has no link with the room's name"
    address, after = found[name]
    assert re.search(r"\b3\b", after), f"after the room's name stands {after!r}"
    assert address == f"/chat/{quote(name, safe='')}/"
    assert server.get(address)[0] == 200


@pytest.fixture
def admin(database, client, settings):
    """A test client that is logged in as a superuser."""
    from django.contrib.auth import get_user_model

    settings.ALLOWED_HOSTS = ["*"]
    users = get_user_model().objects
    client.force_login(users.filter(username="ann").first() or users.create_superuser("ann"))
    return client


@check(gs5=9, gs6=KEPT, gs7=KEPT)
def test_the_admin_asks_who_you_are(database, client):
    """The admin's log-in page is there, and shows nothing before."""
    assert client.get("/admin/login/").status_code == 200
    assert client.get("/admin/").status_code == 302


@check("process", gs5={"/ws/ac/": 9}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
@pytest.mark.unhurried
async def test_the_admin_shows_rooms_and_messages(admin, join, room):
    """The admin has a list of the rooms, and one of the messages."""
    ann = await join(room)
    await ann.say("said for the admin")
    await ann.hear("message")
    pages = await asyncio.to_thread(read_admin, admin)
    of_messages = [page for page in pages if escape("said for the admin") in page]
    assert of_messages, "no page of the admin shows the message"
    # A list of messages may name their rooms, too.
    assert any(room in page for page in pages if page not in of_messages), "no page of the admin shows the room"


def read_admin(admin):
    """Return the admin's lists of what the app keeps, each as one text."""
    from django.db import connection

    try:
        index = admin.get("/admin/").content.decode()
        addresses = set(re.findall(r'href="(/admin/app/\w+/)"', index))
        assert addresses, "the admin knows nothing of the app"
        return ["".join(pages_of(address, admin)) for address in addresses]
    finally:
        connection.close()


def pages_of(address, admin):
    """Yield all pages of a list of the admin: what is new may be on the last."""
    first = admin.get(address).content.decode()
    yield first
    numbers = map(int, re.findall(r'href="\?(?:[^"]*[&;])?p=(\d+)', first))
    for number in range(2, max(numbers, default=1) + 1):
        yield admin.get(address, {"p": number}).content.decode()


@check(gs5=KEPT, gs6=KEPT, gs7=KEPT)
def test_forget_says_why_it_cannot(layer, settings):
    """`forget` needs Redis: with the in-memory layer, and when Redis does not answer, it says so and fails."""
    with pytest.raises(CommandError) as refused:
        call_command("forget", "a room")
    assert re.search("memory", str(refused.value), re.IGNORECASE), f"it says: {refused.value}"
    assert "REDIS_URL" in str(refused.value)
    redis = {"address": f"redis://127.0.0.1:{free_port()}"}
    backend = "channels_redis.core.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [redis]}}}
    with pytest.raises(CommandError, match="Redis"):
        call_command("forget", "a room")


@check("redis", gs5={"/ws/ac/": 10}, gs6={"/ws/ac/": KEPT}, gs7={"/ws/ajwc/": KEPT})
async def test_the_worker_forgets_a_room(server, project, redis_server, timeline, join, room):
    """`forget ROOM` lets the worker delete a room with all that was said in it, and no other."""
    ann, bob = await join(), await join("another room")
    for member in (ann, bob):
        await member.say("hello")
        await member.hear("message")
    environment = {"REDIS_URL": redis_server.url, "DATABASE_URL": server.environment["DATABASE_URL"]}
    with worker("forgetter", project, timeline, **environment):
        manage(project, "forget", room, **environment)
        await wait_until(lambda: room not in server.get("/chat/")[2].decode(), "the room to be forgotten", within=15)
    assert "another room" in server.get("/chat/")[2].decode()
    await ann.hears_only()
