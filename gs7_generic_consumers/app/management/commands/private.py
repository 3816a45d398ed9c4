from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from app.chat import LONGEST_NAME, can_be_kept
from app.models import Room


class Command(BaseCommand):
    help = "Makes a room private, for these members only; or open again."

    def add_arguments(self, parser):
        parser.add_argument("room")
        parser.add_argument("users", nargs="*", metavar="user", help="a member; whoever is not named is none any more")
        parser.add_argument("--open", action="store_true", dest="is_open", help="let everybody in again")

    @transaction.atomic
    def handle(self, *, room, users, is_open, **options):
        if not room or not can_be_kept(room):
            raise CommandError(f"A room's name has 1 to {LONGEST_NAME} characters.")
        if is_open and users:
            raise CommandError("An open room has no members: either name users, or say --open.")
        members = get_user_model().objects.filter(username__in=users)
        if unknown := set(users) - {member.username for member in members}:
            raise CommandError(f"No such user: {', '.join(sorted(unknown))}. Nothing was changed.")
        room, _ = Room.objects.update_or_create(name=room, defaults={"private": not is_open})
        room.members.set(members)
        if is_open:
            self.stdout.write("The room is open to everybody.")
        else:
            self.stdout.write(
                f"The room is private; its members are {', '.join(sorted(users))}."
                if users
                else "The room is private, and nobody is a member yet."
            )
