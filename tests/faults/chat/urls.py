"""The chat's HTTP API."""

from django.urls import include, path

urlpatterns = [path("chat/", include("phoenix_sessions.contrib.chat.urls"))]
