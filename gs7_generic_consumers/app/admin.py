from django.contrib import admin

from .models import Message, Notice, Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):
    list_display = ("name", "private")
    list_filter = ("private",)
    filter_horizontal = ("members",)


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ("at", "room", "sender", "recipient", "text")
    list_filter = ("room",)
    list_select_related = ("room", "recipient")
    readonly_fields = ("at",)


@admin.register(Notice)
class NoticeAdmin(admin.ModelAdmin):
    list_display = ("at", "text")
    filter_horizontal = ("waiting",)
