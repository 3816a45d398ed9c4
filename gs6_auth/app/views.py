from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.views import RedirectURLMixin
from django.db import IntegrityError
from django.db.models import Count
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from django.views.generic import CreateView

from . import tickets
from .chat import can_be_kept
from .models import visible_rooms


def index(request):
    return render(request, "app/index.html")


def rooms(request):
    group = request.GET.get("group", "").strip()
    # Browsers take these two for steps in a path, however they are written.
    if group in ("", ".", "..") or not can_be_kept(group):
        rooms = visible_rooms(request.user).annotate(number=Count("messages")).order_by("name")
        return render(request, "app/rooms.html", {"refused": group, "rooms": rooms})
    return redirect(f"/chat/{quote(group, safe='')}/")


def room(request, group):
    if not can_be_kept(group):
        return redirect(f"/chat/?group={quote(group, safe='')}")
    # Served to everybody: there is nothing of the room in it, and whether it is private its socket tells.
    path = f"/ws/ac/{quote(group, safe='')}/"
    return render(request, "app/room.html", {"group": group, "path": path})


class SignUpView(RedirectURLMixin, CreateView):
    """Django has a form for it, but no view."""

    form_class = UserCreationForm
    template_name = "registration/signup.html"
    next_page = settings.LOGIN_REDIRECT_URL

    def dispatch(self, request, *args, **kwargs):
        # Only the log-out ends connections: whoever wants to be somebody else goes through it.
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form):
        try:
            response = super().form_valid(form)
        except IntegrityError:
            # A double click: the name was still free when the form looked. Now it sees that it is taken.
            form.full_clean()
            return self.form_invalid(form)
        login(self.request, self.object)
        return response


@require_POST
def ticket(request):
    """Give a ticket for a WebSocket to a client that cannot send a cookie with its handshake."""
    if not request.user.is_authenticated:
        return JsonResponse({"detail": "Log in first: a ticket is for a user."}, status=401)
    if not request.is_secure() and not settings.DEBUG:
        return JsonResponse({"detail": "A ticket is given over HTTPS only."}, status=403)
    answer = {"ticket": tickets.new_ticket(request.user), "expires_in": tickets.LIFETIME}
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})
