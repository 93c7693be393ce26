"""The chat's pages; the HTTP API that they use is beneath ``/chat/``."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.talk, name="talk"),
    path("who/", views.who, name="talk-who"),
    path("be/", views.be, name="talk-be"),
    path("people/", views.people, name="talk-people"),
    path("<str:conversation>/", views.talk, name="talk-conversation"),
]
