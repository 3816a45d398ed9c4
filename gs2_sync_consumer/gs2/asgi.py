import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gs2.settings")
# This call loads the apps. Whatever leads to a model may be imported only below it.
django_application = get_asgi_application()

from app.losses import SurviveLosses  # noqa: E402
from app.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        # The page's CSS and script: runserver would serve them by itself, other servers would not.
        "http": ASGIStaticFilesHandler(django_application),
        "websocket": SurviveLosses(URLRouter(websocket_urlpatterns)),
    }
)
