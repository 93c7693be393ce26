"""The tables come from a fresh migrate, and are what the models say."""

from django.core.management import call_command
from django.db import connections


def test_fleetlm_a_fresh_database_could_not_migrate(alias):
    with connections[alias].cursor() as cursor:
        tables = connections[alias].introspection.table_names(cursor)
    assert {name for name in tables if name.startswith("phoenix_chat_")} == {
        "phoenix_chat_agent",
        "phoenix_chat_conversation",
        "phoenix_chat_delivery",
        "phoenix_chat_membership",
        "phoenix_chat_message",
        "phoenix_chat_participant",
    }


def test_the_migrations_say_all_that_the_models_do(sqlite):
    call_command("makemigrations", "phoenix_sessions_chat", check=True, dry_run=True, verbosity=0)


def test_a_message_has_four_indexes_and_no_more(postgresql):
    with connections[postgresql].cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'phoenix_chat_message'")
        columns = sorted(row[0].partition(" USING btree ")[2] for row in cursor.fetchall())
    assert columns == [
        "(conversation_id, sender_id, client_id) WHERE (client_id IS NOT NULL)",
        "(conversation_id, sender_id, seq) WHERE ((sender_id)::text > ''::text)",
        "(conversation_id, seq) WHERE (seq > 0)",
        "(id)",
    ]
