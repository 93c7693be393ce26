"""The same chat as people write it: Django models, a Channels consumer, the ORM, and ``group_send``.

Rules:
    1. A message has its place in its conversation, without holes, given under the row's lock, and is stored once by its
       ``client_id``: one transaction, as the ORM does it.
    2. Who is no member is let go. That is asked once, when somebody connects.
    3. What ours does beyond that it does not do: inboxes and unread counts, live order by ``seq``, catching up after a
       gap, limits, windows. Its frames are as ours, but for their numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jwt
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import IntegrityError, models, transaction

SUBPROTOCOL = "phoenix-chat"
PAGE = 50


class Conversation(models.Model):
    last_seq = models.PositiveBigIntegerField(default=0)

    class Meta:
        app_label = "bench"


class Member(models.Model):
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="members")
    participant = models.CharField(max_length=128)

    class Meta:
        app_label = "bench"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "participant"], name="bench_member_once")
        ]


class Message(models.Model):
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages", db_index=False)
    seq = models.PositiveBigIntegerField()
    sender = models.CharField(max_length=128)
    client_id = models.CharField(max_length=128)
    content = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="bench_order"),
            models.UniqueConstraint(fields=["conversation", "sender", "client_id"], name="bench_once"),
        ]

    def frame(self) -> dict[str, Any]:
        """Return it as a client gets it."""
        return {
            "id": self.pk,
            "seq": self.seq,
            "sender": self.sender,
            "client_id": self.client_id,
            "content": self.content,
            "created_at": self.created_at.isoformat(),
        }


def is_member(conversation: int, participant: str) -> bool:
    """Return whether somebody may read and write there."""
    return Member.objects.filter(conversation_id=conversation, participant=participant).exists()


def newest(conversation: int) -> list[dict[str, Any]]:
    """Return the last messages, ascending."""
    found = Message.objects.filter(conversation_id=conversation).order_by("-seq")[:PAGE]
    return [message.frame() for message in reversed(found)]


def store(conversation: int, sender: str, client_id: str, content: Any) -> tuple[dict[str, Any], bool]:
    """Store a message; returns it, and whether it is new."""
    try:
        with transaction.atomic():
            place = Conversation.objects.select_for_update().get(pk=conversation)
            place.last_seq += 1
            place.save(update_fields=["last_seq"])
            message = Message.objects.create(
                conversation=place, seq=place.last_seq, sender=sender, client_id=client_id, content=content
            )
    except IntegrityError:  # it was sent before
        found = Message.objects.get(conversation_id=conversation, sender=sender, client_id=client_id)
        return found.frame(), False
    return message.frame(), True


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """``conversation/<id>``.

    Attributes:
        one_thread: Whether the database is asked on the one thread that Channels' documentation does it on; otherwise
            on the event loop's threads, each with a connection of its own.
    """

    one_thread: ClassVar[bool] = True

    async def connect(self) -> None:
        """Accept members, known by the token in the subprotocol."""
        self.conversation = int(self.scope["url_route"]["kwargs"]["conversation"])
        self.group = f"chat.{self.conversation}"
        self.participant = _participant(self.scope["subprotocols"])
        if not self.participant or not await self._ask(is_member)(self.conversation, self.participant):
            await self.close(4403)
            return
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept(SUBPROTOCOL)

    async def disconnect(self, code: int) -> None:
        """Leave."""
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Take a frame."""
        match content:
            case {"type": "join"}:
                messages = await self._ask(newest)(self.conversation)
                last_seq = messages[-1]["seq"] if messages else 0
                await self.send_json({"type": "joined", "messages": messages, "last_seq": last_seq})
            case {"type": "send", "client_id": str(client_id), "content": dict(said)}:
                message, is_new = await self._ask(store)(self.conversation, self.participant, client_id, said)
                ack = {"type": "ack", "client_id": client_id, "seq": message["seq"], "id": message["id"]}
                await self.send_json(ack)
                if is_new:
                    await self.channel_layer.group_send(self.group, {"type": "chat.message", "message": message})
            case _:
                await self.send_json({"type": "error", "code": "bad_frame"})

    async def chat_message(self, event: dict[str, Any]) -> None:
        """Tell the client of a message."""
        await self.send_json({"type": "message", "message": event["message"]})

    def _ask(self, question: Any) -> Any:
        return database_sync_to_async(question, thread_sensitive=self.one_thread)


def _participant(subprotocols: list[str]) -> str:
    """Return who has the token; ``""`` = nobody."""
    tokens = [each.removeprefix("bearer.") for each in subprotocols if each.startswith("bearer.")]
    try:
        return str(jwt.decode(tokens[0], settings.CHAT_KEY, algorithms=["HS256"])["sub"])
    except (IndexError, jwt.InvalidTokenError):
        return ""
