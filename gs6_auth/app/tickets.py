"""Tickets: each lets a client in once, within a minute, as the user who has asked for it."""

import secrets
from datetime import timedelta
from hashlib import sha256

from django.utils import timezone

from .models import Ticket

LIFETIME = 60  # seconds


def new_ticket(user):
    """Return the text of a new ticket. The database keeps its hash only: who reads it there cannot use it."""
    Ticket.objects.filter(at__lte=oldest()).delete()
    text = secrets.token_urlsafe(32)
    Ticket.objects.create(digest=digest(text), user=user)
    return text


def redeem(text):
    """Return the user whose ticket this is, or None; the ticket is used up."""
    ticket = Ticket.objects.select_related("user").filter(digest=digest(text), at__gt=oldest()).first()
    if ticket is None:
        return None
    # Of two who come at once, on whatever servers, one deletes it.
    deleted, _ = Ticket.objects.filter(pk=ticket.pk).delete()
    return ticket.user if deleted else None


def oldest():
    return timezone.now() - timedelta(seconds=LIFETIME)


def digest(text):
    return sha256(text.encode()).hexdigest()
