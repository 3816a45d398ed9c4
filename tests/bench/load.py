"""Messages a second through one room: each chat beside a bare consumer. `python -m tests.bench.load`.

So many messages are under way at once that the server is never idle, and far fewer than a channel's capacity, so that
nothing needs to be lost. A chat and the bare consumers are measured in turn, round by round, each on a server that was
just started: what is left of the one before, or what else the machine does, favours none.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
from typing import NamedTuple

from tests.bench.contestants import ALL, BARE, GS4, GS4_FOLDER, GS7, GS7_FOLDER, PLACES, serve
from tests.bench.room import Measured, NotMeasured, Room
from tests.support.redis import Redis, find_redis
from workbook.lessons import filled, filled_with


class Effort(NamedTuple):
    """How a room is measured: how often, for how many seconds, with how many messages under way."""

    rounds: int
    seconds: float
    under_way: int


# With a thousand it is one HEARTBEAT: in less time it would be chance how many of the hearts beat.
EFFORTS = {10: Effort(4, 2, 20), 100: Effort(4, 3, 20), 1000: Effort(3, 12, 5)}
UNASKED = (10, 100)

HEAD = [
    "| Server | Consumer | Members | Messages delivered a second | Of bare | p50 ms | p99 ms | Joining s | Lost |",
    "|---|---|--:|--:|--:|--:|--:|--:|--:|",
]
LESSONS = {GS4_FOLDER: [*BARE, *GS4], GS7_FOLDER: GS7}  # whose rows stand in which


def measure(contestant, place, members, redis_url, folder):
    """Return what is Measured, or the NotMeasured that says why there is nothing."""
    effort = EFFORTS[members]
    try:
        with serve(contestant, place, redis_url, folder, members) as how:
            return asyncio.run(Room(size=members, **how).measure(effort.seconds, effort.under_way))
    except NotMeasured as reason:
        return reason
    except (AssertionError, OSError) as error:
        # The server did not start, or did not end. What it printed is too long for a table.
        return NotMeasured(str(error).partition("\n")[0])


def measure_in_turn(contestants, place, members, redis, folder):
    """Return {name: what was measured of it in each round}: each Measured or NotMeasured."""
    rounds = {contestant.name: [] for contestant in contestants}
    for _ in range(EFFORTS[members].rounds):
        for number, contestant in enumerate(contestants):
            # Each in a database of its own: a group's name in one chat is a group's name in another.
            measured = measure(contestant, place, members, f"{redis.url}/{number}", folder)
            rounds[contestant.name].append(measured)
    return rounds


def row(place, contestant, members, rounds):
    """Return the line of the table for a contestant; `rounds` is what measure_in_turn returns."""
    begin = f"| {place.name} | {contestant.name} | {members:,} |"
    measured, bare = (figures(rounds.get(name, [])) for name in (contestant.name, contestant.against))
    if not measured:
        return f"{begin} none: {rounds[contestant.name][-1]} | | | | | |"
    rate, p50, p99, _, joining = map(statistics.median, zip(*measured, strict=True))
    share = f"{rate / statistics.median(each.rate for each in bare):.2f}" if bare else ""
    # What was lost in one round is not made good by another.
    lost = max(each.lost for each in measured)
    return f"{begin} {rate:,.0f} | {share} | {p50 * 1000:,.1f} | {p99 * 1000:,.1f} | {joining:.1f} | {lost:,} |"


def figures(measures):
    """Return those that are Measured."""
    return [each for each in measures if isinstance(each, Measured)]


def rows(sizes, contestants=(*BARE, *GS4, *GS7), places=PLACES):
    """Measure, and yield (contestant, line of the table) each time one is known."""
    with Redis(find_redis()) as redis, tempfile.TemporaryDirectory() as folder:
        for place in places:
            for members in (size for size in place.sizes if size in sizes):
                rounds = measure_in_turn(contestants, place, members, redis, folder)
                for contestant in contestants:
                    yield contestant, row(place, contestant, members, rounds)


def write(lines):
    """Write these lines into the tables of both lessons, in the place of those that tell of the same.

    Raises Refusal if a lesson has no place for its table.
    """
    for folder, contestants in LESSONS.items():
        lesson = folder / "README.md"
        news = {about(line): line for contestant, line in lines if contestant in contestants}
        table = {about(line): line for line in filled_with(lesson, "bench").splitlines()[len(HEAD) :]} | news
        lesson.write_text(filled(lesson, "bench", "\n".join([*HEAD, *table.values()])), encoding="utf-8", newline="\n")


def about(line):
    """Return what a line of the table is about: server, consumer and number of members."""
    return tuple(line.split("|")[1:4])


def allow_sockets(members):
    """Let this process, and all that it starts, have a socket for each member. Raises SystemExit if it may not."""
    needed = 2 * members + 200
    with contextlib.suppress(ImportError):  # Windows has neither the module nor the limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SystemExit(
                f"{members:,} members need {needed:,} open files, and here a process may have {hard:,}. "
                "Raise the limit (`ulimit -Hn`), or ask for fewer members."
            )
        if soft != resource.RLIM_INFINITY and soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def size(word):
    """Return the number of members that a word of the command line asks for. Raises argparse.ArgumentTypeError."""
    if word not in map(str, ALL):
        *sizes, largest = ALL
        raise argparse.ArgumentTypeError(f"a room has {', '.join(map(str, sizes))} or {largest} members, not {word}")
    return int(word)


def main(words=None):
    """Measure what the words of the command line ask for, and print the table while it grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description="messages a second through a room")
    parser.add_argument("members", nargs="*", type=size, help="how many members the room has")
    parser.add_argument(
        "--place", action="append", metavar="TEXT", help="only servers with this, or another, in the name"
    )
    parser.add_argument("--write", action="store_true", help="write the lines into the tables of gs4 and gs7, too")
    asked = parser.parse_args(words)
    sizes = asked.members or UNASKED
    places = [place for place in PLACES if any(text in place.name for text in asked.place or [""])]
    if not places:
        parser.error(f"the servers are {'; '.join(place.name for place in PLACES)}")
    allow_sockets(max(sizes))
    print(*HEAD, sep="\n", flush=True)
    lines = []
    for contestant, line in rows(sizes, places=places):
        print(line, flush=True)
        lines.append((contestant, line))
    if asked.write:
        write(lines)


if __name__ == "__main__":
    main()
