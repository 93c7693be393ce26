"""The chat's sockets for a site's ``URLRouter``; see ``consumers`` for what must stand before it."""

from __future__ import annotations

from django.urls import path

from .consumers import ConversationConsumer, InboxConsumer

websocket_urlpatterns = [
    path("conversation/<str:conversation>", ConversationConsumer.as_asgi()),
    path("inbox/<str:participant>", InboxConsumer.as_asgi()),
]
