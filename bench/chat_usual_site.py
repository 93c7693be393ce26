"""The site that daphne serves for the chat's bench: the chat as people write it, at the same URLs as ours.

``BENCH_CHAT`` says in JSON what its database and its tokens' key are, where its layer's Redis is (``"redis"``, a URL),
and whether it asks the database on one thread (``"one_thread"``).
"""

from __future__ import annotations

import json
import os

from .layers import GROUP_EXPIRY
from .site import configure

CAPACITY = 10_000
"""How many messages may wait. It is of a whole process, not of a socket: with the default of 100 many get lost."""

_given = json.loads(os.environ["BENCH_CHAT"])

configure(
    {
        "INSTALLED_APPS": ["channels", "bench"],
        "DATABASES": {"default": _given["database"]},
        "CHANNEL_LAYERS": {
            "default": {
                "BACKEND": "channels_redis.core.RedisChannelLayer",
                "CONFIG": {
                    "hosts": [{"address": _given["redis"], "socket_timeout": None}],
                    "prefix": f"phoenix-sessions-bench-{os.getpid()}",
                    "group_expiry": GROUP_EXPIRY,
                    "capacity": CAPACITY,
                },
            }
        },
        "CHAT_KEY": _given["key"],
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "ROOT_URLCONF": __name__,
        "USE_TZ": True,
        "LOGGING_CONFIG": None,
    }
)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from .chat_usual import ChatConsumer  # noqa: E402

urlpatterns = [path("chat/health/ready", lambda request: HttpResponse("ok"))]

ChatConsumer.one_thread = _given["one_thread"]
sockets = URLRouter([path("chat/conversation/<int:conversation>", ChatConsumer.as_asgi())])
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets})
