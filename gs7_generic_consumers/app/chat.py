"""The chat's rules: what came in, and what is to go to whom. No input or output here, no clock and no database."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs

LOBBY = "lobby"
EVERYONE = "everyone"
LONGEST = 2000  # characters of a message
LONGEST_NAME = 300  # characters of a room's name
PAGE = 50  # messages in one frame: even the longest ones stay below daphne's limit of 1 MiB
TYPING_LASTS = 1.0  # seconds in which a second key tells nothing new
SUBPROTOCOL = "chat.v1"

# Codes for a close: applications have those from 4000 on for themselves, and these look like HTTP's.
NOT_LOGGED_IN = 4401
NO_MEMBER = 4403
UNKNOWN_SUBPROTOCOL = 4406

ERRORS = {
    "bad_json": "Send JSON in a text frame.",
    "no_msg": 'Send {"msg": "…"} with a text in it.',
    "too_long": f"A message has at most {LONGEST} characters.",
    "login_required": "Log in to write here. Until then you may listen.",
    "no_such_user": "There is no user of that name, so nobody has got this message.",
    "slow_down": "Too many messages in one second. Nobody has got this one.",
    "not_stored": "This message could not be stored, so nobody has got it.",
    "unknown_subprotocol": f"This server speaks {SUBPROTOCOL}. Offer that, or no subprotocol at all.",
}


class Refused(Exception):
    """A message that is not kept. `code` is one of ERRORS."""

    def __init__(self, code):
        self.code = code


# What is to be done. The rules return lists of these; each consumer does them in its own way.


@dataclass(frozen=True)
class Answer:
    """Send a frame to this client alone."""

    frame: dict


@dataclass(frozen=True)
class Tell:
    """Send a frame to all members of a group but the channel `but`, and the list `users` to all of them."""

    group: str
    frame: dict
    but: str | None = None
    users: dict | None = None

    @property
    def event(self):
        return {
            # Names the handler that each member runs. It is ours to choose, never the client's.
            "type": "room.frame",
            # Made into text here, once, and not by each member again.
            "text": encode(self.frame),
            "id": self.frame.get("id"),
            "sender": self.but,
            # One event for two frames: a crowd that comes at once fills the layer's channels soon enough.
            "users": self.users and {"text": encode(users_frame(self.users)), "at": self.users["at"]},
        }


@dataclass(frozen=True)
class Keep:
    """Store a message, for the user named `to` alone if there is one; then it may be told."""

    msg: str
    to: str | None


@dataclass(frozen=True)
class Close:
    """End this connection."""

    code: int


@dataclass
class Visit:
    """One connection: who is where, and what its client has been shown."""

    room: str
    user: object
    session: object
    channel: str
    after: int | None
    subprotocol: str | None = None
    shown: set = field(default_factory=set)
    notices: set = field(default_factory=set)
    users: str = ""
    users_at: float = 0.0
    typing_told_at: float | None = None

    @classmethod
    def of(cls, scope, channel):
        return cls(
            room=scope["url_route"]["kwargs"].get("group", LOBBY),
            user=scope["user"],
            session=scope["session"],
            channel=channel,
            after=read_id(parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])[0]),
            subprotocol=choose_subprotocol(scope["subprotocols"]),
        )

    @property
    def name(self):
        """The user's name, None for who is not logged in."""
        return self.user.get_username() or None

    @property
    def group(self):
        """The layer's group of the room."""
        return layer_group(self.room)

    @property
    def groups(self):
        return [self.group, user_group(self.user)] if self.name else [self.group]

    def news_in(self, event):
        """Return the texts in an event of the room that this client is to be sent."""
        # What was stored after this member joined the group and before it read the history comes both ways.
        is_new = event["sender"] != self.channel and event["id"] not in self.shown
        texts = [event["text"]] if is_new else []
        if event["users"] and self.are_news(**event["users"]):
            texts.append(event["users"]["text"])
        return texts

    def are_news(self, text, at):
        """Return whether the client has another list of users than this one, which was read at `at`; it is noted."""
        # Lists overtake each other: one that was read before ours is out of date.
        if at <= self.users_at:
            return False
        are_others = text != self.users
        self.users, self.users_at = text, at
        return are_others


