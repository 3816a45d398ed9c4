"""`python -m tests.bench.load`: how it measures, and what it says; the servers are small ones in this process."""

import asyncio
import contextlib
import json
import math
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.asyncio.server import broadcast, serve
from websockets.sync.client import connect

from tests.bench import load, room
from tests.bench.contestants import BARE, CROWD, GS4, GS7, PLACES
from tests.bench.room import Measured, NotMeasured, Room, next_party, number_in

MEASURED = Measured(rate=1234.5, p50=0.0123, p99=1.2, lost=7, joining=65.43)


@pytest.fixture
def one_process(monkeypatch):
    """Where the server is in this process, too, how busy that is tells nothing of the members."""
    monkeypatch.setattr(room, "BUSY", math.inf)


@contextlib.asynccontextmanager
async def chat(leave_out=lambda message, member: False, refuse=lambda number: False):
    """A server of one room, which leaves out members and refuses handshakes as told; yields its URL."""
    members = []
    asked = []

    async def serve_member(connection):
        members.append(connection)
        broadcast(members, '{"event": "join"}')
        async for message in connection:
            broadcast(
                [member for at, member in enumerate(members) if not leave_out(number_in(message.encode()), at)], message
            )

    def refuse_some(connection, request):
        asked.append(request)
        return connection.respond(503, "too many\n") if refuse(len(asked)) else None

    async with serve(serve_member, "127.0.0.1", 0, process_request=refuse_some, ping_interval=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_each_delivery_counts(one_process):
    async with chat() as url:
        club = Room(url, 30)
        measured = await club.measure(0.2, under_way=4)
    probes = 2  # the party of 25 and the rest
    assert club.heard == [26, 30] + [30] * (len(club.sent) - probes)
    assert (measured.lost, len(club.latencies)) == (0, 30 * (len(club.sent) - probes))
    assert 0 < measured.p50 <= measured.p99 < 5, "in seconds"
    assert measured.rate > 30 / 0.2
    assert 0 < measured.joining < room.JOINING


async def test_no_more_messages_are_under_way_than_are_asked_for(one_process, monkeypatch):
    seen = []
    say = Room.say

    def say_and_look(club):
        say(club)
        seen.append(len(club.under_way))
        return len(club.sent) - 1

    monkeypatch.setattr(Room, "say", say_and_look)
    async with chat() as url:
        await Room(url, 5).measure(0.2, under_way=3)
    assert max(seen) == 3


async def test_what_does_not_come_is_lost(one_process, monkeypatch):
    monkeypatch.setattr(room, "SILENCE", 0.3)
    # The message 0 shows that all are there; then one member hears no more: two messages under way are two losses.
    async with chat(leave_out=lambda message, member: message > 0 and member == 2) as url:
        measured = await Room(url, 4).measure(5, under_way=2)
    assert measured.lost == 2
    assert measured.rate > 6 / 0.3, "waiting for what is lost is not a part of the rate"


async def test_who_was_refused_comes_again(one_process):
    async with chat(refuse=lambda number: number in (3, 5)) as url:
        measured = await Room(url, 30).measure(0.1, under_way=2)
    assert measured.lost == 0


@pytest.mark.parametrize("refused_from", [1, 2])
async def test_a_room_that_lets_nobody_in_has_no_figure(one_process, refused_from):
    async with chat(refuse=lambda number: number >= refused_from) as url:
        with pytest.raises(NotMeasured) as raised:
            await Room(url, 30).measure(1, under_way=2)
    assert str(raised.value) == (
        f"{refused_from - 1} of 30 members had joined after 0 s; "
        "the last was refused: server rejected WebSocket connection: HTTP 503"
    )


async def test_a_room_that_does_not_fill_has_no_figure(one_process, monkeypatch):
    monkeypatch.setattr(room, "JOINING", 2)
    join, unanswered = Room.join, []

    async def join_or_wait(club, until, cookie):
        if len(club.members) == 26:
            unanswered.append(cookie)
            await asyncio.sleep(max(0, until - time.perf_counter()))
            raise TimeoutError
        return await join(club, until, cookie)

    monkeypatch.setattr(Room, "join", join_or_wait)
    async with chat() as url:
        with pytest.raises(NotMeasured, match=r"^26 of 30 members had joined after 2 s$"):
            await Room(url, 30).measure(1, under_way=2)
    assert len(unanswered) == 4, "when the time is over nobody else comes"


async def test_a_room_in_which_not_all_hear_has_no_figure(one_process, monkeypatch):
    monkeypatch.setattr(room, "QUIET", 0.1)
    async with chat(leave_out=lambda message, member: member == 2) as url:
        with pytest.raises(NotMeasured, match=r"^a message reached 3 of 4 members$"):
            await Room(url, 4).measure(1, under_way=2)


async def test_what_does_not_end_is_ended(one_process, monkeypatch):
    monkeypatch.setattr(room, "DRAINING", 0)
    async with chat(leave_out=lambda message, member: message > 0 and member == 2) as url:
        with pytest.raises(NotMeasured, match=r"^6 of 8 delivered after 0 s$"):
            await Room(url, 4).measure(0.5, under_way=2)


def test_members_that_are_too_busy_are_no_measure():
    club = Room("ws://127.0.0.1/", 10)
    club.latencies = [0.1] * 20
    assert club.measured(2, 10.0, 0.89, 1.0, is_over=True).rate == 2.0
    with pytest.raises(NotMeasured, match=r"^20 of 20 delivered, but the members were busy 91% of the time$"):
        club.measured(2, 10.0, 0.91, 1.0, is_over=True)


@pytest.mark.parametrize(
    ("party", "seconds", "following"),
    [(25, 5.9, 50), (400, 1, 400), (25, 6, 25), (25, 20, 25), (25, 20.1, 12), (1, 60, 1), (50, math.inf, 25)],
)
def test_a_party_is_as_large_as_the_server_takes(party, seconds, following):
    assert next_party(party, seconds) == following


@pytest.mark.parametrize(
    ("frame", "number"),
    [
        (b'{"event": "message", "msg": "~12~", "from": "x"}', 12),
        (b'{"msg": "~0~"}', 0),
        (b'{"event": "join", "from": "a~b"}', None),
        (b'{"messages": ["~1~", "~2~"]}', None),
        (b"~-~", None),
    ],
)
def test_the_number_of_a_message(frame, number):
    assert number_in(frame) == number


def test_a_line_of_the_table():
    rounds = {"bare, async": [MEASURED._replace(rate=2469.0)], "gs4, async": [MEASURED]}
    assert load.row(PLACES[0], GS4[0], 1000, rounds) == (
        "| daphne, in memory | gs4, async | 1,000 | 1,234 | 0.50 | 12.3 | 1,200.0 | 65.4 | 7 |"
    )
    assert load.row(PLACES[1], BARE[0], 10, rounds) == (
        "| daphne, Redis | bare, async | 10 | 2,469 |  | 12.3 | 1,200.0 | 65.4 | 7 |"
    )
    for line in [
        *load.HEAD,
        load.row(PLACES[0], GS4[0], 10, {"gs4, async": [NotMeasured("6 of 8 delivered after 1 s")]}),
    ]:
        assert line.count("|") == 10
    assert line.startswith("| daphne, in memory | gs4, async | 10 | none: 6 of 8 delivered after 1 s | |")


def test_beside_a_bare_consumer_without_a_figure_there_is_no_share():
    rounds = {"bare, async": [NotMeasured("nothing")], "gs4, async": [MEASURED]}
    assert "| 1,234 |  | 12.3 |" in load.row(PLACES[0], GS4[0], 10, rounds)


def measured(*rates):
    """Return a list of Measured with these rates; what is None was not measured."""
    return [NotMeasured("nothing") if rate is None else MEASURED._replace(rate=float(rate)) for rate in rates]


def test_of_the_rounds_the_middle_one_is_told():
    # Now and then something comes in between.
    rounds = {"bare, async": measured(1000, 500, 1000), "gs4, async": measured(900, 920, 100)}
    assert "| 900 | 0.90 |" in load.row(PLACES[0], GS4[0], 10, rounds)


def test_a_round_without_a_figure_is_left_out():
    rounds = {"bare, async": measured(900, 1100, None), "gs4, async": measured(None, 800, 800)}
    assert "| 800 | 0.80 |" in load.row(PLACES[0], GS4[0], 10, rounds)


def test_what_was_lost_in_one_round_is_told():
    rounds = {"gs4, async": [MEASURED._replace(lost=lost) for lost in (0, 9, 0)]}
    assert load.row(PLACES[0], GS4[0], 10, rounds).endswith("| 9 |")


@pytest.mark.parametrize(
    "error", [AssertionError("daphne ended\nTraceback …"), OSError("daphne ended"), NotMeasured("daphne ended")]
)
def test_a_server_that_does_not_start_has_a_line_too(monkeypatch, error):
    def serve(*_):
        raise error

    monkeypatch.setattr(load, "serve", serve)
    measured = load.measure(GS4[0], PLACES[0], 10, "", "")
    assert isinstance(measured, NotMeasured)
    assert str(measured) == "daphne ended"


@pytest.mark.proof
@pytest.mark.parametrize("contestant", GS4, ids=lambda contestant: contestant.path.split("/")[2])
@pytest.mark.parametrize(("members", "told"), [(100, ["join", "message"]), (CROWD, ["message"])])
def test_a_crowd_comes_quietly(tmp_path, contestant, members, told):
    with load.serve(contestant, PLACES[0], "", tmp_path, members) as how:
        url, options = how["url"], {"origin": how["origin"], "proxy": None}
        with connect(url, **options) as ann:
            assert json.loads(ann.recv(timeout=5))["event"] == "welcome"
            with connect(url, **options) as bob:
                bob.send('{"msg": "hello"}')
                heard = [json.loads(ann.recv(timeout=5))["event"] for _ in told]
    assert heard == told


def test_all_are_measured_in_turn_and_one_that_fails_hinders_none(monkeypatch):
    order = []

    def measure(contestant, place, members, redis_url, folder):
        order.append((contestant.name, redis_url))
        return NotMeasured("it fell") if contestant is GS4[0] else MEASURED._replace(rate=float(len(order)))

    monkeypatch.setattr(load, "measure", measure)
    monkeypatch.setattr(load, "Redis", lambda program: contextlib.nullcontext(SimpleNamespace(url="redis://x")))
    monkeypatch.setitem(load.EFFORTS, 10, load.Effort(2, 1, 1))
    lines = [line for _, line in load.rows([10], [BARE[0], GS4[0]], PLACES[:1])]
    assert order == [("bare, async", "redis://x/0"), ("gs4, async", "redis://x/1")] * 2
    assert [line.split("|")[4].strip() for line in lines] == ["2", "none: it fell"]


def test_the_tables_go_into_the_lessons(monkeypatch, tmp_path, capsys):
    asked = []

    def rows(sizes, places):
        asked.append((sizes, [place.name for place in places]))
        return [(GS4[1], f"| daphne | gs4 | 10 | {len(asked)} |"), (GS7[0], f"| daphne | gs7 | 10 | {len(asked)} |")]

    monkeypatch.setattr(load, "LESSONS", {tmp_path / "a": [*BARE, *GS4], tmp_path / "b": GS7})
    monkeypatch.setattr(load, "rows", rows)
    head = "\n".join(load.HEAD)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(
            f"Before.\n<!-- bench: begin -->\n{head}\n| daphne | gs4 | 10 | 0 |\n| daphne | gs4 | 100 | 0 |\n"
            "<!-- bench: end -->\nAfter.\n"
        )
    load.main([])
    assert capsys.readouterr().out == f"{head}\n| daphne | gs4 | 10 | 1 |\n| daphne | gs7 | 10 | 1 |\n"
    assert "| 1 |" not in (tmp_path / "a/README.md").read_text()
    load.main(["10", "1000", "--place", "4 w", "--place", "memory", "--write"])
    assert asked == [
        ((10, 100), [place.name for place in PLACES]),
        ([10, 1000], ["daphne, in memory", "4 workers, Redis"]),
    ]
    # What was not measured now stays as it was.
    for name, lines in (
        ("a", "| daphne | gs4 | 10 | 2 |\n| daphne | gs4 | 100 | 0 |"),
        ("b", "| daphne | gs4 | 10 | 0 |\n| daphne | gs4 | 100 | 0 |\n| daphne | gs7 | 10 | 2 |"),
    ):
        assert (tmp_path / name / "README.md").read_text() == (
            f"Before.\n<!-- bench: begin -->\n{head}\n{lines}\n<!-- bench: end -->\nAfter.\n"
        )


def test_an_unknown_place_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        load.main(["--place", "gunicorn"])
    assert end.value.code == 2
    assert "the servers are daphne, in memory; daphne, Redis; uvicorn, Redis" in capsys.readouterr().err


def test_both_lessons_have_a_place_for_their_table():
    assert [folder.name for folder in load.LESSONS] == ["gs4_channel_layers", "gs7_generic_consumers"]
    for folder in load.LESSONS:
        assert "\n".join(load.HEAD) in Path(folder, "README.md").read_text(encoding="utf-8")


def test_each_member_needs_a_socket(monkeypatch):
    resource = pytest.importorskip("resource", reason="Windows has no limit of open files")
    limits = {"now": (256, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda which, to: limits.update(now=to))
    load.allow_sockets(10)
    assert limits["now"] == (256, 4096)
    load.allow_sockets(1000)
    assert limits["now"] == (2200, 4096)
    limits["now"] = (256, resource.RLIM_INFINITY)
    load.allow_sockets(1000)
    assert limits["now"] == (2200, resource.RLIM_INFINITY)
    limits["now"] = (256, 1024)
    with pytest.raises(SystemExit) as raised:
        load.allow_sockets(1000)
    assert str(raised.value) == (
        "1,000 members need 2,200 open files, and here a process may have 1,024. "
        "Raise the limit (`ulimit -Hn`), or ask for fewer members."
    )


@pytest.mark.parametrize("word", ["ten", "7"])
def test_another_number_of_members_gets_a_sentence(capsys, word):
    with pytest.raises(SystemExit) as raised:
        load.main(["10", word])
    assert raised.value.code == 2
    assert f"a room has 10, 100 or 1000 members, not {word}\n" in capsys.readouterr().err
