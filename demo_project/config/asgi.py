"""The demo as an ASGI application: pages, and the sockets that keep them live."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from shop import routing as shop
from talk import routing as talk

from phoenix_sessions.asgi import SessionLifespan

sockets = URLRouter([*shop.websocket_urlpatterns, *talk.websocket_urlpatterns])

# A worker that is asked to end tells its pages to look elsewhere before the server cuts them off.
application = SessionLifespan(
    ProtocolTypeRouter(
        {
            "http": pages,
            "websocket": SessionMiddlewareStack(sockets),
        }
    )
)
