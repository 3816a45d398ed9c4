"""What a visit reads and stores. Each function returns the actions that follow from what it found in the database."""

from django import db

from . import chat, models, presence
from .chat import Answer, Close, error


def refuse(visit):
    """Return the actions for a visit that may not be, or may be no longer; none for one that may."""
    if visit.subprotocol not in (None, chat.SUBPROTOCOL):
        return [error("unknown_subprotocol"), Close(chat.UNKNOWN_SUBPROTOCOL)]
    code = presence.refusal(visit.room, visit.user, visit.session)
    return [Close(code)] if code else []


def enter(visit):
    """Return what a new member is shown, and what the others are told of it. It has joined its groups before."""
    notices = models.take_notices(visit.user) if visit.name else []
    visit.notices = {notice.id for notice in notices}
    return [
        *chat.entered(visit, look_back(visit)),
        *be_present(visit),
        *(Answer(notice.as_frame()) for notice in notices),
    ]


def look_back(visit):
    """Return the history as frames, oldest first, and note that they are shown."""
    messages = [message.as_frame() for message in models.history(visit.room, visit.user, visit.after)]
    visit.shown = {message["id"] for message in messages}
    return messages[::-1]


def be_present(visit):
    """Note that this visit is there, and who is there no more."""
    try:
        has_come = presence.enter(visit.group, visit.user, visit.channel)
        lost = presence.remove_lost(visit.group)
        users = presence.who_is_here(visit.group)
    except db.Error:
        # The next heartbeat makes up for it.
        return []
    return chat.present(visit, has_come, lost, users)


def speak(visit, message):
    """Store a message; only then it may be told."""
    try:
        stored = models.store(visit.room, visit.user, message.msg, message.to)
    except chat.Refused as refused:
        return [error(refused.code)]
    return chat.said(visit, stored.as_frame(), stored.readers)


def be_notified(visit, event):
    """Pass a notice on, and cross the user off the list of those for whom it waits."""
    if event["id"] in visit.notices:
        return []
    if visit.name:
        models.take_notice(event["id"], visit.user)
    return [Answer(event["frame"])]


def stay(visit):
    """Do what is due with each heartbeat."""
    try:
        refusal = refuse(visit)
    except db.Error:
        # Without a database nobody knows better: the next heartbeat comes.
        return []
    return refusal or be_present(visit)


def leave(visit):
    """Note the end of a visit."""
    if not presence.leave(visit.group, visit.user, visit.channel):
        return []
    return chat.left(visit, presence.who_is_here(visit.group))
