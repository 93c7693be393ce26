"""No page of the admin reads a whole table, with 100,000 messages on PostgreSQL."""

import json

import pytest
from chat.test_admin import PAGES
from chat.test_plans import full  # noqa: F401
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connections

pytestmark = pytest.mark.urls("chat.admin_site")

SEARCHES = [
    ("participantrow", {"q": "user:7"}),
    ("participantrow", {"who": "user.disabled"}),
    ("conversationrow", {"q": f"{7:026}"}),
    ("conversationrow", {"q": "user:7"}),
    ("membership", {"q": "user:7"}),
    ("membership", {"conversation": f"{7:026}"}),
    ("messagerow", {"q": f"{71:M>26}"}),
    ("messagerow", {"q": f"{7:026}"}),
    ("messagerow", {"conversation": f"{7:026}"}),
    ("messagerow", {"conversation": "nothing"}),
]


def plans(connection, seen):
    for sql, params in seen:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            (found,) = cursor.fetchone()
        yield sql, (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def unbounded(plan, bounded=False):
    """Yield the tables that are read to their end, with what is looked for."""
    kind = plan["Node Type"]
    bounded = kind == "Limit" or (bounded and kind not in ("Sort", "Hash", "Aggregate"))
    if kind == "Seq Scan" and plan["Plan Rows"] > 1000 and ("Filter" in plan or not bounded):
        yield plan["Relation Name"], plan.get("Filter")
    for below in plan.get("Plans", ()):
        yield from unbounded(below, bounded)


def asked(connection, model, query, rf):
    """Show a list, and return what the database was asked for."""
    page = admin.site._registry[apps.get_model("phoenix_sessions_chat", model)]
    request = rf.get("/", query)
    request.user = User(username="root", is_superuser=True, is_staff=True, is_active=True)
    seen = []

    def note(execute, sql, params, many, context):
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        assert page.changelist_view(request).render().status_code == 200
    assert seen
    return seen


def test_no_list_and_no_search_reads_a_whole_table(rf, chat_on_server, full):  # noqa: F811
    connection = connections[chat_on_server.alias]
    found = [
        (model, query, step, sql)
        for model, query in [*((model, {}) for model in PAGES), *SEARCHES]
        for sql, plan in plans(connection, asked(connection, model, query, rf))
        for step in unbounded(plan)
    ]
    assert found == []
