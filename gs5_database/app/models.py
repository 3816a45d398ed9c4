from urllib.parse import quote

from django.db import Error, models, transaction

from .chat import LONGEST_NAME, BadFrame, can_be_kept

LAST = 50  # messages that a new member is shown


class Room(models.Model):
    name = models.CharField(max_length=LONGEST_NAME, unique=True)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return f"/chat/{quote(self.name, safe='')}/"


class Message(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    sender = models.CharField(max_length=150)
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"{self.sender}: {self.text[:50]}"

    def as_frame(self):
        # The time as text: Redis could not carry a datetime.
        return {
            "event": "message",
            "id": self.id,
            "at": self.at.isoformat(),
            "from": self.sender,
            "msg": self.text,
        }


def store(room_name, sender, text):
    """Keep a message and return it; its room is made by its first one. Raise BadFrame when it cannot be kept."""
    if not can_be_kept(room_name, text):
        raise BadFrame("not_stored", f"NUL cannot be stored, nor a room's name of more than {LONGEST_NAME} characters.")
    try:
        with transaction.atomic():
            # Locks the room until the end: so ids become visible in their order, and "all after 7" leaves none out.
            room, _ = Room.objects.select_for_update().get_or_create(name=room_name)
            return room.messages.create(sender=sender, text=text)
    except Error:
        raise BadFrame("not_stored", "The database could not store this message, so nobody has got it.") from None


def history(room_name, after=None):
    """Return the query for all messages after the id `after`, or for the last ones; newest first."""
    if not can_be_kept(room_name):
        return Message.objects.none()
    newest_first = Message.objects.filter(room__name=room_name).order_by("-id")
    return newest_first[:LAST] if after is None else newest_first.filter(id__gt=after)
