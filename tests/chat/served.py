"""The test site for servers in processes of their own, with tokens for the chat's sockets."""

from testsite.served import *  # noqa: F403

PHOENIX_SESSIONS_CHAT = {
    "JWT_KEY": "the-key-of-the-tests-" + "x" * 40,
    "SENDS_PER_SECOND": None,
    "AGENTS": {"agent:robot": "chat.shouting.shout"},
}
