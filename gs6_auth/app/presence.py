"""Who may be in a room, and who is: a channel layer cannot list its groups, so the database keeps the list."""

import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from .chat import NO_MEMBER, NOT_LOGGED_IN, can_be_kept
from .models import Presence, Room

BEATS_MISSED = 3


def refusal(room_name, user, session):
    """Return the close code for somebody who may not be in this room (any more), or None."""
    # What the handshake has found out may be hours old.
    if user.is_authenticated and not is_still_valid(user, session):
        return NOT_LOGGED_IN
    room = Room.objects.filter(name=room_name, private=True).first() if can_be_kept(room_name) else None
    if room is None:
        return None
    if not user.is_authenticated:
        return NOT_LOGGED_IN
    return None if room.members.filter(pk=user.pk).exists() else NO_MEMBER


def is_still_valid(user, session):
    # A log-out deletes the session, and may have come during the handshake. Who has a ticket needs no session.
    if session and not session.exists(session.session_key):
        return False
    # A new password ends the sessions of the old one, too.
    return get_user_model().objects.filter(pk=user.pk, is_active=True, password=user.password).exists()


def enter(group, user, channel_name):
    """Note that this connection is alive; return whether it is new, and the only one of its user in the room."""
    if not user.is_authenticated:
        return False
    # With each heartbeat this is all that there is to do.
    if Presence.objects.filter(channel=channel_name).update(seen=timezone.now()):
        return False
    with transaction.atomic():
        lock(user.pk)
        is_first = not Presence.objects.filter(group=group, user_id=user.pk).exists()
        Presence.objects.create(channel=channel_name, group=group, user_id=user.pk)
    return is_first


def leave(group, user, channel_name):
    """Forget this connection; return whether it was the last one of its user in the room."""
    return user.is_authenticated and remove(group, user.pk, channel=channel_name)


def remove_lost(group):
    """Forget the connections of servers that are gone; return the names of the users who are gone with them."""
    limit = timezone.now() - timedelta(seconds=BEATS_MISSED * settings.HEARTBEAT)
    lost = Presence.objects.filter(group=group, seen__lt=limit).values_list("user_id", "user__username").distinct()
    return [name for user_id, name in lost if remove(group, user_id, seen__lt=limit)]


@transaction.atomic
def remove(group, user_id, **which):
    lock(user_id)
    connections = Presence.objects.filter(group=group, user_id=user_id)
    removed, _ = connections.filter(**which).delete()
    return removed > 0 and not connections.exists()


def lock(user_id):
    # One after another for each user: two tabs that come at once are not both the first.
    get_user_model().objects.select_for_update(no_key=True).filter(pk=user_id).first()


def who_is_here(group):
    """Return the names of the users in the room, sorted, and when they were read (Unix time, in seconds)."""
    at = time.time()
    names = Presence.objects.filter(group=group).values_list("user__username", flat=True).distinct()
    return {"names": sorted(names), "at": at}
