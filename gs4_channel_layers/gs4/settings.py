import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEBUG", "1").lower() in ("1", "true", "yes", "on")
SECRET_KEY = os.environ.get("SECRET_KEY") or ("only-for-this-laptop" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("DEBUG is off, so set SECRET_KEY in the environment to a long random text.")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # CSRF: no form here changes anything
    # HTTPS and its headers are the business of the proxy in front, which has the certificate.
    "security.W004",
    "security.W008",
]

INSTALLED_APPS = [
    # First, because its runserver speaks WebSocket and has to win over the one of staticfiles.
    "daphne",
    "channels",  # for the command runworker
    "django.contrib.staticfiles",
    "app",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "gs4.urls"
ASGI_APPLICATION = "gs4.asgi.application"

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}

STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True

REDIS_URL = os.environ.get("REDIS_URL")
if REDIS_URL:
    # Two limits of redis-py 8 are too tight here. It gives up on a socket that is silent for 5 seconds, but the layer
    # waits as long for its next message: each idle connection would die. And it opens at most 100 connections, but
    # each consumer that is sending needs one: of a crowd that comes at once, many would be turned away.
    redis = {"address": REDIS_URL, "socket_timeout": None, "max_connections": 10_000}
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis]}}
else:
    # Reaches the connections of this process only.
    layer = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
CHANNEL_LAYERS = {"default": layer}
