"""Who talks: four people whom anybody may be, whoever has an account, and an agent.

The chat asks Django's session who somebody is. The participant of a user is ``user:<primary key>``, as it is
wherever a site says nothing else (PARTICIPANT_OF_USER).
"""

from django.contrib.auth.models import User
from django.db.models import QuerySet

from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Participant


def personas() -> QuerySet[User]:
    """Return whom anybody may be: those who have no password (see ``migrations/0001_people``)."""
    return User.objects.filter(is_active=True, is_staff=False, password__startswith="!").order_by("username")


def participant_of(user: User) -> Participant:
    """Return a user's participant, who is made with the first visit."""
    id = f"user:{user.pk}"
    try:
        return gateway.show_participant(id)
    except ChatError as error:
        if error.code != "not_found":
            raise
    try:
        return gateway.create_participant(id, display_name=user.get_username())
    except ChatError as error:
        if error.code != "conflict":  # another tab was first
            raise
        return gateway.show_participant(id)


def everybody() -> list[dict[str, str]]:
    """Return whom one may talk with."""
    found = gateway.list_participants(status="active", limit=200)
    return [{"id": each.id, "name": each.display_name or each.id, "kind": each.kind} for each in found]
