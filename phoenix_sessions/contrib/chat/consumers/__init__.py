"""The chat's sockets: JSON text frames over WebSockets.

Put them behind Channels' ``AllowedHostsOriginValidator`` (or ``OriginValidator``): browsers send the site's session
with a handshake from any page, so without it any page on the web can read its visitor's conversations. Programs that
send no ``Origin`` need a route without that validator, and without a session: they come with a token. ::

    "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([
        path("chat/", URLRouter(websocket_urlpatterns)),  # phoenix_sessions.contrib.chat.routing
    ])))

Who comes is known by a token in the subprotocols ``["phoenix-chat", "bearer.<JWT>"]``, of which the server answers
``phoenix-chat``; by the site's session; or by a first frame ``auth``. The close codes are in ``codes``, the frames in
``frames``.

From the client, on ``conversation/<id>``:

===============================================  ==================================================================
``{type: auth, token}``                          who it is, within ten seconds, if that is not known
``{type: join, after_seq?}``                     answered by ``joined``
``{type: send, client_id, content, kind?,        answered by ``ack``, ``error`` or ``backpressure``; send it again with
metadata?}``                                     the same ``client_id`` if no answer comes
``{type: read, seq?}``                           marks as read up to ``seq``, or all
``{type: typing}``                               again every few seconds while that goes on
``{type: ack, ack}``                             all frames up to this ``frame`` were handled; after 32 without, no more
                                                 come, and after 60 seconds of that the socket is closed
===============================================  ==================================================================

From the server, each with ``type`` and its number ``frame``: ``joined {messages, last_seq, truncated, more_before,
conversation, present}``, ``message {message}``, ``edited {message}``, ``deleted {message}``, ``read {participant,
last_read_seq}``, ``typing {participant, expires_in_ms}``, ``presence {participant, online}``, ``stream_chunk {sender,
stream, index, text}``, ``conversation {conversation}``, ``removed {participant}``, ``ack {client_id, seq, id}``,
``backpressure {client_id, reason, retry_after_ms}``, ``error {code, message, client_id?, retry_after_ms?, fields?}``.

On ``inbox/<participant>`` a client sends only ``auth`` and ``ack``, and gets ``snapshot {items}``, then
``delta {items}``.

Rules:
    1. ``joined`` has the newest messages, or with ``after_seq`` those that are missing; if these are too many,
       ``truncated`` says that it has the newest instead. What does not fit into the frame follows as ``message``.
    2. Then every message comes once, by ``seq``, without holes: also the own ones, on every socket of the participant.
    3. What a client sends that makes no sense gets an ``error``, and the socket lives on; a flood of that closes it.
    4. Typing and presence are over by themselves, and are never stored.
"""

from __future__ import annotations

from .conversation import ConversationConsumer
from .inbox import InboxConsumer

__all__ = ["ConversationConsumer", "InboxConsumer"]
