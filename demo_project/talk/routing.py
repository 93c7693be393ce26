"""The addresses of the chat's sockets.

A browser sends the site's cookies with a handshake from any page on the web, so the origin is checked before anything
else. The demo's sockets have their Django session already; these get its user too.
"""

from channels.auth import AuthMiddleware
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import re_path

from phoenix_sessions.contrib.chat import routing

sockets = AllowedHostsOriginValidator(AuthMiddleware(URLRouter(routing.websocket_urlpatterns)))
websocket_urlpatterns = [re_path(r"^chat/", sockets)]  # path() would be for a router that nothing stands before
