"""Each step, taken out of the workbook, under each server."""

import re

import pytest

from tests.support.chat import Member
from tests.support.client import WireClient
from tests.support.commands import in_short
from tests.support.server import COMMANDS, expect_no_trouble
from tests.support.visitor import visitor_of
from tests.tasks import EVERY_STEP, KEPT, WITH_USERS, check

# The routes that answer, those that refuse what is no number, and those that lead to a chat.
ANSWERING = {"gs2": ["/ws/sc/"], "gs3": ["/ws/sc/", "/ws/ac/"]}
COUNTING = {"gs2": ["/ws/sc/count/"], "gs3": ["/ws/sc/count/", "/ws/ac/count/"]}
CHATTING = {step: ["/ws/sc/Caf%C3%A9%20a%2Fb/", "/ws/ac/Caf%C3%A9%20a%2Fb/"] for step in ("gs4", "gs5")} | {
    "gs6": ["/ws/ac/Caf%C3%A9%20a%2Fb/"] * 2,
    "gs7": ["/ws/wsc/Caf%C3%A9%20a%2Fb/", "/ws/ajwc/Caf%C3%A9%20a%2Fb/"],
}


@check(**dict.fromkeys(EVERY_STEP, KEPT))
@pytest.mark.parametrize("kind", COMMANDS)
async def test_it_runs_alone(case, servers, migration, timeline, kind):
    """Copied to an empty folder it runs under runserver, and without DEBUG under daphne, uvicorn and hypercorn."""
    migration.wait(timeout=20)
    with servers[kind] as server:
        timeline.follow(lambda: [(at, "log", line) for at, line in server.lines])
        expect_page(server)
        for path in ANSWERING.get(case.step, []):
            await expect_answers(server, path, timeline)
        for path in COUNTING.get(case.step, []):
            await expect_refusal(server, path, timeline)
        if case.step in CHATTING:
            expect_page(server, "/chat/Caf%C3%A9%20a%2Fb/")
            await expect_chat(server, CHATTING[case.step], timeline, case.step in WITH_USERS)
        if case.step == "gs1":
            await expect_silence(server, timeline)
        if kind == "runserver":
            assert "Starting ASGI/Daphne" in server.output(), "this is not daphne's runserver"
            assert "System check identified no issues (0 silenced)" in server.output()
    expect_no_trouble(server.output(), kind)


def expect_page(server, path="/"):
    """Assert that the page and all that it links to come from this server."""
    status, _, body = server.get(path)
    assert status == 200
    page = body.decode()
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page), "the page wants something from another host"
    links = re.findall(r"""<(?:link|script)[^>]*(?:src|href)=["'](/[^"']+)""", page)
    assert len(links) >= 2, f"expected a style sheet and a script, found {links}"
    for link in links:
        why = "" if server.kind == "runserver" else ": only runserver serves the static files by itself"
        assert server.get(link)[0] == 200, f"{server.kind} does not serve {link}{why}"


async def expect_answers(server, path, timeline):
    client = await WireClient(server, path, timeline).connect()
    await client.send("hello")
    await client.expect("Message from server: hello")
    await client.send(b"\x00\xff")
    await client.expect(b"\x00\xff")
    await client.send("bye")
    await client.expect_close(4000)


async def expect_refusal(server, path, timeline):
    client = await WireClient(server, path, timeline).connect()
    await client.send("three")
    await client.expect_error()
    await client.leave()


async def expect_chat(server, paths, timeline, with_users):
    members = []
    for path in paths:
        visitor = visitor_of(server)
        if with_users:
            await visitor.sign_up()
        members.append(Member(WireClient(server, path, timeline, cookie=visitor.cookie)))
    for member in members:
        assert (await member.enter())["group"] == "Café a/b"
    await members[0].say("hello")
    for member in members:
        await member.hear("message", msg="hello")
    # A sync handler that still runs when the server is stopped would keep it from ending: the sync member goes first.
    await members[0].client.vanish()
    await members[1].hear("leave")
    await members[0].client.discard()
    await members[1].client.leave()


async def expect_silence(server, timeline):
    client = WireClient(server, "/ws/sc/", timeline)
    handshake = client.begin()
    await server.printed("websocket.connect")
    assert not handshake.done(), "the handshake was answered"
    await client.discard()
    await server.printed("websocket.disconnect")


@check(**dict.fromkeys(EVERY_STEP, KEPT))
def test_migrate_works(migration):
    """`python manage.py migrate` works in a copy, as in any Django project."""
    output, errors = migration.communicate(timeout=20)
    assert migration.returncode == 0, f"`manage.py migrate` failed: {in_short((errors or output).strip())}"
