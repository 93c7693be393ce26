"""What a verb refuses with."""

import pytest

from phoenix_sessions.contrib.chat.errors import ChatError


def code(verb, *args, **kwargs):
    with pytest.raises(ChatError) as caught:
        verb(*args, **kwargs)
    return caught.value.code
