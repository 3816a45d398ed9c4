"""Who is measured, and where."""

import asyncio
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.server import DEPLOYED, PATIENT_DAPHNE, ROOT, Server, SqliteDatabase
from tests.support.visitor import visitor_of


class Contestant(NamedTuple):
    """What is measured: its name in the table, where it is, and the name of the bare consumer it is compared with."""

    name: str
    folder: Path
    application: str
    path: str
    against: str | None = None
    environment: dict = {}  # noqa: RUF012  (nobody changes it)


BARE = [
    Contestant("bare, async", ROOT, "tests.bench.bare:application", "/ac/"),
    Contestant("bare, sync", ROOT, "tests.bench.bare:application", "/sc/"),
]
GS4_FOLDER = ROOT / "gs4_channel_layers"
GS4 = [
    Contestant("gs4, async", GS4_FOLDER, "tests.bench.gs4:application", "/ws/ac/bench/", "bare, async"),
    Contestant("gs4, sync", GS4_FOLDER, "tests.bench.gs4:application", "/ws/sc/bench/", "bare, sync"),
]
GS7_FOLDER = ROOT / "gs7_generic_consumers"
GS7 = [
    Contestant(f"gs7, {name}", GS7_FOLDER, "tests.bench.gs7:application", path, against, environment)
    for name, path, against, environment in (
        ("async, unstored", "/ws/ajwc/bench/", "bare, async", {"UNSTORED": "1"}),
        ("sync, unstored", "/ws/jwc/bench/", "bare, sync", {"UNSTORED": "1"}),
        ("async", "/ws/ajwc/bench/", "bare, async", {}),
    )
]


class Place(NamedTuple):
    """Where it is measured: its name in the table, the kind of server, and with how many members."""

    name: str
    kind: str
    processes: int
    over_redis: bool
    sizes: tuple


ALL = (10, 100, 1000)
# What several processes change is seen with a hundred.
PLACES = [
    Place("daphne, in memory", "daphne", 1, False, ALL),
    Place("daphne, Redis", "daphne", 1, True, ALL),
    Place("uvicorn, Redis", "uvicorn", 1, True, (100,)),
    Place("2 workers, Redis", "uvicorn", 2, True, (100,)),
    Place("4 workers, Redis", "uvicorn", 4, True, (100,)),
]
# So many who are told of each other are half a million frames, which take minutes before there is anything to measure.
CROWD = 1000
OPTIONS = {"daphne": PATIENT_DAPHNE, "uvicorn": ""}


@contextmanager
def serve(contestant, place, redis_url, folder, members=0):
    """Serve a contestant, with its database in `folder`, to so many members; yield what a Room has to know of it."""
    # With DEBUG Django would keep a record of each query.
    environment = {"PYTHONPATH": str(ROOT), **DEPLOYED, **contestant.environment}
    if members >= CROWD:
        environment["QUIET"] = "1"
    if place.over_redis:
        environment["REDIS_URL"] = redis_url
    workers = f"--workers {place.processes}" if place.processes > 1 else ""
    application = f"{OPTIONS[place.kind]} {workers} {contestant.application}"
    has_users = contestant in GS7
    database = SqliteDatabase(contestant.folder, Path(tempfile.mkdtemp(dir=folder))) if has_users else None
    server = Server(contestant.folder, place.kind, application, database=database, **environment)
    try:
        server.wait()
        visitor = visitor_of(server)
        if has_users:
            asyncio.run(visitor.sign_up())
        yield {"url": server.url(contestant.path), "origin": visitor.origin, "cookie": visitor.cookie}
    finally:
        # Not Ctrl-C for one process: a sync handler under way would then wait for an event loop that has stopped.
        (server.stop if place.processes > 1 else server.kill)()
