from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("chat/", views.rooms),
    path("chat/<path:group>/", views.room),
]
