"""The HTTP API answers what its OpenAPI document says, whatever it is asked."""

import pytest
import schemathesis
from chat.calling import come_to_rest, token, use_tokens
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.types import Draft

DOCUMENT = schemathesis.openapi.from_wsgi("/chat/openapi.json", get_wsgi_application())
OPERATIONS = {operation.ok().label: operation.ok() for operation in DOCUMENT.get_all_operations()}
EXAMPLES = 15
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]


@pytest.fixture
def site(sqlite, make_writer, settings):
    """A conversation and a registered agent, on SQLite: an engine's own refusals are storage's tests."""
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite, "SENDS_PER_SECOND": None}
    use_tokens(settings)
    for name in ("user:alice", "user:bob", "user:carol"):
        storage.create_participant(name)
    storage.create_participant("agent:robot", "agent")
    storage.register_agent("agent:robot", "https://robot.example/")
    group = storage.create_conversation("user:alice", ["user:bob", "user:carol"]).conversation.id
    message = make_writer().append(Draft(group, "user:alice", {"text": "one"})).message.id
    yield {"conversation": group, "message": message, "participant": "user:carol", "agent": "agent:robot"}
    come_to_rest()


# hypothesis takes what a thread of the site does meanwhile, such as to wait a random time, for the strategy's doing
@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("label", OPERATIONS)
def test_no_answer_is_undocumented_and_none_is_a_fault_of_ours(site, label, mode):
    operation = OPERATIONS[label]
    headers = {"Authorization": f"Bearer {token('user:alice', scope='admin')}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def ask(case, real):
        if real:
            case.path_parameters = {name: site[name] for name in case.path_parameters or {}}
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    ask()
