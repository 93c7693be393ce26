from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.sessions.backends.signed_cookies import SessionStore

from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.identity import KEY


class FaultsConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"count": "ledger.count", "notes": "notes.notes"}
    allowed_actions = ["ledger.add", "notes.add"]


class NamedSession:
    """Gives the connection the session that its address names; no site but this one may do so."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        store = SessionStore()
        store[KEY] = scope["url_route"]["kwargs"]["id"]
        return await self.application({**scope, "session": store}, receive, send)
