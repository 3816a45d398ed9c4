"""gs7: `manage.py notify` reaches every user once: now, or when the user next connects."""

import asyncio
import re

import pytest
from asgiref.sync import sync_to_async
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management import call_command
from django.db import connection

from tests.steps.test_presence import two_servers, visit  # noqa: F401  (fixtures)
from tests.steps.test_tickets import all_rows_locked
from tests.support.commands import manage
from tests.support.server import free_port
from tests.support.waiting import wait_until
from tests.tasks import check

pytestmark = pytest.mark.usefixtures("users_to_forget")

NOTIFY = {"gs7": {"/ws/wsc/": 7, "/ws/ajwc/": 7}}


@pytest.fixture
def run_notify(project, server, redis_server):
    """A coroutine function that runs `notify` beside the server, and returns the finished process."""

    async def run_notify(*words, **environment):
        environment = {"DATABASE_URL": server.environment["DATABASE_URL"]} | environment
        return await asyncio.to_thread(manage, project, "notify", *words, **environment)

    return run_notify


@pytest.fixture
def notify(run_notify, redis_server):
    """The same with the server's Redis; it must succeed."""

    async def notify(*words):
        done = await run_notify(*words, REDIS_URL=redis_server.url)
        assert done.stdout.strip(), "a command that has done something says what"

    return notify


@check("redis", **NOTIFY)
async def test_everybody_is_notified(tab, notify, room):
    """Who is connected gets it at once, in every room; who is not, with the next connection; nobody gets it twice."""
    ann, bob, cid, guest = await tab("ann"), await tab("bob", f"{room} two"), await tab("cid"), await tab(None)
    await cid.client.leave()
    await cid.client.ended()
    await notify("hello <all>")
    for member in (ann, bob, guest):
        await member.hear("notice", msg="hello <all>")
    cid = await tab("cid")
    await cid.hear("notice", msg="hello <all>")
    for user in ("ann", "bob", "cid", None):
        again = await tab(user)
        await ann.tell("nothing before this")
        await again.hear("message", msg="nothing before this")


@check("redis", **NOTIFY)
async def test_one_user_is_notified(tab, notify, room):
    """With --user it is for that user alone, at once in every tab that is open, or with the next connection."""
    ann, second, bob = await tab("ann"), await tab("ann", f"{room} two"), await tab("bob")
    await notify("only for ann", "--user", ann.name)
    for one in (ann, second):
        await one.hear("notice", msg="only for ann")
    for one in (ann, second):
        await one.client.leave()
        await one.client.ended()
    await notify("for later", "--user", ann.name)
    back = await tab("ann")
    await back.hear("notice", msg="for later")
    for one in (bob, back, await tab("ann"), await tab("bob")):
        assert [frame for frame in await one.heard() if frame["event"] == "notice"] == []


@check("redis", gs7={"/ws/ajwc/": 7})
async def test_of_tabs_that_come_at_once_one_is_told(tab, notify):
    """Of several tabs that connect in the same moment one gets what has waited; several notices come in their order."""
    ann = await tab("ann")
    await ann.client.leave()
    await ann.client.ended()
    for text in ("one", "two"):
        await notify(text, "--user", ann.name)
    tabs = await asyncio.gather(*(tab("ann") for _ in range(5)))
    heard = [[frame["msg"] for frame in await one.heard() if frame["event"] == "notice"] for one in tabs]
    assert sorted(text for texts in heard for text in texts) == ["one", "two"]
    assert ["two", "one"] not in heard


@check("postgres", gs7={"/ws/ajwc/": 7})
async def test_of_tabs_on_two_servers_one_is_told(two_servers, visit, project, redis_server):  # noqa: F811
    """The same when they come to two servers: one gets what has waited."""
    ann = await visit(two_servers[0])
    await ann.client.leave()
    await ann.client.ended()
    url = two_servers[0].environment["DATABASE_URL"]
    await asyncio.to_thread(
        manage, project, "notify", "once", "--user", ann.name, DATABASE_URL=url, REDIS_URL=redis_server.url
    )
    with all_rows_locked(url) as how_many_wait:
        both = asyncio.gather(*(visit(server, ann.user) for server in two_servers))
        # So both have read of it before one of them can cross it off.
        await wait_until(lambda: how_many_wait() >= 2, "both to want the notice", within=3)
    tabs = await both
    await tabs[0].say("is that all?")
    heard = []
    for one in tabs:
        while (frame := await one.next()).get("msg") != "is that all?":
            heard += [frame["msg"]] if frame["event"] == "notice" else []
    assert heard == ["once"]


class AsIfRemote:
    """The layer in memory, but not of its class: one that `notify` can believe to reach other processes."""

    def __init__(self):
        self.layer = InMemoryChannelLayer()

    def __getattr__(self, name):
        return getattr(self.layer, name)


@check("process", **NOTIFY)
async def test_who_comes_meanwhile_is_told_once(tab, settings, monkeypatch):
    """Who connects after a notice was kept, and before it is sent, gets it once."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.{AsIfRemote.__name__}"}}
    # It may look for Redis elsewhere than in the layer.
    settings.REDIS_URL = "redis://localhost"
    monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
    layer = get_channel_layer()
    came = []

    async def group_send(group, event):
        monkeypatch.setattr(layer, "group_send", layer.layer.group_send)
        came.append(await tab("ann"))
        await layer.group_send(group, event)

    before = await tab("ann")
    monkeypatch.setattr(layer, "group_send", group_send)
    await sync_to_async(notify_here, thread_sensitive=False)("hello", "--user", before.name)
    assert came, "nothing was sent"
    for one in (before, *came):
        assert [frame["msg"] for frame in await one.heard() if frame["event"] == "notice"] == ["hello"]


def notify_here(*words):
    """Run `notify` in this process."""
    try:
        call_command("notify", *words)
    finally:
        connection.close()


@check(gs7=7)
def test_notify_in_memory_says_why_it_cannot(project):
    """With the in-memory layer `notify` ends with status 1, and says that it needs Redis."""
    done = manage(project, "notify", "hello", status=1)
    assert re.search("memory", done.stderr, re.IGNORECASE), f"it says: {done.stderr.strip()}"
    assert "REDIS_URL" in done.stderr


@check("redis", gs7={"/ws/ajwc/": 7})
async def test_notify_in_memory_keeps_nothing(tab, run_notify):
    """What `notify` refuses to send it does not keep either: so trying again with Redis sends it once."""
    ann = await tab("ann")
    await run_notify("not yet", "--user", ann.name, status=1)
    assert await (await tab("ann")).heard() == []


@check("redis", gs7={"/ws/ajwc/": 7})
async def test_notify_knows_its_users(run_notify, redis_server):
    """An unknown user gets a sentence with the name in it, and status 1."""
    done = await run_notify("hello", "--user", "nobody-here", status=1, REDIS_URL=redis_server.url)
    assert "nobody-here" in done.stderr


@check("redis", gs7={"/ws/ajwc/": 7})
async def test_without_redis_a_notice_is_kept(tab, run_notify):
    """When Redis does not answer, `notify` says so with status 1; the notice waits for its user."""
    ann = await tab("ann")
    done = await run_notify("late", "--user", ann.name, status=1, REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    assert "Redis" in done.stderr
    await (await tab("ann")).hear("notice", msg="late")
    assert await ann.heard() == []
