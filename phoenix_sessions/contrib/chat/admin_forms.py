"""The forms of the admin: each does what it says through the gateway when it is checked.

Rules:
    1. What is right is for the gateway to say; its refusal is told at the field that it names.
    2. Participants and conversations are written as their ids, and none is loaded to be shown or chosen.
    3. Empty means for a secret and for headers: as they are.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.forms.fields import InvalidJSONInput

from .agents import check_url
from .conf import get_config
from .errors import ChatError
from .gateway import gateway
from .kinds import AgentAuth, Role
from .models import AgentEndpoint, ConversationRow, Membership, ParticipantRow


class RawId(ForeignKeyRawIdWidget):
    """An id, with a link to choose it.

    Args:
        field: Of which key the id is.
    """

    def __init__(self, field: Any) -> None:
        super().__init__(field.remote_field, admin.site, attrs={"class": "vTextField"})

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        """Return nothing: what the id belongs to is not looked up."""
        return "", ""


class ObjectField(forms.JSONField):
    """A JSON object, which is shown again as it was written, whatever is wrong with it."""

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what was written."""
        return initial if self.disabled else InvalidJSONInput(data or "")


class HeadersField(ObjectField):
    """A JSON object that may be left empty."""

    def prepare_value(self, value: Any) -> Any:
        """Return what is shown first: nothing for None."""
        return "" if value is None else super().prepare_value(value)


class VerbForm(forms.ModelForm):
    """A form that does something.

    Attributes:
        names: What the gateway calls a field, if not as it is called here.
    """

    names: ClassVar[dict[str, str]] = {}

    def _post_clean(self) -> None:
        if self.errors:
            return
        try:
            found = self.do(self.cleaned_data)
        except ChatError as error:
            told = {self.names.get(name, name): rule for name, rule in error.fields.items()}
            for name, rule in (told or {"": error.message}).items():
                self.add_error(name if name in self.fields else None, rule)
        else:
            self.instance = self._meta.model.objects.using(get_config().database).get(**found)

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Do it, and return how the row is found; errors are ``ChatError``."""
        raise NotImplementedError


class NewParticipantForm(VerbForm):
    """Makes a participant."""

    metadata = ObjectField(required=False)

    class Meta:
        """What is given."""

        model = ParticipantRow
        fields = ("id", "kind", "display_name", "metadata")

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make it."""
        return {"pk": gateway.create_participant(**given).id}


class ParticipantForm(VerbForm):
    """Names a participant."""

    metadata = ObjectField(required=False)

    class Meta:
        """What is given."""

        model = ParticipantRow
        fields = ("display_name", "metadata")

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Name it."""
        values = {"display_name": given["display_name"], "metadata": given["metadata"] or {}}
        return {"pk": gateway.update_participant(self.instance.pk, **values).id}


class ConversationForm(VerbForm):
    """Renames a conversation."""

    class Meta:
        """What is given."""

        model = ConversationRow
        fields = ("title",)

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Rename it."""
        return {"pk": gateway.rename(self.instance.pk, None, given["title"]).id}


class NewMembershipForm(VerbForm):
    """Lets somebody into a group."""

    names = {"conversation": "group", "participant": "who", "members": "group"}
    group = forms.CharField(widget=RawId(Membership._meta.get_field("conversation")))
    who = forms.CharField(label="Participant", widget=RawId(Membership._meta.get_field("participant")))
    role = forms.ChoiceField(choices=[(role.value, role.value) for role in Role], initial=Role.MEMBER.value)

    class Meta:
        """What is given, beside the fields above."""

        model = Membership
        fields = ()

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Let it in."""
        gateway.add_member(given["group"], None, given["who"], given["role"])
        return {"conversation": given["group"], "participant": given["who"]}


class EndpointForm(VerbForm):
    """Changes where an agent is."""

    names = {"secret": "new_secret", "headers": "new_headers"}
    url = forms.CharField(max_length=2000, widget=forms.TextInput(attrs={"size": 80}))
    auth = forms.ChoiceField(choices=[(auth.value, auth.value) for auth in AgentAuth], initial=AgentAuth.NONE.value)
    new_secret = forms.CharField(
        required=False,
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 40}),
        help_text="The bearer token, or the key of signatures. It is never shown; empty = as it is.",
    )
    new_headers = HeadersField(
        required=False,
        help_text="What is sent along, as a JSON object of texts. It is never shown; empty = as it is, {} = none.",
    )
    timeout = forms.FloatField(initial=30, help_text="How long an answer may take (seconds).")

    class Meta:
        """What is given, beside the fields above."""

        model = AgentEndpoint
        fields = ("url", "auth", "timeout")

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Change it."""
        if "url" in self.changed_data:
            check_url(given["url"])
        return {"pk": gateway.update_agent(self.instance.pk, **_endpoint(given)).agent}


class NewEndpointForm(EndpointForm):
    """Says where an agent is."""

    names = {**EndpointForm.names, "agent": "who"}
    who = forms.CharField(label="Agent", widget=RawId(AgentEndpoint._meta.get_field("agent")))
    field_order = ("who", "url", "auth", "new_secret", "new_headers", "timeout")

    def do(self, given: dict[str, Any]) -> dict[str, Any]:
        """Register it."""
        check_url(given["url"])
        return {"pk": gateway.register_agent(given["who"], **_endpoint(given)).agent}


def _endpoint(given: dict[str, Any]) -> dict[str, Any]:
    values = {name: given[name] for name in ("url", "auth", "timeout")}
    if given["new_secret"]:
        values["secret"] = given["new_secret"]
    if given["new_headers"] is not None:
        values["headers"] = given["new_headers"]
    return values
