from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Shows what a channel layer does with more messages than it has room for, and with old ones."

    def handle(self, **options):
        async_to_sync(self.show)()

    async def show(self):
        pass
