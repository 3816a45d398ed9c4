from channels.consumer import SyncConsumer
from channels.exceptions import StopConsumer


class EchoConsumer(SyncConsumer):
    """Prints each event of one connection. It answers nothing yet."""

    def websocket_connect(self, event):
        print(event)

    def websocket_receive(self, event):
        print(event)

    def websocket_disconnect(self, event):
        print(event)
        raise StopConsumer()
