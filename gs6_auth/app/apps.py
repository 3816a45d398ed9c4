from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "app"

    def ready(self):
        from . import signals  # noqa: F401  (connects them)
