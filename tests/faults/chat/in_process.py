"""Senders on threads of a process that is no web server: ``append`` of the gateway.

Run as a program: on its input are the senders and their conversations, on its output what each was acknowledged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .ground import Ground
from .verdict import Sent


def senders(
    ground: Ground, pairs: Sequence[tuple[str, str]], messages: int, processes: int, patience: float
) -> list[Sent]:
    """Let each of these participants send so many messages, all at the same time, and return what they have sent.

    Args:
        ground: Where.
        pairs: Participants and their conversations.
        messages: How many each sends.
        processes: Among how many processes they are.
        patience: How long it may take (seconds).
    """

    def run(place: int) -> list[Any]:
        given = json.dumps({"pairs": pairs[place::processes], "messages": messages})
        command, environment = [sys.executable, "-m", "faults.chat.in_process"], {**os.environ, **ground.environment}
        done = subprocess.run(
            command, env=environment, input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=patience
        )
        told: list[Any] = json.loads(done.stdout)
        return told

    with ThreadPoolExecutor(processes) as pool:
        return [_sent(each, messages) for told in pool.map(run, range(processes)) for each in told]


def client_ids(sender: str, messages: int) -> list[str]:
    """Return what a sender calls its messages."""
    return [f"{sender} {number}" for number in range(1, messages + 1)]


def _sent(told: dict[str, Any], messages: int) -> Sent:
    acknowledged = {id: (seq, message) for id, (seq, message) in told["acknowledged"].items()}
    return Sent(told["conversation"], told["sender"], client_ids(told["sender"], messages), acknowledged)


class Sender(threading.Thread):
    """One participant, who sends each message until it is acknowledged."""

    def __init__(self, sender: str, conversation: str, messages: int) -> None:
        super().__init__()
        self.told = {"sender": sender, "conversation": conversation, "acknowledged": {}}
        self._messages = messages

    def run(self) -> None:
        for id in client_ids(self.told["sender"], self._messages):
            self.told["acknowledged"][id] = self._send(id)

    def _send(self, id: str) -> tuple[int, str]:
        from phoenix_sessions.contrib.chat.errors import ChatError
        from phoenix_sessions.contrib.chat.gateway import gateway
        from phoenix_sessions.contrib.chat.types import Draft

        while True:
            try:
                draft = Draft(self.told["conversation"], self.told["sender"], {"text": id}, client_id=id)
                message = gateway.append(draft).message
                return message.seq, message.id
            except ChatError as error:
                if error.retry_after_ms is None:
                    raise
                time.sleep(error.retry_after_ms / 1000)


def _main() -> None:
    from .site import configure

    configure()
    from phoenix_sessions import sessions

    given = json.load(sys.stdin)
    threads = [Sender(sender, conversation, given["messages"]) for sender, conversation in given["pairs"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sessions.stop(20)
    json.dump([thread.told for thread in threads], sys.stdout)


if __name__ == "__main__":
    _main()
