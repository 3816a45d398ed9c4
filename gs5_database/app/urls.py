from django.urls import path

from . import converters, views  # noqa: F401  (converters brings <room:…>)

urlpatterns = [
    path("", views.index),
    path("chat/", views.rooms),
    path("chat/<room:group>/", views.room),
]
