import os
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEBUG", "1").lower() in ("1", "true", "yes", "on")
SECRET_KEY = os.environ.get("SECRET_KEY") or ("only-for-this-laptop" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("DEBUG is off, so set SECRET_KEY in the environment to a long random text.")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
SILENCED_SYSTEM_CHECKS = [
    # HTTPS and its headers are the business of the proxy in front, which has the certificate.
    "security.W004",
    "security.W008",
]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG

INSTALLED_APPS = [
    # First, because its runserver speaks WebSocket and has to win over the one of staticfiles.
    "daphne",
    "channels",  # for the command runworker
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "app",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/chat/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

CSRF_TRUSTED_ORIGINS = [f"https://{'*' * host.startswith('.')}{host}" for host in ALLOWED_HOSTS]
if os.environ.get("BEHIND_PROXY", "0").lower() in ("1", "true", "yes", "on"):
    # Only behind a proxy that sets this header itself: otherwise a client could claim to come over HTTPS.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Seconds. So often a connection says that it is there; whoever has not said so three times is gone.
HEARTBEAT = 12

ROOT_URLCONF = "gs6.urls"
ASGI_APPLICATION = "gs6.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_URL = os.environ.get("DATABASE_URL")
if DATABASE_URL:
    try:
        database = dj_database_url.parse(DATABASE_URL, conn_health_checks=True)
    except ValueError:
        # Not the URL itself, which may hold a password.
        raise ImproperlyConfigured(
            "DATABASE_URL is not understood. Write it as postgresql://user:password@host:5432/name"
        ) from None
else:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}
# Kept open: Channels looks after connections before each event, and a new one each time would be slow.
database["CONN_MAX_AGE"] = None
if database["ENGINE"] == "django.db.backends.sqlite3":
    database["OPTIONS"] = {
        # Readers do not wait for the writer, and writers wait for each other in place of failing halfway.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
    }
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True

REDIS_URL = os.environ.get("REDIS_URL")
if REDIS_URL:
    # Two limits of redis-py 8 are too tight here. It gives up on a socket that is silent for 5 seconds, but the layer
    # waits as long for its next message: each idle connection would die. And it opens at most 100 connections, but
    # each consumer that is sending needs one: of a crowd that comes at once, many would be turned away.
    redis = {"address": REDIS_URL, "socket_timeout": None, "max_connections": 10_000}
    # What a server that is gone leaves in the groups goes after a minute; the others renew theirs with each heartbeat.
    config = {"hosts": [redis], "group_expiry": 60}
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
else:
    # Reaches the connections of this process only.
    layer = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
CHANNEL_LAYERS = {"default": layer}
