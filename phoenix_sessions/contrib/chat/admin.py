"""The chat in Django's admin.

Rules:
    1. What is changed goes through the gateway, by the same rules as everything, and is told to whoever follows. The
       site itself acts, so no membership is asked for.
    2. A form is done when it is checked: what the rules refuse is told at its field, and nothing else is asked of it.
    3. No page costs more on large tables: nothing is counted beyond ``MOST``, every search is exact and has an index,
       and lists are in the order of a key.
    4. Secrets and headers go in, and never come out; nor can they be asked about.
    5. Nothing is removed here but members of groups; messages lose their content, as when their sender deletes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from . import admin_forms as forms
from .admin_pages import ChatAdmin, Shown
from .gateway import gateway
from .kinds import ParticipantKind, ParticipantStatus
from .models import AgentEndpoint, ConversationRow, DeliveryLog, Membership, MessageRow, ParticipantRow


class KindAndStatus(admin.SimpleListFilter):
    """A filter for which there is an index."""

    title = "kind and status"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return each kind with each status."""
        return [(f"{kind}.{status}", f"{kind}, {status}") for kind in ParticipantKind for status in ParticipantStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Return those of the chosen kind and status."""
        if not self.value():
            return queryset
        kind, _, status = self.value().partition(".")
        return queryset.filter(kind=kind, status=status)


@admin.register(ParticipantRow)
class ParticipantAdmin(ChatAdmin):
    """Who may be in conversations: added, named, enabled and disabled."""

    form = forms.ParticipantForm
    adding = forms.NewParticipantForm
    list_display = ("id", "display_name", "kind", "status", "created_at")
    list_filter = (KindAndStatus,)
    search_fields = ("id",)
    ordering = ("id",)
    fields = ("id", "kind", "status", "display_name", "metadata", "created_at", "conversations")
    readonly_fields = ("id", "kind", "status", "created_at", "conversations")
    actions = ("enable", "disable")

    @admin.display(description="conversations")
    def conversations(self, row: ParticipantRow) -> str:
        """Return a link to where it is a member."""
        return _link(Membership, "its memberships", participant=row.pk)

    @admin.action(permissions=["change"], description="Enable: they may send")
    def enable(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Let them send."""
        self.do(request, queryset, lambda row: gateway.set_participant_status(row.pk, "active"), "Enabled")

    @admin.action(permissions=["change"], description="Disable: they may not send")
    def disable(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Let them send no more."""
        self.do(request, queryset, lambda row: gateway.set_participant_status(row.pk, "disabled"), "Disabled")


@admin.register(ConversationRow)
class ConversationAdmin(ChatAdmin):
    """Conversations: renamed, closed and archived; the newest first, found by their id or a member's."""

    form = forms.ConversationForm
    list_display = ("id", "kind", "status", "title", "last_seq", "last_message_at")
    search_fields = ("id", "memberships__participant")
    fields = (
        *("id", "kind", "status", "title", "last_seq", "last_message_at", "created_at", "metadata", "shard_key"),
        *("members", "history"),
    )
    readonly_fields = tuple(name for name in fields if name != "title")
    actions = ("close", "archive")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: conversations are begun by those who talk."""
        return False

    @admin.display(description="members")
    def members(self, row: ConversationRow) -> str:
        """Return a link to who is in it."""
        return _link(Membership, "who is in it", conversation=row.pk)

    @admin.display(description="messages")
    def history(self, row: ConversationRow) -> str:
        """Return a link to what was said."""
        return _link(MessageRow, "what was said", conversation=row.pk)

    @admin.action(permissions=["change"], description="Close for good: no more messages")
    def close(self, request: HttpRequest, queryset: QuerySet) -> None:
        """End them."""
        self.do(request, queryset, lambda row: gateway.close(row.pk, None), "Closed")

    @admin.action(permissions=["change"], description="Archive for good: out of all inboxes")
    def archive(self, request: HttpRequest, queryset: QuerySet) -> None:
        """End them, and take them out of inboxes."""
        self.do(request, queryset, lambda row: gateway.archive(row.pk, None), "Archived")


@admin.register(Membership)
class MembershipAdmin(ChatAdmin):
    """Who is in which conversation: members are added to groups, and removed."""

    adding = forms.NewMembershipForm
    list_display = ("id", "conversation_id", "participant_id", "name", "role", "last_read_seq", "joined_at")
    list_select_related = ("participant",)
    search_fields = ("conversation", "participant")
    fields = ("conversation_id", "participant_id", "role", "last_read_seq", "delivered_seq", "joined_at")
    readonly_fields = fields
    actions = ("remove",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: a role is given with the membership."""
        return False

    @admin.display(description="name")
    def name(self, row: Membership) -> str:
        """Return what others see."""
        return str(row.participant.display_name)

    @admin.action(permissions=["removal"], description="Remove from the group")
    def remove(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Take them out of their groups."""

        def verb(row: Membership) -> None:
            gateway.remove_member(row.conversation_id, None, row.participant_id)

        self.do(request, queryset, verb, "Removed")


@admin.register(AgentEndpoint)
class EndpointAdmin(ChatAdmin):
    """Where agents are: registered, changed, enabled and disabled."""

    form = forms.EndpointForm
    adding = forms.NewEndpointForm
    written = ("new_secret", "new_headers")
    list_display = ("agent_id", "url", "auth", "timeout", "status")
    search_fields = ("agent",)
    ordering = ("agent_id",)
    fields = ("agent_id", "status", "url", "auth", "new_secret", "header_names", "new_headers", "timeout", "deliveries")
    readonly_fields = ("agent_id", "status", "header_names", "deliveries")
    actions = ("enable", "disable")

    @admin.display(description="headers, by name")
    def header_names(self, row: AgentEndpoint) -> str:
        """Return which headers are sent along; what is in them may be secret."""
        return ", ".join(sorted(row.headers)) or "-"

    @admin.display(description="deliveries")
    def deliveries(self, row: AgentEndpoint) -> str:
        """Return a link to what was sent."""
        return _link(DeliveryLog, "what was sent to it", agent=row.pk)

    @admin.action(permissions=["change"], description="Enable: messages are sent to them")
    def enable(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Send them messages."""
        self.do(request, queryset, lambda row: gateway.set_agent_status(row.pk, "active"), "Enabled")

    @admin.action(permissions=["change"], description="Disable: nothing is sent to them")
    def disable(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Send them nothing."""
        self.do(request, queryset, lambda row: gateway.set_agent_status(row.pk, "disabled"), "Disabled")


@admin.register(DeliveryLog)
class DeliveryAdmin(Shown):
    """What was sent to agents, the last first; found by the agent's id."""

    list_display = ("id", "created_at", "agent_id", "conversation_id", "attempt", "status", "http_status", "latency_ms")
    search_fields = ("agent",)
    fields = (
        *("agent_id", "conversation_id", "webhook_id", "last_seq", "attempt", "status", "http_status", "latency_ms"),
        *("error", "created_at"),
    )
    readonly_fields = fields


@admin.register(MessageRow)
class MessageAdmin(Shown):
    """Messages, the newest first; found by their id, or that of their conversation."""

    list_display = ("id", "conversation_id", "seq", "sender_id", "kind", "created_at", "deleted_at")
    search_fields = ("id", "conversation")
    fields = (
        *("id", "conversation_id", "seq", "sender_id", "kind", "content", "metadata", "client_id", "created_at"),
        *("edited_at", "deleted_at", "shard_key"),
    )
    readonly_fields = fields
    actions = ("delete_content",)

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        """Return the order for which there is an index."""
        return ("-conversation_id", "-seq") if "conversation" in request.GET else self.ordering

    @admin.action(permissions=["removal"], description="Delete what they say, for good")
    def delete_content(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Take away what they say."""
        self.do(request, queryset, lambda row: gateway.delete(row.conversation_id, None, row.pk), "Deleted")


def _link(model: type[Model], text: str, **filters: str) -> str:
    meta = model._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist", query=filters)
    return str(format_html('<a href="{}">{}</a>', url, text))
