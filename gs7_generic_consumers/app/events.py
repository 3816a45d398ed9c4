"""A room's messages over plain HTTP, as server-sent events: the same rules as for a socket, in one direction."""

import asyncio
import json
import time
from contextlib import suppress

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django import db
from django.conf import settings
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET
from redis.exceptions import RedisError

from . import visits
from .chat import LOBBY, NO_MEMBER, NOT_LOGGED_IN, Close, Visit, can_be_kept, encode, read_id

REFUSALS = {
    NOT_LOGGED_IN: (401, "This room is private. Log in first.\n"),
    NO_MEMBER: (403, "This room is private, and you are no member.\n"),
}


@require_GET
async def events(request):
    room = request.GET.get("room", LOBBY)
    if not can_be_kept(room):
        raise Http404("No room can have this name.")
    layer = get_channel_layer()
    # A browser that comes back says which message was its last.
    after = request.headers.get("Last-Event-ID", request.GET.get("after", ""))
    visit = Visit(room, await request.auser(), request.session, await layer.new_channel(), after=read_id(after))
    match await database_sync_to_async(visits.refuse)(visit):
        case [Close(code)]:
            status, words = REFUSALS[code]
            return HttpResponse(words, status=status, content_type="text/plain")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(stream(visit, layer), content_type="text/event-stream", headers=headers)


async def stream(visit, layer):
    """Yield lines for as long as the client is there: when it goes, Django cancels what is awaited here."""
    receiving = None
    try:
        await join_groups(visit, layer)
        messages = await database_sync_to_async(visits.look_back)(visit)
        # Whoever reads this line misses nothing from then on.
        yield f": you are in {encode(visit.room)}\n\n"
        for frame in messages:
            yield line(frame)
        next_beat = time.monotonic() + settings.HEARTBEAT
        while True:
            # Waited for, and not given up at a heartbeat: that could lose an event.
            receiving = receiving or asyncio.create_task(layer.receive(visit.channel))
            await asyncio.wait([receiving], timeout=next_beat - time.monotonic())
            if time.monotonic() >= next_beat:
                next_beat += settings.HEARTBEAT
                await join_groups(visit, layer)
                if await database_sync_to_async(visits.refuse)(visit):
                    return
                yield ": still here\n\n"
            if receiving.done():
                event, receiving = receiving.result(), None
                if event["type"] == "user.logout":
                    return
                for frame in messages_in(event, visit):
                    yield line(frame)
    except (RedisError, db.Error):
        # The client comes back by itself, and says what it has got.
        return
    finally:
        if receiving:
            receiving.cancel()
        with suppress(RedisError):
            for group in visit.groups:
                await layer.group_discard(group, visit.channel)


def messages_in(event, visit):
    """Yield the messages of an event that belong here: private ones are told to a user wherever that user is."""
    if event["type"] == "room.frame" and event["id"]:
        for frame in map(json.loads, visit.news_in(event)):
            if frame.get("group", visit.room) == visit.room:
                yield frame


async def join_groups(visit, layer):
    for group in visit.groups:
        await layer.group_add(group, visit.channel)


def line(frame):
    return f"id: {frame['id']}\ndata: {encode(frame)}\n\n"
