"""What the checks say of a consumer that is wrong: each sentence said at least once, by the smallest wrong consumer."""

import asyncio
import json
import re

import pytest
from django.core.signals import got_request_exception
from websockets.asyncio.server import serve

from tests.steps.conftest import pytest_assertrepr_compare
from tests.support import client as client_module
from tests.support.answers import Status, decoded
from tests.support.browser import expect, find_chromium, open_browser
from tests.support.chat import Member
from tests.support.client import Closed, ProcessClient, Refused, WireClient
from tests.support.commands import manage, worker
from tests.support.comparing import compared, of_a_page
from tests.support.events import EventStream
from tests.support.evidence import shortened
from tests.support.frames import own_frame, read_tracebacks
from tests.support.plan import SLOW
from tests.support.postgres import Postgres
from tests.support.redis import HOW_TO_INSTALL, Redis, find_redis
from tests.support.server import Database, Server
from tests.support.tab import Tab
from tests.support.telling import flood_until, how_busy, in_words, may_be_slow, own_place, what_happened
from tests.support.timeline import Timeline, shorten
from tests.support.verdicts import cannot_check
from tests.support.visitor import visitor_in_process
from tests.support.waiting import wait_for, wait_until

ACCEPT = {"type": "websocket.accept"}


def text(words):
    return {"type": "websocket.send", "text": words if isinstance(words, str) else json.dumps(words)}


def saying(*events):
    """Return an ASGI application that answers the handshake with these events, and then only listens."""

    async def application(scope, receive, send):
        await receive()
        for event in events:
            await send(event)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return application


async def deaf(scope, receive, send):
    """An ASGI application that accepts, and goes on when its client has left."""
    await receive()
    await send(ACCEPT)
    while True:
        await receive()


async def silent(scope, receive, send):
    """An ASGI application that ends without a word."""
    await receive()


def connect(client):
    return client.connect()


async def receive(client):
    await (await client.connect()).receive()


def expecting(method, *arguments):
    async def expect(client):
        await getattr(await client.connect(), method)(*arguments)

    return expect


def member(method, *arguments, **fields):
    async def hear(client):
        await getattr(Member(await client.connect()), method)(*arguments, **fields)

    return hear


def entering(client):
    return Member(client).enter()


async def leaving(client):
    await (await client.connect()).leave()
    await client.ended()


