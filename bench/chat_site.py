"""The site that daphne serves for the chat's bench: the chat's HTTP API and sockets beneath ``/chat/``, nothing else.

``BENCH_CHAT`` says in JSON what its database and its tokens' key are, and where its live events go: ``"redis"`` is a
URL, with which other workers would hear them, null is this process. Run as a program it makes the tables.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .site import configure

_given = json.loads(os.environ["BENCH_CHAT"])
_backend: dict[str, Any] = {}
if url := _given.get("redis"):
    _backend["BACKEND"] = "phoenix_sessions.backends.redis.RedisBackend"
    _backend["OPTIONS"] = {"url": url, "prefix": "phoenix-sessions-bench:"}

configure(
    {
        "INSTALLED_APPS": ["phoenix_sessions", "phoenix_sessions.contrib.chat"],
        "DATABASES": {"default": _given["database"]},
        "PHOENIX_SESSIONS_CHAT": {"JWT_KEY": _given["key"]},
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "ROOT_URLCONF": __name__,
        "USE_TZ": True,
        "LOGGING_CONFIG": None,
    },
    **_backend,
)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import include, path  # noqa: E402

from phoenix_sessions.asgi import SessionLifespan  # noqa: E402

urlpatterns = [path("chat/", include("phoenix_sessions.contrib.chat.urls"))]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    sys.exit()

from phoenix_sessions.contrib.chat.routing import websocket_urlpatterns  # noqa: E402

sockets = URLRouter([path("chat/", URLRouter(websocket_urlpatterns))])
application = SessionLifespan(ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets}))
