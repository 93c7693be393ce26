"""Four people whom anybody may be, as they have no password, and an agent."""

from typing import Any, Final

from django.contrib.auth.hashers import make_password
from django.db import migrations
from django.utils.timezone import now

PEOPLE: Final = ["Alice", "Bob", "Carol", "Dave"]


def add(apps: Any, schema_editor: Any) -> None:
    user, participant = apps.get_model("auth", "User"), apps.get_model("phoenix_sessions_chat", "ParticipantRow")
    for name in PEOPLE:
        person, new = user.objects.get_or_create(username=name, defaults={"password": make_password(None)})
        if new:
            participant.objects.create(id=f"user:{person.pk}", kind="user", display_name=name, created_at=now())
    echo = {"kind": "agent", "display_name": "Echo", "created_at": now()}
    participant.objects.get_or_create(id="agent:echo", defaults=echo)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("phoenix_sessions_chat", "0001_initial"),
    ]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
