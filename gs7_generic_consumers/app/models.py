from datetime import timedelta
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import Error, models, transaction
from django.utils import timezone

from .chat import LONGEST_NAME, Refused, can_be_kept

LAST = 50  # messages that a new member is shown
SECOND = timedelta(seconds=1)


class Room(models.Model):
    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    private = models.BooleanField(default=False, help_text="Only members may come in.")
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="rooms")

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return f"/chat/{quote(self.name, safe='')}/"


class Message(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    sender = models.CharField(max_length=150)
    # Who may read a private message is decided by the user, not by the name, which can be somebody else's one day.
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    # Deleted with the user: without a recipient a message would be for everybody.
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=["author", "at"], name="said_lately"),)

    def __str__(self):
        return f"{self.sender}: {self.text[:50]}"

    def as_frame(self):
        # The time as text: Redis could not carry a datetime.
        frame = {
            "event": "message",
            "id": self.id,
            "at": self.at.isoformat(),
            "from": self.sender,
            "msg": self.text,
        }
        if self.recipient:
            frame |= {"to": self.recipient.get_username(), "private": True, "group": self.room.name}
        return frame

    @property
    def readers(self):
        """The users who alone may read this message; none when everybody may."""
        return {self.author, self.recipient} if self.recipient else set()


class Presence(models.Model):
    """A connection of a user to a room. The room is named by its layer group: it need not be in the database."""

    group = models.CharField(max_length=100, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    channel = models.CharField(max_length=100, unique=True)
    seen = models.DateTimeField(auto_now=True)


class Ticket(models.Model):
    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    at = models.DateTimeField(auto_now_add=True, db_index=True)


class Notice(models.Model):
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    waiting = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="notices")

    def __str__(self):
        return self.text[:50]

    def as_frame(self):
        return {"event": "notice", "msg": self.text, "at": self.at.isoformat()}


def store(room_name, author, text, to=None):
    """Keep a message, for the user named `to` alone if there is one; its room is made by its first one.

    Raises Refused when it cannot be kept.
    """
    if not can_be_kept(room_name, text):
        raise Refused("not_stored")
    try:
        with transaction.atomic():
            # One after another for each author, and counted in the database: there all tabs and all servers meet.
            get_user_model().objects.select_for_update(no_key=True).filter(pk=author.pk).first()
            lately = Message.objects.filter(author=author, at__gt=timezone.now() - SECOND)
            if lately.count() >= settings.MESSAGES_PER_SECOND:
                raise Refused("slow_down")
            # Locks the room until the end: so ids become visible in their order, and "all after 7" leaves none out.
            room, _ = Room.objects.select_for_update().get_or_create(name=room_name)
            recipient = None if to is None else get_user_model().objects.get(username=to, is_active=True)
            return room.messages.create(sender=author.get_username(), author=author, recipient=recipient, text=text)
    except get_user_model().DoesNotExist:
        raise Refused("no_such_user") from None
    except Error:
        raise Refused("not_stored") from None


def history(room_name, reader, after=None):
    """Return the query for what `reader` may read, after the id `after` or the last messages; newest first."""
    if not can_be_kept(room_name):
        return Message.objects.none()
    visible = Message.objects.filter(models.Q(recipient=None) | between(reader), room__name=room_name)
    newest_first = visible.select_related("room", "recipient").order_by("-id")
    return newest_first[:LAST] if after is None else newest_first.filter(id__gt=after)


def between(reader):
    if not reader.is_authenticated:
        return models.Q()
    return models.Q(recipient=reader) | models.Q(author=reader)


def take_notices(user):
    """Return what waits for this user, oldest first; of two tabs that ask at the same time one gets each notice."""
    return [notice for notice in user.notices.order_by("id") if take_notice(notice.id, user)]


def take_notice(notice_id, user):
    """Cross `user` off those for whom a notice waits; return whether it did."""
    deleted, _ = Notice.waiting.through.objects.filter(notice=notice_id, user=user.pk).delete()
    return deleted > 0


def visible_rooms(user):
    """Return the query for the rooms that this user may come into."""
    own = user.rooms.all() if user.is_authenticated else Room.objects.none()
    return Room.objects.filter(models.Q(private=False) | models.Q(pk__in=own))
