import time

from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

NUMBERS = {str(number) for number in range(1, 61)}
ONE_MIB = 1024 * 1024


def answer_to(text):
    answer = f"Message from server: {text}"
    # daphne ends a connection over which more than 1 MiB is sent at once, by either side.
    return answer if len(answer.encode()) <= ONE_MIB else "error: too long to be answered"


class EchoConsumer(SyncConsumer):
    """Accepts, answers each frame, and closes when it is told "bye"."""

    def websocket_connect(self, event):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        text = event.get("text")
        if text is None:
            self.send({"type": "websocket.send", "bytes": event["bytes"]})
        elif text == "bye":
            self.send({"type": "websocket.close", "code": 4000})
        else:
            self.send({"type": "websocket.send", "text": answer_to(text)})

    def websocket_disconnect(self, event):
        raise StopConsumer()


class CountConsumer(SyncConsumer):
    """Counts as far as it is told, and blocks its thread while it does."""

    def websocket_connect(self, event):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        text = event.get("text")
        if text in NUMBERS:
            self.count(int(text))
        else:
            self.send({"type": "websocket.send", "text": "error: send a number from 1 to 60"})

    def websocket_disconnect(self, event):
        raise StopConsumer()

    def count(self, last):
        for number in range(1, last + 1):
            time.sleep(settings.COUNT_INTERVAL)
            self.send({"type": "websocket.send", "text": str(number)})
