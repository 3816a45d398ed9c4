from urllib.parse import quote

from django.db.models import Count
from django.shortcuts import redirect, render

from .chat import can_be_kept
from .models import Room


def index(request):
    return render(request, "app/index.html")


def rooms(request):
    group = request.GET.get("group", "").strip()
    # Browsers take these two for steps in a path, however they are written.
    if group in ("", ".", "..") or not can_be_kept(group):
        rooms = Room.objects.annotate(number=Count("messages")).order_by("name")
        return render(request, "app/rooms.html", {"refused": group, "rooms": rooms})
    return redirect(f"/chat/{quote(group, safe='')}/")


def room(request, group):
    if not can_be_kept(group):
        return redirect(f"/chat/?group={quote(group, safe='')}")
    via = "sc" if request.GET.get("via") == "sc" else "ac"
    path = f"/ws/{via}/{quote(group, safe='')}/"
    return render(request, "app/room.html", {"group": group, "via": via, "path": path})
