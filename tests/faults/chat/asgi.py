"""What daphne serves."""

from . import site

site.configure()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

from phoenix_sessions.asgi import SessionLifespan
from phoenix_sessions.contrib.chat.routing import websocket_urlpatterns

sockets = URLRouter([path("chat/", URLRouter(websocket_urlpatterns))])
application = SessionLifespan(ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets}))
