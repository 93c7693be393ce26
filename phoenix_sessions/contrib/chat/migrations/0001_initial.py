"""The six tables."""

import django.db.models.deletion
from django.db import migrations, models

from ..models.fields import KeptJSONField, KeyField


class Migration(migrations.Migration):
    """Creates them."""

    initial = True

    operations = [
        migrations.CreateModel(
            name="ParticipantRow",
            fields=[
                (
                    "id",
                    KeyField(max_length=128, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("user", "user"), ("agent", "agent"), ("system", "system")], max_length=16
                    ),
                ),
                ("display_name", models.CharField(blank=True, max_length=255)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "active"), ("disabled", "disabled")], default="active", max_length=16
                    ),
                ),
                ("metadata", KeptJSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "participant",
                "db_table": "phoenix_chat_participant",
            },
        ),
        migrations.CreateModel(
            name="ConversationRow",
            fields=[
                (
                    "id",
                    KeyField(max_length=26, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("human_dm", "human dm"), ("agent_dm", "agent dm"), ("group", "group")], max_length=16
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "open"), ("closed", "closed"), ("archived", "archived")],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=255)),
                ("metadata", KeptJSONField(blank=True, default=dict)),
                ("last_seq", models.BigIntegerField(default=0)),
                ("last_message_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("shard_key", models.SmallIntegerField()),
                (
                    "pair_key",
                    KeyField(blank=True, max_length=257, null=True, unique=True),
                ),
            ],
            options={
                "verbose_name": "conversation",
                "db_table": "phoenix_chat_conversation",
            },
        ),
        migrations.CreateModel(
            name="DeliveryLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("webhook_id", KeyField(max_length=26)),
                ("last_seq", models.BigIntegerField()),
                ("attempt", models.IntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("delivered", "delivered"),
                            ("failed", "failed"),
                            ("timeout", "timeout"),
                        ],
                        max_length=16,
                    ),
                ),
                ("http_status", models.IntegerField(blank=True, null=True)),
                ("latency_ms", models.IntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=1000)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "db_table": "phoenix_chat_delivery",
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "owner"), ("member", "member")], default="member", max_length=16
                    ),
                ),
                ("last_read_seq", models.BigIntegerField(default=0)),
                ("delivered_seq", models.BigIntegerField(default=0)),
                ("joined_at", models.DateTimeField()),
            ],
            options={
                "db_table": "phoenix_chat_membership",
            },
        ),
        migrations.CreateModel(
            name="MessageRow",
            fields=[
                (
                    "id",
                    KeyField(max_length=26, primary_key=True, serialize=False),
                ),
                ("seq", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("text", "text"),
                            ("system", "system"),
                            ("tool_call", "tool call"),
                            ("assistant", "assistant"),
                        ],
                        max_length=16,
                    ),
                ),
                ("content", KeptJSONField()),
                ("metadata", KeptJSONField(blank=True, default=dict)),
                ("client_id", models.CharField(blank=True, max_length=128, null=True)),
                ("created_at", models.DateTimeField()),
                ("edited_at", models.DateTimeField(blank=True, null=True)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                ("shard_key", models.SmallIntegerField()),
            ],
            options={
                "verbose_name": "message",
                "db_table": "phoenix_chat_message",
            },
        ),
        migrations.CreateModel(
            name="AgentEndpoint",
            fields=[
                (
                    "agent",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="endpoint",
                        serialize=False,
                        to="phoenix_sessions_chat.participantrow",
                    ),
                ),
                ("url", models.CharField(max_length=2000)),
                (
                    "auth",
                    models.CharField(
                        choices=[("none", "none"), ("bearer", "bearer"), ("hmac", "hmac")],
                        default="none",
                        max_length=16,
                    ),
                ),
                ("secret", models.CharField(blank=True, max_length=1000)),
                ("headers", models.JSONField(blank=True, default=dict)),
                ("timeout", models.FloatField()),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "active"), ("disabled", "disabled")], default="active", max_length=16
                    ),
                ),
            ],
            options={
                "verbose_name": "agent endpoint",
                "db_table": "phoenix_chat_agent",
            },
        ),
        migrations.AddIndex(
            model_name="participantrow",
            index=models.Index(fields=["kind", "status", "id"], name="phoenix_chat_kind_status"),
        ),
        migrations.AddField(
            model_name="deliverylog",
            name="agent",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="deliveries",
                to="phoenix_sessions_chat.participantrow",
            ),
        ),
        migrations.AddField(
            model_name="deliverylog",
            name="conversation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="deliveries",
                to="phoenix_sessions_chat.conversationrow",
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="conversation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to="phoenix_sessions_chat.conversationrow",
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="participant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="memberships",
                to="phoenix_sessions_chat.participantrow",
            ),
        ),
        migrations.AddField(
            model_name="messagerow",
            name="conversation",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="phoenix_sessions_chat.conversationrow",
            ),
        ),
        migrations.AddField(
            model_name="messagerow",
            name="sender",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="messages",
                to="phoenix_sessions_chat.participantrow",
            ),
        ),
        migrations.AddIndex(
            model_name="deliverylog",
            index=models.Index(fields=["agent", "-id"], name="phoenix_chat_deliveries"),
        ),
        migrations.AddIndex(
            model_name="deliverylog",
            index=models.Index(fields=["conversation", "-id"], name="phoenix_chat_tries"),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["participant", "conversation"], name="phoenix_chat_inbox"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("conversation", "participant"), name="phoenix_chat_member"),
        ),
        migrations.AddIndex(
            model_name="messagerow",
            index=models.Index(
                condition=models.Q(("sender__gt", "")),
                fields=["conversation", "sender", "seq"],
                name="phoenix_chat_sent",
            ),
        ),
        migrations.AddConstraint(
            model_name="messagerow",
            constraint=models.UniqueConstraint(
                condition=models.Q(("seq__gt", 0)), fields=("conversation", "seq"), name="phoenix_chat_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="messagerow",
            constraint=models.UniqueConstraint(
                condition=models.Q(("client_id__isnull", False)),
                fields=("conversation", "sender", "client_id"),
                name="phoenix_chat_once",
            ),
        ),
    ]
