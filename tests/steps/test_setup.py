"""The project around the consumers: settings, asgi.py, routing."""

import asyncio
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from autobahn.exception import Disconnected
from django.core.exceptions import ImproperlyConfigured

from tests.support.client import ProcessClient, Refused
from tests.support.commands import in_short, manage
from tests.support.project import run_settings
from tests.support.shape import shape_of
from tests.support.waiting import wait_until
from tests.tasks import EVERY_STEP, KEPT, check


def every_step(gs1):
    """Return the steps' task numbers for a promise of every step: gs1 teaches it, the others keep it."""
    return {step: gs1 if step == "gs1" else KEPT for step in EVERY_STEP}


# What answers a text.
TALKING = (
    {"gs2": {"/ws/sc/": KEPT, "/ws/sc/count/": KEPT}}
    | {"gs3": {"/ws/sc/": KEPT, "/ws/sc/count/": KEPT, "/ws/ac/": KEPT, "/ws/ac/count/": KEPT}}
    | {step: {"/ws/sc/": KEPT, "/ws/ac/": KEPT} for step in ("gs4", "gs5")}
    | {"gs6": {"/ws/ac/lobby/": KEPT}, "gs7": {"/ws/wsc/lobby/": KEPT, "/ws/ajwc/lobby/": KEPT}}
)
KINDS = {
    "sc": ("SyncConsumer", "WebsocketConsumer", "JsonWebsocketConsumer"),
    "ac": ("AsyncConsumer", "AsyncWebsocketConsumer", "AsyncJsonWebsocketConsumer"),
    "wsc": ("WebsocketConsumer",),
    "awsc": ("AsyncWebsocketConsumer",),
    "jwc": ("JsonWebsocketConsumer",),
    "ajwc": ("AsyncJsonWebsocketConsumer",),
}
UNROUTED = {step: {"/ws/nowhere/": task} for step, task in every_step(2).items()}


@check(**every_step(1))
def test_daphne_comes_first(settings):
    """ "daphne" is the first of INSTALLED_APPS, so that its runserver wins."""
    assert settings.INSTALLED_APPS[0] == "daphne", f"the first of them is {settings.INSTALLED_APPS[0]!r}"


@check(**every_step(1))
def test_asgi_application_is_named(case, settings, application):
    """ASGI_APPLICATION names the application in asgi.py."""
    named = getattr(settings, "ASGI_APPLICATION", None)
    module, _, name = str(named).rpartition(".")
    # Under another name it may be the same object.
    is_there = module == f"{case.step}.asgi" and getattr(import_module(module), name, None) is application
    assert is_there, f"the setting ASGI_APPLICATION is {named!r}"


@check(**every_step(2))
async def test_http_is_still_answered(application):
    """A plain HTTP request still reaches Django."""
    requests = asyncio.Queue()
    requests.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def send(event):
        sent.append(event)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    await application(scope, requests.get, send)
    assert sent[0]["status"] == 200


@check(**every_step(2))
@pytest.mark.unhurried
def test_asgi_loads_the_apps_first(asgi_import):
    """asgi.py calls get_asgi_application() before it imports anything that may lead to a model."""
    output, errors = asgi_import.communicate(timeout=20)
    assert asgi_import.returncode == 0, f"asgi.py could not be imported: {in_short(errors.strip())}"
    assert json.loads(output) == [], "imported before get_asgi_application()"


@check("process", **UNROUTED)
async def test_an_unrouted_path_is_not_found(new_client):
    """A WebSocket path without a route is refused in Channels' own words."""
    client = new_client()
    await client.start()
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (its words are looked at below)
        await client.ended()
    assert str(refused.value) == "No route found for path 'ws/nowhere/'.", f"what came was ValueError: {refused.value}"


@check("process", gs1={"/ws/sc/": 3})
async def test_the_route_leads_to_a_consumer(new_client, timeline):
    """ws/sc/ leads to a consumer, which gets the event websocket.connect and goes on."""
    client = new_client()
    await client.start()
    await wait_until(lambda: timeline.texts("consumer"), "anybody to be there on ws/sc/")
    if client.communicator.future.done():
        await client.ended()
    # What leads to no consumer ends without having asked for an event.
    assert timeline.texts("consumer")[0].startswith("← {'type': 'websocket.connect'"), timeline.texts("consumer")
    assert not client.communicator.future.done(), "the consumer has ended before its client left"


