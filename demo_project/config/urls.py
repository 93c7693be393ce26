"""The demo's addresses."""

from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("", include("shop.urls")),
    path("talk/", include("talk.urls")),
    path("chat/", include("phoenix_sessions.contrib.chat.urls")),
    *staticfiles_urlpatterns(),  # in DEBUG, for servers that serve none themselves, such as runserver --noasgi
]
