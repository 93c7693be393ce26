"""docs/coming-from-phoenix.md names only what is there, and leaves out nothing that the original has."""

import ast
import builtins
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings as site
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

import phoenix_sessions
from phoenix_sessions import (
    EffectHandle,
    RateLimitExceeded,
    Reducer,
    SessionFacts,
    SessionManager,
    SessionProcess,
    SessionRef,
    Subscription,
    consumers,
    decorators,
    middleware,
    telemetry,
    views,
)
from phoenix_sessions.conf import DEFAULTS, NAME
from phoenix_sessions.runtime import telemetry as runtime_telemetry

PAGE = (Path(__file__).parents[2] / "docs/coming-from-phoenix.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)$\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROWS = [[cell.strip() for cell in row[1:-1].split("|")] for row in re.findall(r"^\|.+\|$", PAGE, re.MULTILINE)]
EVENTS = {value for name, value in vars(runtime_telemetry).items() if name.isupper()}

OURS = {
    "sessions": SessionManager, "ref": SessionRef, "handle": EffectHandle, "subscription": Subscription,
    "self": SessionProcess, "telemetry": telemetry,
}  # fmt: skip
PLACES = [phoenix_sessions, consumers, decorators, middleware, views, builtins]
DECLARED = [SessionProcess, Reducer, SessionFacts, SessionRef, consumers.SessionConsumerMixin]
WORDS = {
    "count_changed",  # a method of the reader's consumer
    *vars(RateLimitExceeded(1, 1.0, 1.0)),
    *inspect.signature(SessionManager.start_session).parameters,
    *inspect.signature(SessionManager.start_sessions).parameters,
    *inspect.signature(SessionRef.dispatch).parameters,
}


def spans(column):
    """The code in a column of all tables (0 = there)."""
    return [span for row in ROWS for span in re.findall(r"`([^`]+)`", row[column])]


def parsed(span):
    """The span as Python, or None where it is something else."""
    try:
        return ast.parse(span.removeprefix("@")).body[0]
    except SyntaxError:
        return None


def dotted(node):
    return [*dotted(node.value), node.attr] if isinstance(node, ast.Attribute) else [getattr(node, "id", "")]


def there(name):
    """Whether something of ours, or of Python and Django, has this name."""
    if name.isupper() and len(name) > 1:
        return name in DEFAULTS or name == NAME or hasattr(site, name)
    declared = (hasattr(owner, name) or name in getattr(owner, "__annotations__", {}) for owner in DECLARED)
    return name in WORDS or any(hasattr(place, name) for place in PLACES) or any(declared)


def callbacks(name):
    return [getattr(owner, name) for owner in (SessionProcess, Reducer) if hasattr(owner, name)]


def missing(span):
    """What a span of ours names that is not there."""
    tree = parsed(span)
    if tree is None or span.startswith(("phoenix_sessions.", "request.")):
        return []
    found = [name for name in re.findall(r"\b[A-Z][a-z]\w+", ast.unparse(tree)) if not there(name)]
    heads = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    heads += tree.targets if isinstance(tree, ast.Assign) else [tree.value] if isinstance(tree, ast.Expr) else []
    found += [head.id for head in heads if isinstance(head, ast.Name) and not there(head.id)]
    for node in ast.walk(tree):
        root, *rest = dotted(node) if isinstance(node, ast.Attribute) else [""]
        if root in OURS and not hasattr(OURS[root], rest[0]):
            found.append(f"{root}.{rest[0]}")
    return found


CODE = sorted({span for column in (1, 2) for span in spans(column)})


def test_every_row_has_three_columns():
    assert {len(row) for row in ROWS} == {3}


def test_what_the_page_names_is_there():
    assert {span: missing(span) for span in CODE if missing(span)} == {}


def test_what_the_page_names_of_a_request_is_there():
    request = HttpRequest()
    request.session = SessionBase()
    middleware.attach(request)
    assert {span.removeprefix("request.") for span in CODE if span.startswith("request.")} <= vars(request).keys()


def test_events_and_modules_on_the_page_are_there():
    names = [span for span in CODE if re.fullmatch(r"phoenix_sessions\.[a-z_.]+", span)]
    assert [name for name in names if name not in EVENTS and find_spec(name) is None] == []


def test_what_the_page_calls_can_be_called_so():
    for span in CODE:
        if re.match(r"(sessions|ref|handle)\.\w+\(", span):
            call = parsed(span).value
            owner, verb = dotted(call.func)
            signature = inspect.signature(getattr(OURS[owner], verb))
            signature.bind(None, *call.args, **{keyword.arg: keyword.value for keyword in call.keywords})


def test_callbacks_take_what_the_page_says():
    for span in CODE:
        if re.match(r"\w+\(self\b", span) and (call := parsed(span).value).func.id not in WORDS:
            takes = [list(inspect.signature(method).parameters) for method in callbacks(call.func.id)]
            assert [each.id for each in call.args] in takes, span


def test_the_page_tells_every_setting():
    assert set(re.findall(r"\b[A-Z_]{4,}\b", SECTIONS["Settings"])) - {NAME} == set(DEFAULTS)


def test_the_page_tells_every_event():
    assert set(re.findall(r"`(phoenix_sessions\.[a-z_.]+)`", SECTIONS["Telemetry"])) >= EVENTS


ORIGINAL = {
    "helpers": "start_sessions terminate_sessions broadcast_all session_health find_sessions_by_pattern safe_call "
    "create_session_with_retry get_session_module",
    "functions": "start_session started? terminate touch call cast list_session session_info list_sessions_by_module "
    "find_session session_stats dispatch dispatch_async subscribe unsubscribe get_state select_state get_session_id",
    "callbacks": "init_state combined_reducers handle_call handle_cast handle_info handle_action handle_async "
    "handle_unmatched_action handle_unmatched_async",
    "settings": "session_process max_sessions session_ttl rate_limit unmatched_action_handler",
    "events": ":start :stop :start_error :call :cast :communication_error :worker_start :worker_terminate "
    ":session_start :session_end :auto_cleanup :cleanup :cleanup_error :rate_limit_check :rate_limit_exceeded "
    ":dispatch :subscribe :unsubscribe :notification",
    "errors": ":invalid_session_id :session_limit_reached :rate_limit_exceeded :session_not_found :process_not_found "
    ":timeout :call_failed :cast_failed",
    "attributes": "@name @action_prefix @throttle @debounce reducers: reducer_prefix: cancel_ref:",
}


@pytest.mark.parametrize("name", [name for names in ORIGINAL.values() for name in names.split()])
def test_the_page_tells_what_the_original_has(name):
    assert any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", span) for span in spans(0))
