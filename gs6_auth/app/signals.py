import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from redis.exceptions import RedisError

from .chat import user_group
from .models import Ticket

logger = logging.getLogger(__name__)


@receiver(user_logged_out)
def end_connections(sender, request, user, **kwargs):
    """Whoever logs out is logged out in all tabs, and with all tickets."""
    if user is None:
        return
    Ticket.objects.filter(user=user).delete()
    try:
        async_to_sync(get_channel_layer().group_send)(user_group(user), {"type": "user.logout"})
    except RedisError as error:
        # Then the connections have ended by themselves.
        logger.warning("The channel layer failed, so nobody was told of a log-out: %s", error)
