"""The three tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates them."""

    initial = True
    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("epoch", models.BigIntegerField()),
                ("version", models.BigIntegerField()),
                ("birth", models.BinaryField()),
                ("state", models.BinaryField()),
                ("touched", models.FloatField()),
                ("expires", models.FloatField(null=True)),
                ("fence", models.BigIntegerField(null=True)),
                ("commits", models.BinaryField()),
                ("actions", models.BinaryField()),
                ("logged", models.BigIntegerField()),
                ("trimmed", models.BigIntegerField()),
            ],
            options={
                "db_table": "phoenix_sessions_session",
                "indexes": [
                    models.Index(
                        fields=["expires"],
                        name="phoenix_sessions_expires",
                        condition=models.Q(("expires__isnull", False)),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LogEntry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "session", "seq", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("session", models.CharField(max_length=64)),
                ("seq", models.BigIntegerField()),
                ("entry", models.BinaryField()),
            ],
            options={"db_table": "phoenix_sessions_log", "verbose_name_plural": "log entries"},
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("owner", models.CharField(max_length=255)),
                ("fence", models.BigIntegerField()),
                ("until", models.FloatField()),
            ],
            options={"db_table": "phoenix_sessions_lease"},
        ),
    ]