ERROR = {"event": "error", "code": "no_msg", "detail": "Send a text."}
SAID = {
    "The handshake was refused.": (saying({"type": "websocket.close"}), connect),
    "Expected websocket.accept, the consumer sent {'type': 'websocket.accepted'}": (
        saying({"type": "websocket.accepted"}),
        connect,
    ),
    "The consumer has ended without a word": (silent, connect),
    "The server closed the connection with code 4001.": (
        saying(ACCEPT, {"type": "websocket.close", "code": 4001}),
        receive,
    ),
    "Expected websocket.send, the consumer sent {'type': 'websocket.accept'}": (saying(ACCEPT, ACCEPT), receive),
    "Expected the frame 'a', got 'b'": (saying(ACCEPT, text("b")), expecting("expect", "a")),
    "Expected a text that starts with \"error:\", got 'b'": (saying(ACCEPT, text("b")), expecting("expect_error")),
    "No close came; 4000 was expected": (saying(ACCEPT), expecting("expect_close", 4000)),
    "Expected a close with code 4000, got the frame 'b'": (
        saying(ACCEPT, text("b")),
        expecting("expect_close", 4000),
    ),
    "Expected the close code 4000, got 4001": (
        saying(ACCEPT, {"type": "websocket.close", "code": 4001}),
        expecting("expect_close", 4000),
    ),
    "Expected the close code 4000, got '4000'": (
        saying(ACCEPT, {"type": "websocket.close", "code": "4000"}),
        expecting("expect_close", 4000),
    ),
    "This websocket.send holds neither a text nor bytes: {'type': 'websocket.send', 'message': 'a'}": (
        saying(ACCEPT, {"type": "websocket.send", "message": "a"}),
        receive,
    ),
    "This websocket.send holds neither a text nor bytes: {'type': 'websocket.send', 'bytes': None}": (
        saying(ACCEPT, {"type": "websocket.send", "bytes": None}),
        receive,
    ),
    "The consumer was still there after its client had left": (deaf, leaving),
    "Expected the welcome as the first frame, got {'event': 'join'}": (
        saying(ACCEPT, text({"event": "join"})),
        entering,
    ),
    "Expected a text frame, got the bytes b'{}'": (
        saying(ACCEPT, {"type": "websocket.send", "bytes": b"{}"}),
        member("next"),
    ),
    "A frame's 'text' is a str, and this is a dict: {'a': 1}": (
        saying(ACCEPT, {"type": "websocket.send", "text": {"a": 1}}),
        receive,
    ),
    "Expected a JSON object, got []": (saying(ACCEPT, text([])), member("next")),
    "Expected {'event': 'message', 'msg': 'a'}, got {'event': 'message', 'msg': 'b'}": (
        saying(ACCEPT, text({"event": "message", "msg": "b"})),
        member("hear", "message", msg="a"),
    ),
    f"Expected an error with the code bad_json or too_long, got {ERROR}": (
        saying(ACCEPT, text(ERROR)),
        member("hear_error", "bad_json", "too_long"),
    ),
    f"Expected a detail in words, got {ERROR | {'detail': None}}": (
        saying(ACCEPT, text(ERROR | {"detail": None})),
        member("hear_error", "no_msg"),
    ),
    "A detail is a sentence, not an echo of the frame": (
        saying(ACCEPT, text(ERROR | {"detail": "x" * 500})),
        member("hear_error", "no_msg"),
    ),
    "Expected the history and the users, got {'event': 'history'}, {'event': 'join'}": (
        saying(ACCEPT, *map(text, ({"event": "welcome", "from": "ann"}, {"event": "history"}, {"event": "join"}))),
        lambda client: Tab(client).enter(),
    ),
    "Expected {'event': 'message', 'msg': 'is that all?', 'from': 'ann'}, got {'event': 'message', 'msg': 'no'}": (
        saying(ACCEPT, text({"event": "welcome", "from": "ann"}), text({"event": "message", "msg": "no"})),
        lambda client: not_all(client),
    ),
}


async def not_all(client):
    ann = Member(client)
    await ann.enter()
    await ann.hears_only()


@pytest.mark.parametrize("sentence", SAID)
async def test_what_is_said_of_a_wrong_consumer(sentence):
    application, talk = SAID[sentence]
    client = ProcessClient(application, "/ws/", Timeline())
    with pytest.raises((AssertionError, Closed, Refused)) as told:
        await talk(client)
    assert in_words(told.value) == sentence
    await client.discard()


@pytest.mark.parametrize(
    ("events", "talk", "sentence"),
    [([], connect, "Nobody answered the handshake."), ([ACCEPT], receive, "No frame came.")],
)
async def test_what_is_said_of_silence(events, talk, sentence):
    timeline = Timeline()
    client = ProcessClient(saying(*events), "/ws/", timeline)
    with pytest.raises(TimeoutError) as told:
        await talk(client)
    assert what_happened(told.value, timeline.read(), {"exceptions": []}) == sentence
    await client.discard()


def test_of_a_crowds_timeline_the_middle_is_left_out_and_that_is_said():
    entries = [(float(number), "client", str(number)) for number in range(520)]
    kept = shortened(entries)
    assert kept[99:102] == [(99.0, "client", "99"), (100.0, "", "… 20 more …"), (120.0, "client", "120")]
    assert (len(kept), kept[-1]) == (501, entries[-1])
    assert shortened(entries[:500]) == entries[:500]


@pytest.mark.parametrize(
    ("op", "right", "sentence"),
    [
        ("==", "postgresql", "'sqlite3', not 'postgresql'"),
        ("!=", "sqlite3", "'sqlite3' is the same as 'sqlite3'"),
        ("in", ["mysql"], "'sqlite3' is not in ['mysql']"),
        ("not in", ["sqlite3"], "'sqlite3' is in ['sqlite3']"),
        ("is", None, "'sqlite3', not None"),
        ("is not", "sqlite3", "'sqlite3' is 'sqlite3'"),
        ("<", "b", "'sqlite3' is not less than 'b'"),
        ("<=", "b", "'sqlite3' is more than 'b'"),
        (">", "z", "'sqlite3' is not more than 'z'"),
        (">=", "z", "'sqlite3' is less than 'z'"),
        ("==", "x" * 500, f"'sqlite3', not '{'x' * 159}… (502 characters)"),
    ],
)
def test_a_comparison_says_what_there_is_and_what_there_should_be(op, right, sentence):
    """What pytest says below its first line, how they differ, stays."""
    for pytests, more in (([["'sql...e3' == …", "- more"]], ["- more"]), ([], [])):
        said = pytest_assertrepr_compare(op, "sqlite3", right)
        next(said)
        with pytest.raises(StopIteration) as told:
            said.send(pytests)
        assert told.value.value == [[sentence, *more]]


