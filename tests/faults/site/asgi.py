import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faults.site.settings")

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

http = ASGIStaticFilesHandler(get_asgi_application())

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.urls import path

from phoenix_sessions.asgi import SessionLifespan

from .consumers import FaultsConsumer, NamedSession

sockets = URLRouter(
    [
        path("ws/", SessionMiddlewareStack(FaultsConsumer.as_asgi())),
        path("ws/<str:id>/", NamedSession(FaultsConsumer.as_asgi())),
    ]
)

application = SessionLifespan(ProtocolTypeRouter({"http": http, "websocket": sockets}))
