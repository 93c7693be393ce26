import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testsite.settings")

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

http = ASGIStaticFilesHandler(get_asgi_application())

from channels.auth import AuthMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import SessionMiddlewareStack
from django.urls import path, re_path

from phoenix_sessions.asgi import SessionLifespan
from phoenix_sessions.contrib.chat.routing import websocket_urlpatterns
from testsite.consumers import CounterConsumer, FragmentConsumer, Htmx2Consumer, WideConsumer

sockets = URLRouter(
    [
        path("ws/", CounterConsumer.as_asgi()),
        path("ws/wide/", WideConsumer.as_asgi()),
        path("ws/fragments/4/", FragmentConsumer.as_asgi()),
        path("ws/fragments/2/", Htmx2Consumer.as_asgi()),
        re_path("^chat/", AllowedHostsOriginValidator(AuthMiddleware(URLRouter(websocket_urlpatterns)))),
    ]
)

application = SessionLifespan(
    ProtocolTypeRouter(
        {
            "http": http,
            "websocket": SessionMiddlewareStack(sockets),
        }
    )
)