async def test_a_client_that_never_connected_is_gone():
    """Otherwise a check that ends before it would fail once more, for no fault of the learner's."""
    await ProcessClient(saying(ACCEPT), "/", Timeline()).discard()


def test_what_was_not_raised():
    for error, sentence in (
        (Refused, "The handshake was not refused."),
        (Closed, "The connection was not closed."),
        (KeyError, "KeyError was not raised."),
    ):
        with pytest.raises(pytest.fail.Exception) as told, pytest.raises(error):
            pass
        assert in_words(told.value) == sentence


def test_what_is_no_json_and_what_is_not_in_it():
    for text, sentence in (("hello", "Expected JSON, got 'hello'"), ('{"a": {"b": 1}}', "There is no 'c' in {'b': 1}")):
        with pytest.raises(AssertionError) as told:
            decoded(text)["a"]["c"]
        assert in_words(told.value) == sentence


MESSAGES = [{"event": "message", "id": number, "at": "2026-11-30T15:37:12", "msg": "hello"} for number in range(3)]


@pytest.mark.parametrize(
    ("left", "right", "sentence"),
    [
        ([1, 2], [1, 3], "[1, 2], not [1, 3]"),
        (MESSAGES[::-1], MESSAGES, "number 1 is {'id': 2}, not {'id': 0}"),
        (MESSAGES, MESSAGES[1:], "3 of them, not 2: number 1 is {'id': 0}, not {'id': 1}"),
        (MESSAGES[:2], MESSAGES, f"2 of them, not 3: number 3 should be {MESSAGES[2]}"),
        ([], MESSAGES, f"none of them, not 3: number 1 should be {MESSAGES[0]}"),
        (MESSAGES, MESSAGES[:2], f"3 of them, not 2: number 3 is {MESSAGES[2]}"),
        ({**MESSAGES[0], "to": "ann"}, MESSAGES[0], "{'to': 'ann'}, not {}"),
    ],
)
def test_of_what_is_long_only_the_difference_is_said(left, right, sentence):
    assert compared("==", left, right) == sentence


def test_a_status_is_shown_as_one_of_http():
    assert compared("==", (Status(500), "/"), (302, "/")) == "(HTTP 500, '/'), not (302, '/')"
    assert f"got HTTP {Status(500)}" == "got HTTP 500"


ELEMENT = '<p role="status" data-state="closed">It is closed</p>'


@pytest.mark.browser
async def test_what_is_said_of_a_page():
    path = find_chromium() or cannot_check("no Chromium")
    async with open_browser(path) as browser:
        page = await browser.new_page()
        await page.set_content(ELEMENT)
        state = page.locator("[role=status]")
        # Not sooner: on a busy machine the browser had not looked yet.
        with pytest.raises(AssertionError) as told:
            await expect(state).to_have_attribute("data-state", "open", timeout=3000)
    assert in_words(told.value) == f"On the page {ELEMENT} was expected to have attribute 'open', and was: closed."