# What came in, and what is to go to whom.


def received(visit, content, now):
    """Return what a client's frame leads to: `content` is as `decode` returns it, `now` in seconds."""
    typing = isinstance(content, dict) and content.get("typing") is True and "msg" not in content
    fault = None if typing else fault_in(content)
    if fault or not visit.name:
        return [error(fault or "login_required")]
    if typing:
        return typed(visit, now)
    visit.typing_told_at = None
    return [Keep(content["msg"], content.get("to"))]


def fault_in(content):
    """Return the code of what is wrong with a message, None if it is right."""
    msg = content.get("msg") if isinstance(content, dict) else None
    to = content.get("to", "") if isinstance(content, dict) else None
    if content is None:
        return "bad_json"
    # Half a character, as in "\ud800", passes for JSON, but Redis cannot carry it.
    if not isinstance(msg, str) or not msg.strip() or HALF_A_CHARACTER.search(msg):
        return "no_msg"
    if len(msg) > LONGEST:
        return "too_long"
    # Whatever stands there: what was not meant for all must never go to all.
    if not isinstance(to, str) or not to.isprintable():
        return "no_such_user"
    return None


HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def typed(visit, now):
    if visit.typing_told_at is not None and now - visit.typing_told_at < TYPING_LASTS:
        return []
    visit.typing_told_at = now
    return [Tell(visit.group, {"event": "typing", "from": visit.name}, but=visit.channel)]


def said(visit, frame, readers):
    """Return who is to be told a stored message: the room, or the users `readers` alone."""
    return [Tell(group, frame) for group in map(user_group, readers)] or [Tell(visit.group, frame)]


def entered(visit, messages):
    """Return what a new member is shown: the welcome, and the history."""
    welcome = {"event": "welcome", "group": visit.room, "from": visit.name}
    return [Answer(frame) for frame in (welcome, *history_frames(messages))]


def present(visit, has_come, lost, users):
    """Return what a look at who is here leads to.

    `has_come`: this user was not here before; `lost`: the names of those who have gone without a word; `users`: who is
    here now, as presence.who_is_here() returns it.
    """
    told = [Tell(visit.group, {"event": "join", "from": visit.name}, visit.channel, users)] if has_come else []
    told += [Tell(visit.group, {"event": "leave", "from": name}, users=users) for name in lost]
    frame = users_frame(users)
    return [*told, *([Answer(frame)] if visit.are_news(encode(frame), users["at"]) else [])]


def left(visit, users):
    """Return what the others are told when a user's last tab has gone, and these users are left."""
    return [Tell(visit.group, {"event": "leave", "from": visit.name}, users=users)]


def error(code):
    return Answer({"event": "error", "code": code, "detail": ERRORS[code]})


def choose_subprotocol(offered):
    """Return what a handshake is accepted with: our own, None where none is offered, else the first offer."""
    # A browser drops the connection when none of its offers was chosen, without a word. So an unknown one is taken, for
    # as long as it takes to say that it is unknown.
    return SUBPROTOCOL if SUBPROTOCOL in offered else next(iter(offered), None)


# Names and frames.


def layer_group(room):
    # A layer takes fewer than 100 characters, and of those only ASCII letters, digits, "-", "_" and ".".
    return f"room.{hashlib.sha256(room.encode()).hexdigest()}"


def user_group(user):
    return f"user.{user.pk}"


def can_be_kept(room, msg=""):
    # What one database refuses none is asked to keep: SQLite heeds no length, PostgreSQL takes no NUL.
    return len(room) <= LONGEST_NAME and "\0" not in room + msg


def decode(text):
    """Return what is in a client's text frame, or None: for what is no JSON, and for bytes, which have no text."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def encode(frame):
    return json.dumps(frame, ensure_ascii=False)


def read_id(text):
    """Return the message's id that stands in `text`, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def history_frames(messages):
    """Return the frames that show these messages; at least one, which may be empty."""
    pages = [messages[start : start + PAGE] for start in range(0, len(messages), PAGE)]
    return [{"event": "history", "messages": page} for page in pages or [[]]]


def users_frame(users):
    return {"event": "users", "users": users["names"]}
