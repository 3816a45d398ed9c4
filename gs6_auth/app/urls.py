from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("chat/", views.rooms),
    path("chat/<path:group>/", views.room),
    path("ticket/", views.ticket),
    path("accounts/signup/", views.SignUpView.as_view()),
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True)),
    path("accounts/logout/", LogoutView.as_view()),
]