# As a page is asked for them; Python cuts the third where it says what it is.
FAILED, QUOTED = re.compile(r"^.+ 1011: it failed.*\.$", re.DOTALL), re.compile("it's", re.IGNORECASE)
TOO_LONG = re.compile("long" * 100)
NOT_READ = shorten(f"to be '{TOO_LONG}'", 160).removeprefix("to be ")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            f"Locator expected to contain text 'connected'\nActual value: It is closed \nCall log:\n"
            f'  - waiting for locator("[role=status]")\n    6 × locator resolved to {ELEMENT}\n',
            f"On the page {ELEMENT} was expected to contain text 'connected', and was: It is closed.",
        ),
        (
            "Locator expected to have text 'hello'\nActual value: None\nError: element(s) not found \nCall log:\n"
            '  - waiting for locator("output")\n',
            "On the page `output` was expected to have text 'hello', and is not there.",
        ),
        (
            "Locator expected to have count '3'\nActual value: 2 \nCall log:\n"
            '  - waiting for locator("li")\n    7 × locator resolved to 2 elements\n',
            "On the page `li` was expected to have count '3', and was: 2.",
        ),
        (
            "Page URL expected to be 'http://x/'\nActual value: about:blank \nCall log:\n"
            "    7 × locator resolved to <html>…</html>\n",
            "On the page its URL was expected to be 'http://x/', and was: about:blank.",
        ),
        (
            'Locator.click: Timeout 300ms exceeded.\nCall log:\n  - waiting for locator("output")\n',
            "On the page `output` could not be used within 0.3 s (click).",
        ),
        (
            f"Locator expected to have text '{FAILED}'\n"
            'Actual value: It ended. \nCall log:\n  - waiting for locator("output")\n',
            r"On the page `output` was expected to have text /^.+ 1011: it failed.*\.$/, and was: It ended.",
        ),
        (
            "Locator.fill: Timeout 5000ms exceeded.\nCall log:\n"
            '  - waiting for locator(".panel[data-path=\\"/ws/sc/\\"]").get_by_label("Your \\"text\\"", exact=True)\n',
            'On the page the field "Your "text"" in `.panel[data-path="/ws/sc/"]` could not be used within 5 s (fill).',
        ),
        (
            "Locator expected to be enabled\nActual value: None\nError: element(s) not found \nCall log:\n"
            '  - waiting for get_by_role("button", name="Reply").nth(1).get_by_role("link").filter(has="x").first\n',
            'On the page filter(has="x") in the link in nth(1) in the button "Reply" was expected to be enabled, '
            "and is not there.",
        ),
        (
            f"Page URL expected to be '{QUOTED}'\nActual value: about:blank \nCall log:\n",
            "On the page its URL was expected to be /it's/i, and was: about:blank.",
        ),
        (
            f"Page URL expected to be '{TOO_LONG}'\nActual value: about:blank \nCall log:\n",
            f"On the page its URL was expected to be {NOT_READ}, and was: about:blank.",
        ),
        ("Something else", None),
    ],
)
def test_what_playwright_says_in_a_line(said, sentence):
    assert of_a_page(said) == sentence


def test_silence_without_a_client():
    assert what_happened(TimeoutError(), [], {"exceptions": []}) == "Nothing came in time."


def test_a_frame_came_but_the_next_one_too_late():
    entries = [(0.1, "client", "→ 60"), (0.2, "client", "← 4"), (0.3, "consumer", "→ 5")]
    assert what_happened(TimeoutError(), entries, {"exceptions": []}) == "Time was up after ← 4."


def test_frames_that_came_until_the_end():
    entries = [(0.1, "client", "→ 60"), (6.8, "client", "← 4"), (6.9, "consumer", "→ 5")]
    assert flood_until(7.0, entries) == "Frames came on and on, the last one: 4"
    assert flood_until(7.9, entries) is None, "who comes no more may be held up"
    assert flood_until(6.7, entries) is None, "what came after the end was held up"


def test_the_servers_side_of_it():
    raised = {"told_by": "log", "type": "KeyError", "message": "'text'"}
    sentence = "The server closed the connection with code 1011. The server's side says: KeyError: 'text'"
    assert what_happened(Closed(1011), [], {"exceptions": [raised]}) == sentence


@pytest.mark.parametrize("wait", [wait_for, lambda *words, **more: asyncio.run(wait_until(*words, **more))])
def test_what_was_waited_for(wait):
    with pytest.raises(AssertionError, match=r"^waited 0\.05 s for rain$"):
        wait(lambda: False, "rain", within=0.05)
    with pytest.raises(AssertionError, match=r"^waited 0\.05 s for rain or snow$"):
        wait(lambda: False, lambda: "rain or snow", within=0.05)


LATE, WAITED = TimeoutError(), AssertionError("waited 5 s for the table to be empty")
STAYED = AssertionError("the consumer was still there after its client had left")