@check(
    gs3={"/ws/sc/": KEPT, "/ws/ac/": 1},
    gs4={"/ws/sc/": 1, "/ws/ac/": 1},
    gs5={"/ws/sc/": KEPT, "/ws/ac/": KEPT},
    gs6={"/ws/ac/": KEPT},
    gs7={"/ws/wsc/": 1, "/ws/awsc/": 2, "/ws/jwc/": 3, "/ws/ajwc/": 3},
)
def test_the_route_leads_to_its_kind_of_consumer(case, project, application):
    """Each route leads to the kind of consumer that the lesson names."""
    shape = shape_of(project, case.step)
    kind = case.route.split("/")[2]
    for route in shape["routes"]:
        # What stands in a wrapper, or in a router of its own, cannot be seen.
        family = shape["consumers"].get(route["consumer"], {}).get("family")
        if family and route["pattern"].lstrip("^").startswith(f"ws/{kind}/"):
            assert family in KINDS[kind], f"{route['pattern']} leads to {route['consumer']}, which is made of {family}"


@check("wire", **UNROUTED)
@pytest.mark.traceback("the learner is to meet the sentence that Channels prints")
async def test_an_unrouted_path_does_not_stop_the_server(server, new_client, timeline):
    """A WebSocket path without a route gets HTTP 500, and the server stays up."""
    with pytest.raises(Refused) as refused:
        await new_client().connect()
    assert refused.value.status == 500
    await server.printed("No route found for path 'ws/nowhere/'.", since=timeline.began)
    assert server.get("/")[0] == 200


@check("process", **TALKING)
@pytest.mark.parametrize("error", [OSError, Disconnected], ids=["ASGI", "daphne"])
async def test_a_client_that_has_just_gone_is_no_error(case, application, timeline, error):
    """A client that goes in the moment in which a frame is sent to it makes no consumer fail."""
    senders = set()

    async def with_nobody(scope, receive, send):
        async def send_to_nobody(event):
            if event["type"] == "websocket.send":
                senders.add(asyncio.current_task())
                raise error("the client has just gone")
            await send(event)

        await application(scope, receive, send_to_nobody)

    client = await ProcessClient(with_nobody, case.route, timeline).connect()
    await client.send("1")
    await wait_until(lambda: senders, "an answer to be sent")
    await client.leave()
    await client.ended()
    await asyncio.wait(senders)
    assert not [failed for task in senders if not task.cancelled() and (failed := task.exception())]


@pytest.fixture
def load_settings(case, monkeypatch):
    """A function that loads the settings file afresh, with the given environment variables only."""

    def load_settings(**variables):
        for name in ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "BEHIND_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return run_settings(case.step)

    return load_settings


@check(**every_step(KEPT))
def test_a_laptop_needs_no_environment(load_settings):
    """Without any environment variable the settings are right for a laptop."""
    settings = load_settings()
    assert settings["DEBUG"] is True
    assert settings["SECRET_KEY"]
    assert set(settings["ALLOWED_HOSTS"]) >= {"localhost", "127.0.0.1", "[::1]"}


@check(**every_step(KEPT))
@pytest.mark.parametrize("off", ["0", "false", "False", "no"])
def test_without_debug_a_secret_key_is_needed(load_settings, off):
    """With DEBUG=0 and no SECRET_KEY the project refuses to start, and says so."""
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        load_settings(DEBUG=off)


@check(**every_step(KEPT))
@pytest.mark.parametrize("on", ["1", "true", "True", "yes", "on"])
def test_debug_can_be_turned_on_in_words(load_settings, on):
    """DEBUG=1 and DEBUG=true are the same."""
    assert load_settings(DEBUG=on)["DEBUG"] is True


