from django.urls import register_converter
from django.urls.converters import PathConverter


class RoomNameConverter(PathConverter):
    # What the database can keep: Room.name has 300 characters, and PostgreSQL refuses NUL.
    regex = r"[^\0\n]{1,300}"


register_converter(RoomNameConverter, "room")
