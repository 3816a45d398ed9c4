"""What the checks and the steps import: read once, in a process that is forked for each run that needs it."""

import contextlib
import gc
import importlib

# Nothing of Django that has to know the settings.
PRELOADED = (
    "asyncio",
    "channels.db",
    "channels.generic.websocket",
    "channels.layers",
    "channels.routing",
    "channels.testing",
    "dj_database_url",
    "django.contrib.admin.sites",
    "django.contrib.staticfiles.handlers",
    "django.core.asgi",
    "django.core.checks.urls",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.middleware.clickjacking",
    "django.middleware.common",
    "django.middleware.security",
    "django.template.backends.django",
    "django.test.client",
    "django.test.utils",
    "msgpack",
    "readline",
    "runpy",
    "websockets.asyncio.client",
)


# Whoever imports it has an event loop, which forks that serve would share: a wake-up of one would reach another.
WITH_A_LOOP = "daphne.apps"


def preload(*more):
    """Import all this, and the modules named `more`, as far as they are installed; the garbage collector skips it."""
    for name in (*PRELOADED, *more):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
