"""What the sync and the async consumer have in common: names and frames, without any input or output."""

import hashlib
import json
from urllib.parse import parse_qs

LOBBY = "lobby"
EVERYONE = "everyone"
LONGEST = 2000  # characters of a message
LONGEST_NAME = 300  # characters of a room's name
PAGE = 50  # messages in one frame: even the longest ones stay below daphne's limit of 1 MiB


class BadFrame(Exception):
    """A frame from a client that says nothing we understand. `code` is for programs, `detail` for people."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code
        self.detail = detail


def layer_group(room):
    # A layer takes fewer than 100 characters, and of those only ASCII letters, digits, "-", "_" and ".".
    return f"room.{hashlib.sha256(room.encode()).hexdigest()}"


def short_name(channel_name):
    return channel_name[-6:]


def read_message(text):
    """Return the message in a client's text frame (None for a binary one), or raise BadFrame."""
    try:
        frame = json.loads(text)
        msg = frame.get("msg") if isinstance(frame, dict) else None
        # Half a character, as in "\ud800", passes for JSON, but Redis cannot carry it.
        str(msg).encode()
    except (TypeError, ValueError, RecursionError):
        raise BadFrame("bad_json", "Send JSON in a text frame.") from None
    if not isinstance(msg, str) or not msg.strip():
        raise BadFrame("no_msg", 'Send {"msg": "…"} with a text in it.')
    if len(msg) > LONGEST:
        raise BadFrame("too_long", f"A message has at most {LONGEST} characters, this one has {len(msg)}.")
    return msg


def can_be_kept(room, msg=""):
    # What one database refuses none is asked to keep: SQLite heeds no length, PostgreSQL takes no NUL.
    return len(room) <= LONGEST_NAME and "\0" not in room + msg


def read_after(scope):
    """Return the id in `?after=<id>` of the connection's URL, or None."""
    after = parse_qs(scope["query_string"].decode("latin-1")).get("after", [""])[0]
    return int(after) if after.isascii() and after.isdigit() and len(after) < 19 else None


def history_frames(newest_first):
    """Return the frames that show these messages, oldest first; at least one, which may be empty."""
    messages = newest_first[::-1]
    pages = [messages[start : start + PAGE] for start in range(0, len(messages), PAGE)]
    return [{"event": "history", "messages": page} for page in pages or [[]]]
