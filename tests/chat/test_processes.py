"""Ten conversations of fifty who all send at once: by one gateway, and by three OS processes of which one is killed."""

import asyncio
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from chat.conftest import end
from django.db import connections

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.models import Membership, MessageRow
from phoenix_sessions.contrib.chat.types import Draft

CONVERSATIONS, SENDERS, TIMES, PARTS = 10, 50, 3, 3
SENDING = Path(__file__).with_name("sending.py")


@pytest.fixture
def start():
    """Starts a part of the senders, as a process; none is left behind."""
    started = []

    def start(alias, part):
        started.append(sending(alias, part))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def sending(alias, part):
    given = connections.settings[alias]
    engine, name = given["ENGINE"].rpartition(".")[2], str(given["NAME"])
    command = [sys.executable, str(SENDING), engine, name, str(part), str(PARTS), str(TIMES)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process, acknowledged):
    """Read what a process says, to the end, and check that it never says two things of one message."""
    for line in process.stdout:
        note(line, acknowledged)
    assert process.wait() == 0


def note(line, acknowledged):
    conversation, sender, number, seq = line.split()
    key = (conversation, sender, int(number))
    assert acknowledged.setdefault(key, int(seq)) == int(seq)


@pytest.fixture
def crowd(alias, settings):
    """Ten groups of fifty."""
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": alias, "SENDS_PER_SECOND": None}
    people = [f"user:{number:02}" for number in range(SENDERS)]
    for person in people:
        storage.create_participant(person)
    for _ in range(CONVERSATIONS):
        storage.create_conversation(people[0], people[1:], group=True)
    yield alias
    end()


async def send(conversation, sender, acknowledged):
    """Send one message after the other, each twice at once, as somebody does who believes that the first was lost."""
    for number in range(TIMES):
        draft = Draft(conversation, sender, {"text": str(number)}, client_id=str(number))
        both = await asyncio.gather(gateway.aappend(draft), gateway.aappend(draft))
        assert sorted(stored.repeat for stored in both) == [False, True]
        [acknowledged[conversation, sender, number]] = {stored.message.seq for stored in both}


def test_nothing_is_lost_doubled_or_reordered_by_one_gateway(crowd):
    pairs = list(Membership.objects.using(crowd).values_list("conversation_id", "participant_id"))
    acknowledged = {}

    async def send_all():
        await asyncio.gather(*(send(*pair, acknowledged) for pair in pairs))

    asyncio.run(send_all())
    must_be_stored_once_and_in_order(crowd, acknowledged)


def test_nothing_is_lost_doubled_or_reordered_though_a_process_is_killed(crowd, start):
    acknowledged = {}
    processes = [start(crowd, part) for part in range(PARTS)]
    victim = processes[0]
    for line, _ in zip(victim.stdout, range(150), strict=False):
        note(line, acknowledged)
    victim.kill()
    for line in victim.stdout:
        if line.endswith("\n"):
            note(line, acknowledged)
    victim.wait()
    before = len(acknowledged)
    processes[0] = start(crowd, 0)  # sends everything again, by the same client_ids
    for process in processes:
        said(process, acknowledged)
    assert 150 <= before < len(acknowledged) == CONVERSATIONS * SENDERS * TIMES
    must_be_stored_once_and_in_order(crowd, acknowledged)


def must_be_stored_once_and_in_order(crowd, acknowledged):
    assert len(acknowledged) == CONVERSATIONS * SENDERS * TIMES
    stored = defaultdict(list)
    for row in MessageRow.objects.using(crowd).order_by("conversation_id", "seq"):
        assert acknowledged[row.conversation_id, row.sender_id, int(row.client_id)] == row.seq
        stored[row.conversation_id].append(row)
    assert len(stored) == CONVERSATIONS
    for messages in stored.values():
        assert [row.seq for row in messages] == list(range(1, SENDERS * TIMES + 1))
        assert [row.created_at for row in messages] == sorted(row.created_at for row in messages)
        numbers = defaultdict(list)
        for row in messages:
            numbers[row.sender_id].append(int(row.client_id))
        assert set(map(tuple, numbers.values())) == {tuple(range(TIMES))}
        assert storage.inbox("user:07").items[0].unread == (SENDERS - 1) * TIMES