@pytest.mark.parametrize(
    ("error", "is_told"), [(LATE, True), (WAITED, True), (STAYED, True), (AssertionError(), False)]
)
def test_where_the_code_still_was_is_told_only_of_what_was_waited_for(error, is_told):
    evidence = {"frame": None, "waiting": [{"file": "app/consumers.py"}]}
    assert bool(own_place(evidence, error)) is is_told
    assert own_place(evidence | {"frame": "where it failed"}, error) == "where it failed"


ON_THE_PAGE = AssertionError("Locator expected to be visible\nCall log:\n")
ENDLESS = AssertionError("daphne did not end within 5 s of Ctrl-C")


@pytest.mark.parametrize("error", [LATE, WAITED, STAYED, ON_THE_PAGE, ENDLESS])
def test_what_was_waited_for_to_the_end_may_be_slow(error):
    assert may_be_slow(error, 5.1, SLOW)
    assert not may_be_slow(error, 0.4, SLOW), "nobody was busy any more"


def test_what_is_wrong_is_not_slow():
    assert not may_be_slow(AssertionError("expected 1, got 2"), 5.1, SLOW)


def test_how_busy_a_machine_is(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (17.8, 3, 1))
    assert how_busy() == "This machine is busy (18 programs want its 2 cores): check again before you search."
    monkeypatch.setattr("os.getloadavg", lambda: (9.9, 30, 30))
    assert how_busy() == ""
    # Windows does not tell.
    monkeypatch.delattr("os.getloadavg")
    assert how_busy() == ""


@pytest.mark.parametrize(
    ("awaiting", "line"),
    [("await self.counting", 2), ("ended = await self.counting", 2), ("await asyncio.gather(*self.all)", 1)],
)
def test_what_was_cancelled_is_told_with_the_line_that_awaited_it(awaiting, line):
    sources = ["await self.end()", awaiting, "await asyncio.sleep(1)"]
    frames = [{"line": number, "source": source, "inside": True} for number, source in enumerate(sources, 1)]
    evidence = {"frame": frames[-1], "waiting": [], "exceptions": [{"frames": frames}]}
    assert own_place(evidence, asyncio.CancelledError())["line"] == line
    assert in_words(asyncio.CancelledError()) == "CancelledError: what was awaited had been cancelled."


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("raise ValueError('oops')", "`manage.py announce 'to all'` failed: ValueError: oops"),
        ("print('Sent.')", "`manage.py announce 'to all'` ended with status 0, not 1: Sent."),
        ("pass", "`manage.py announce 'to all'` ended with status 0, not 1: it printed nothing"),
        ("import sys\nsys.exit('in vain')", None),
        ("while True: pass", "`manage.py announce 'to all'` was still running after 2 s"),
    ],
)
def test_what_is_said_of_a_command(tmp_path, monkeypatch, source, sentence):
    monkeypatch.setattr("tests.support.commands.PATIENCE", 2)
    file = tmp_path / "manage.py"
    file.write_text(source, encoding="utf-8")
    if sentence is None:
        assert manage(tmp_path, "announce", "to all", status=1).stderr == "in vain\n"
        return
    with pytest.raises(AssertionError) as error:
        manage(tmp_path, "announce", "to all", status=1)
    # The traceback of the command stands below it: from there is her line.
    assert what_happened(error.value, [], {"exceptions": told(error.value, tmp_path)}) == sentence


def test_a_worker_that_has_ended_is_told_first(tmp_path):
    (tmp_path / "manage.py").write_text(
        "print('begun')\nraise SystemExit(\"Unknown command: 'runworker'\")", encoding="utf-8"
    )
    timeline = Timeline()
    with pytest.raises(AssertionError) as error, worker("announcer", tmp_path, timeline):
        wait_for(lambda: False, "what the worker was to do", within=1)
    assert in_words(error.value) == "`manage.py runworker announcer` ended by itself: Unknown command: 'runworker'"
    assert timeline.texts("worker") == ["begun", "Unknown command: 'runworker'"]


def test_a_consumer_that_ends_is_no_error():
    ended = [{"type": "StopConsumer", "message": "", "told_by": "consumer"}]
    raised = [{"type": "ValueError", "message": "oops\nand more", "told_by": "consumer"}]
    error = AssertionError("the consumer was still there")
    assert what_happened(error, [], {"exceptions": ended}) == "The consumer was still there"
    assert what_happened(error, [], {"exceptions": raised}) == (
        "The consumer was still there. The server's side says: ValueError: oops"
    )


