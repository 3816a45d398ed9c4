from django.contrib import admin

from .models import Message, Room

admin.site.register(Room)


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ("at", "room", "sender", "text")
    list_filter = ("room",)
    list_select_related = ("room",)
    readonly_fields = ("at",)