@check(**every_step(KEPT))
def test_the_environment_is_heard(load_settings):
    """SECRET_KEY, DEBUG and ALLOWED_HOSTS come from the environment."""
    settings = load_settings(DEBUG="0", SECRET_KEY="long and random", ALLOWED_HOSTS="chat.example.org,example.org")
    assert settings["DEBUG"] is False
    assert settings["SECRET_KEY"] == "long and random"
    assert settings["ALLOWED_HOSTS"] == ["chat.example.org", "example.org"]


@check(gs2=KEPT, gs3=KEPT)
def test_a_count_can_be_followed(load_settings):
    """COUNT_INTERVAL is a setting, one second: slow enough to watch."""
    assert load_settings()["COUNT_INTERVAL"] == 1.0


# What the lessons say that production needs.
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "made of fifty characters or more, drawn at random in truth",
    "ALLOWED_HOSTS": "chat.example.org",
}


@check(gs4=7, gs5=9, gs6=KEPT, gs7=KEPT)
def test_it_is_ready_for_production(project):
    """In the environment that the lesson names for production, `manage.py check --deploy` finds nothing to say."""
    result = manage(project, "check", "--deploy", "--fail-level=DEBUG", status=None, **PRODUCTION)
    said = re.findall(r"^\?: \((\S+)\)", result.stderr, re.MULTILINE)
    assert not said, f"it says {', '.join(said)}"
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


@check(gs5=9, gs6=KEPT, gs7=KEPT)
def test_cookies_go_over_https_only(load_settings):
    """Without DEBUG the admin's cookies go over HTTPS only; on a laptop, which has none, they go over HTTP."""
    production, laptop = load_settings(**PRODUCTION), load_settings()
    for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        assert production.get(name) is True, f"without DEBUG the setting {name} is {production.get(name)}"
        assert not laptop.get(name), f"with DEBUG the setting {name} is {laptop.get(name)}"


@check(gs6=8, gs7=KEPT)
def test_a_proxy_is_believed_only_where_there_is_one(load_settings):
    """With BEHIND_PROXY=1, or in words, X-Forwarded-Proto tells what came over HTTPS; without it nobody is believed."""
    for on in ("1", "true", "True", "yes", "on"):
        header = load_settings(BEHIND_PROXY=on).get("SECURE_PROXY_SSL_HEADER")
        assert header == ("HTTP_X_FORWARDED_PROTO", "https"), (
            f"with BEHIND_PROXY={on} the setting SECURE_PROXY_SSL_HEADER is {header}"
        )
    for off in ({}, {"BEHIND_PROXY": "0"}, {"BEHIND_PROXY": "false"}, {"BEHIND_PROXY": ""}):
        header = load_settings(**off).get("SECURE_PROXY_SSL_HEADER")
        assert not header, f"with {off or 'no BEHIND_PROXY'} the setting SECURE_PROXY_SSL_HEADER is {header}"


@check(gs5=1, gs6=KEPT, gs7=KEPT)
def test_without_database_url_it_is_sqlite(load_settings, project):
    """Without DATABASE_URL the data is in an SQLite file in the project's folder."""
    database = load_settings()["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.sqlite3"
    file = Path(database["NAME"])
    assert file.is_relative_to(project), f"the file {file} is not in the project's folder, {project}"


@check(gs5=1, gs6=KEPT, gs7=KEPT)
def test_database_url_is_heard(load_settings):
    """DATABASE_URL names another database, PostgreSQL for instance."""
    database = load_settings(DATABASE_URL="postgresql://ann:se%2Fcret@db.example.org:5433/chat")["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    parts = {name: str(database[name]) for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")}
    assert list(parts.values()) == ["ann", "se/cret", "db.example.org", "5433", "chat"]


@check(gs5=1, gs6=KEPT, gs7=KEPT)
@pytest.mark.parametrize("url", ["db.example.org:5432/chat", "postgresql://ann:secret@db:port/chat", "nonsense"])
def test_a_broken_database_url_gets_a_sentence(load_settings, url):
    """A DATABASE_URL that is none stops the project with a sentence that names it, and shows no password."""
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as refused:
        load_settings(DATABASE_URL=url)
    assert "secret" not in str(refused.value)