def told(error, folder):
    return [each | {"told_by": "log"} for each in read_tracebacks(str(error), folder)]


class Place:
    """Where a server for WireClient is."""

    def __init__(self, port):
        self.port = port

    def url(self, path, scheme="ws"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"


async def test_what_is_said_on_the_wire(tmp_path, monkeypatch):
    (tmp_path / "events").touch()

    async def listen(connection):
        async for _ in connection:
            pass

    def refuse(connection, request):
        return connection.respond(403, "") if request.path == "/closed/" else None

    async with serve(listen, "127.0.0.1", 0, process_request=refuse) as server:
        place = Place(server.sockets[0].getsockname()[1])
        with pytest.raises(Refused) as refused:
            await WireClient(place, "/closed/", Timeline()).connect()
        assert in_words(refused.value) == "The handshake was refused (HTTP 403)."
        timeline = Timeline()
        client = await WireClient(place, "/ws/", timeline, tmp_path / "events").connect()
        await client.vanish()
        assert timeline.texts("client")[-1] == "→ (gone without a close frame)"
        monkeypatch.setattr(client_module, "PATIENCE", 0.5)
        with pytest.raises(AssertionError, match=r"^waited 0\.5 s for the consumer to end after its client had left$"):
            await client.ended()
        await client.discard()


# What stands for manage.py in a project: a server that is wrong.
ENDS = "print('no')\nraise SystemExit(3)\n"
NO_SERVER = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"
STUBBORN = """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
address = ("127.0.0.1", int(sys.argv[-1].rpartition(":")[2]))
http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_server_that_ends(tmp_path):
    (tmp_path / "manage.py").write_text(ENDS)
    with pytest.raises(AssertionError, match=r"^runserver ended with status 3; it printed:\nno$"):
        Server(tmp_path, "runserver").wait()


def test_a_server_that_does_not_answer(tmp_path, monkeypatch):
    (tmp_path / "manage.py").write_text(NO_SERVER)
    monkeypatch.setattr("tests.support.server.wait_for", lambda is_so, what, within: wait_for(is_so, what, within=0.2))
    server = Server(tmp_path, "runserver")
    wait_for(lambda: server.lines, "it to begin")
    with pytest.raises(
        AssertionError, match=rf"^waited 0.2 s for runserver to answer on port {server.port}; it printed:\nup"
    ):
        server.wait()


async def test_a_server_that_does_not_print(tmp_path, monkeypatch):
    (tmp_path / "manage.py").write_text(NO_SERVER)
    server = Server(tmp_path, "runserver")
    wait_for(lambda: server.lines, "it to begin")
    with pytest.raises(AssertionError, match=r"^waited 0.1 s for the server to print 'down'; it printed:\nup$"):
        await server.printed("down", within=0.1)
    server.kill()


def test_a_server_that_does_not_end(tmp_path, monkeypatch):
    (tmp_path / "manage.py").write_text(STUBBORN)
    monkeypatch.setattr("tests.support.server.SECONDS_TO_END", 0.5)
    server = Server(tmp_path, "runserver")
    server.wait()
    with pytest.raises(AssertionError, match=r"^runserver did not end within 0.5 s of Ctrl-C$"):
        server.stop()
    assert server.process.stdout.closed, "its worker, which writes into the same pipe, still lives"


def test_a_database_that_cannot_be_made(tmp_path):
    (tmp_path / "manage.py").write_text(ENDS)
    with pytest.raises(AssertionError, match=r"^`manage.py migrate` failed:\nno\n$"):
        Database(tmp_path, "sqlite:///nowhere", tmp_path).wait()


@pytest.mark.parametrize(
    ("initdb", "postgres", "sentence"),
    [
        ("exit 1", "", r"^initdb failed:\ninitdb says no\n$"),
        ("exit 0", "exit 1", r"^PostgreSQL ended:\ninitdb says no\npostgres says no\n$"),
        ("exit 0", "exec sleep 60", r"^waited 0\.5 s for PostgreSQL to answer on port \d+; it said:\ninitdb says no\n"),
    ],
)
def test_a_postgres_that_ends_and_one_that_does_not_answer(tmp_path, monkeypatch, initdb, postgres, sentence):
    pytest.importorskip("psycopg")
    for name, script in (("initdb", initdb), ("postgres", postgres)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} says no\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("tests.support.postgres.other_user", dict)
    monkeypatch.setattr("tests.support.postgres.wait_for", lambda is_so, what: wait_for(is_so, what, within=0.5))
    server = Postgres(tmp_path)
    with pytest.raises(AssertionError, match=sentence):
        server.start()
    server.__exit__()


async def test_events_that_are_no_comment():
    stream = EventStream(Place(0), "/events/", Timeline())
    stream.unread = b"data: 1\n"
    with pytest.raises(AssertionError, match=r"^expected a comment, got 'data: 1'$"):
        await stream.comment()


def test_a_redis_that_ends_and_one_that_does_not_answer(tmp_path, monkeypatch):
    program = tmp_path / "redis-server"
    for script, sentence in (("exit 4", "ended with status 4"), ("exec sleep 60", r"to answer on port \d+")):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr("tests.support.redis.wait_for", lambda is_so, what: wait_for(is_so, what, within=0.5))
        with pytest.raises(AssertionError, match=f"{program} {sentence}$"), Redis(str(program)) as redis:
            raise AssertionError(f"it is there, on port {redis.port}")


@pytest.mark.skipif(not find_redis(), reason=HOW_TO_INSTALL)
def test_redis_is_stopped_in_no_message(monkeypatch):
    monkeypatch.setattr("tests.support.redis.wait_for", lambda is_so, what: wait_for(is_so, what, within=0.5))
    with Redis(find_redis()) as redis:
        redis.ask("SET asgi:specific.a!$inflight 1")
        with pytest.raises(AssertionError, match=r"the channel layers to have nothing in flight$"):
            redis.stop()
        # Between its looks everybody may write.
        assert redis.ask("DEL asgi:specific.a!$inflight") == b":1\r\n"
        redis.stop()
        assert redis.process.returncode is not None


PRINTED = """\
Traceback (most recent call last):
  File "{project}/app/losses.py", line 20, in __call__
    await self.application(scope, receive, send_if_there)
  File "/site-packages/{called}", line 48, in __call__
    return await application(scope, receive, send)
ValueError: No handler for message type websocket.receive
"""


@pytest.mark.parametrize(
    ("called", "file"), [("channels/routing.py", None), ("asgiref/sync.py", "app/losses.py")], ids=["on", "not on"]
)
def test_the_line_of_a_middleware_that_passes_on_is_nobodys(tmp_path, called, file):
    frame = own_frame(read_tracebacks(PRINTED.format(project=tmp_path, called=called), tmp_path))
    assert (frame and frame["file"]) == file


OF_A_WORKER = """\
Running worker for channels ['announcer']
ERROR:root:Exception inside application: 'Consumer' object has no attribute 'nothing'
  File "/site-packages/channels/consumer.py", line 74, in dispatch
    await handler(message)
  File "{project}/app/consumers.py", line 104, in announce_later
    self.nothing()
    ^^^^^^^^^^^^
  'Consumer' object has no attribute 'nothing'
{end}
"""


@pytest.mark.parametrize("end", ["", PRINTED.format(project="/elsewhere", called="asgiref/sync.py")])
def test_what_a_worker_prints_has_no_type(tmp_path, end):
    first, *others = read_tracebacks(OF_A_WORKER.format(project=tmp_path, end=end), tmp_path)
    assert (first["type"], first["bases"]) == ("Exception", [])
    assert first["message"] == "'Consumer' object has no attribute 'nothing'"
    assert own_frame([first])["line"] == 104
    assert [other["type"] for other in others] == ["ValueError"] * bool(end)


async def test_what_a_view_raises_is_kept():
    """Of an HTTP 500 it is said what was raised: once, however many ask at the same time."""

    async def application(scope, receive, send):
        try:
            raise ValueError(scope["path"])
        except ValueError:
            got_request_exception.send(None)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    failures = []
    visitors = [visitor_in_process(application, failures) for _ in range(2)]
    responses = await asyncio.gather(*(visitor.get(f"/{at}") for at, visitor in enumerate(visitors)))
    assert [response.status for response in responses] == [500, 500]
    assert [str(failure) for failure in failures] == ["/0", "/1"]
