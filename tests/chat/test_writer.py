"""The writer: many appends in one transaction, and what it does when there are too many, or no database."""

import asyncio
import contextlib
import threading

import pytest
from chat.forking import in_child, no_thread_reads
from chat.refusing import code
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from psycopg import IsolationLevel
from racing import until

from phoenix_sessions.contrib.chat import storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.types import Draft


def draft(conversation, sender, client_id=None):
    return Draft(conversation, sender, {"text": "hello"}, client_id=client_id)


@pytest.fixture
def other(chat):
    """Another connection to the same database."""
    connection = connections.create_connection(chat.alias)
    connection.inc_thread_sharing()
    yield connection
    connection.close()


@pytest.fixture
def held(other, dm):
    """Holds the conversation, or the file, until the context ends."""

    @contextlib.contextmanager
    def hold(conversation=dm):
        cursor = other.cursor()
        if other.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM phoenix_chat_conversation WHERE id = %s FOR UPDATE", [conversation])
        yield
        cursor.execute("ROLLBACK")

    return hold


@pytest.fixture
def configure(chat, settings):
    """Changes the chat's settings."""

    def configure(**changes):
        settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, **changes}

    return configure


def seqs(conversation, viewer):
    return [each.seq for each in storage.history(conversation, viewer, limit=200).messages]


def test_threads_get_what_was_stored(chat, dm, make_writer):
    writer = make_writer()
    stored = writer.append(draft(dm, chat.alice, "a"))
    assert storage.history(dm, chat.bob).messages == (stored.message,)
    assert writer.append(draft(dm, chat.alice, "a")).repeat


def test_event_loops_get_what_was_stored(chat, dm, make_writer):
    writer = make_writer()

    async def send():
        return await asyncio.gather(*(writer.aappend(draft(dm, chat.alice)) for _ in range(100)))

    stored = asyncio.run(send())
    assert [each.message.seq for each in stored] == list(range(1, 101))


def test_appends_gather_while_one_is_stored(chat, dm, make_writer, held):
    writer = make_writer()
    with held():
        first = writer.submit(draft(dm, chat.alice))
        others = [writer.submit(draft(dm, chat.alice)) for _ in range(20)]
    moments = [each.result(20).message.created_at for each in [first, *others]]
    assert len(set(moments)) <= 3


def test_refusals_are_each_appends_own(chat, dm, make_writer, held):
    writer = make_writer()
    with held():
        senders = [chat.alice, chat.carol, chat.bob, "user:nobody"]
        sent = [writer.submit(draft(dm, sender)) for sender in senders]
    assert [code(each.result) if each.exception(20) else "stored" for each in sent] == [
        "stored",
        "unauthorized",
        "stored",
        "unauthorized",
    ]
    assert code(writer.submit, Draft(dm, chat.alice, {"x": "y" * 70_000})) == "too_large"


def test_what_the_database_does_not_take_fails_alone(chat_on_server, make_writer):
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    writer = make_writer()
    bad = Draft(dm, chat.alice, {}, id="longer than any id may be, by far")
    sent = [writer.submit(each) for each in [draft(dm, chat.alice), bad, draft(dm, chat.bob)]]
    assert code(sent[1].result, 20) == "invalid"
    assert [sent[0].result(20).message.seq, sent[2].result(20).message.seq] == [1, 2]


POISON = {
    "sqlite": """CREATE TRIGGER poison BEFORE INSERT ON phoenix_chat_message WHEN NEW.client_id = 'poison'
        BEGIN SELECT json('{'); END""",
    "postgresql": """CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '{code}'; END $$;
        CREATE TRIGGER poison BEFORE INSERT ON phoenix_chat_message FOR EACH ROW
        WHEN (NEW.client_id = 'poison') EXECUTE FUNCTION poison()""",
}


@pytest.fixture
def poisoned(chat):
    """Has the database refuse a client_id of ``poison``, in a way that is not the message's fault for sure."""

    @contextlib.contextmanager
    def poison(code):
        connection = connections[chat.alias]
        with connection.cursor() as cursor:
            cursor.execute(POISON[connection.vendor].replace("{code}", code))
            yield
            if connection.vendor == "postgresql":
                cursor.execute("DROP FUNCTION poison() CASCADE")

    return poison


@pytest.mark.parametrize("refusal", ["54001", "57014"], ids=["too complex", "statement timeout"])
def test_a_message_that_a_database_in_order_refuses_fails_alone_and_at_once(
    chat, dm, make_writer, held, configure, poisoned, refusal
):
    configure(APPEND_PATIENCE=60)
    with poisoned(refusal):
        writer = make_writer()
        with held():
            sent = [writer.submit(draft(dm, chat.alice, name)) for name in ("a", "b", "poison", "c")]
        assert [sent[place].result(20).message.seq for place in (0, 1, 3)] == [1, 2, 3]
        assert code(sent[2].result, 20) == "unavailable"


def test_a_slow_database_that_refuses_a_batch_is_not_asked_for_each_that_nobody_waits_for(
    chat, dm, make_writer, held, configure, poisoned
):
    configure(APPEND_PATIENCE=0.001)
    with poisoned("57014"):
        writer = make_writer()
        with held():
            _, *sent = [writer.submit(draft(dm, chat.alice, name)) for name in ("a", "poison", "b")]
        assert [code(each.result, 20) for each in sent] == ["unavailable", "unavailable"]


def test_a_sync_append_on_an_event_loop_is_refused(chat, dm, make_writer):
    writer = make_writer()

    async def send():
        with pytest.raises(SynchronousOnlyOperation):
            writer.append(draft(dm, chat.alice))

    asyncio.run(send())


def test_who_does_not_wait_any_more_harms_nobody(chat, dm, make_writer, held):
    writer = make_writer()

    async def begin():
        left = asyncio.create_task(writer.aappend(draft(dm, chat.alice)))
        stays = asyncio.create_task(writer.aappend(draft(dm, chat.bob)))
        await asyncio.sleep(0)
        left.cancel()
        return stays

    async def end(task):
        return await task

    with asyncio.Runner() as runner:
        with held():
            stays = runner.run(begin())
        assert runner.run(end(stays)).message.sender == chat.bob
    thread_left = writer.submit(draft(dm, chat.alice))
    thread_left.cancel()
    assert writer.append(draft(dm, chat.alice)).message.seq >= 2


def test_too_many_appends_are_told_when_to_come_again(chat, dm, make_writer, held, configure):
    configure(QUEUE_MESSAGES=3)
    writer = make_writer()
    with held():
        sent = [writer.submit(draft(dm, chat.alice)) for _ in range(3)]
        with pytest.raises(ChatError) as caught:
            writer.submit(draft(dm, chat.alice))
        assert (caught.value.code, caught.value.reason) == ("backpressure", "full")
        assert 50 <= caught.value.retry_after_ms <= 5000
    assert sorted(each.result(20).message.seq for each in sent) == [1, 2, 3]
    assert writer.append(draft(dm, chat.alice)).message.seq == 4


def test_too_many_bytes_are_too_many(chat, dm, make_writer, held, configure):
    configure(QUEUE_BYTES=100)
    writer = make_writer()
    with held():
        sent = [writer.submit(Draft(dm, chat.alice, {"text": "x" * 60}))]
        assert code(writer.submit, Draft(dm, chat.alice, {"text": "x" * 60})) == "backpressure"
    assert sent[0].result(20).message.seq == 1


def test_a_batch_has_its_most_messages_and_bytes(chat, dm, make_writer, held, configure):
    configure(BATCH_MESSAGES=4, BATCH_BYTES=250)
    writer = make_writer()
    with held():
        sent = [writer.submit(Draft(dm, chat.alice, {"text": "x" * 80})) for _ in range(9)]
    moments = [each.result(20).message.created_at for each in sent]
    assert seqs(dm, chat.alice) == list(range(1, 10))
    assert len(set(moments)) >= 4


def test_drained_it_stores_what_waits_and_takes_no_more(chat, dm, make_writer):
    writer = make_writer()
    sent = [writer.submit(draft(dm, chat.alice)) for _ in range(50)]
    assert writer.drain(20)
    assert [each.result(0).message.seq for each in sent] == list(range(1, 51))
    with pytest.raises(ChatError) as caught:
        writer.submit(draft(dm, chat.alice))
    assert (caught.value.code, caught.value.reason) == ("backpressure", "draining")
    assert len(writer) == 0


def test_drained_for_too_long_it_tells_those_who_wait(chat, dm, make_writer, held, configure):
    configure(BATCH_MESSAGES=1)
    writer = make_writer()
    with held():
        sent = [writer.submit(draft(dm, chat.alice)) for _ in range(3)]
        assert not asyncio.run(writer.adrain(0.01))
        assert code(sent[2].result, 0) == "backpressure"
    outcomes = [each.exception(20) for each in sent]
    stored = sum(outcome is None for outcome in outcomes)
    assert stored == len(seqs(dm, chat.alice)) <= 1


def test_a_writer_that_never_began_is_drained(chat, make_writer):
    assert make_writer().drain(0)


def test_one_held_conversation_does_not_stop_the_others(chat_on_server, make_writer, settings):
    chat = chat_on_server
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, "LOCK_PATIENCE": 0.01, "APPEND_PATIENCE": 30}
    stuck = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    free = storage.create_conversation(chat.alice, [chat.carol]).conversation.id
    writer = make_writer()
    holder = connections.create_connection(chat.alias)
    try:
        holder.set_autocommit(False)
        holder.cursor().execute("SELECT 1 FROM phoenix_chat_conversation WHERE id = %s FOR UPDATE", [stuck])
        waiting = [writer.submit(draft(stuck, chat.alice, str(number))) for number in range(3)]
        for _ in range(5):
            writer.append(draft(free, chat.alice))
        assert not any(each.done() for each in waiting)
        holder.rollback()
        assert [each.result(20).message.seq for each in waiting] == [1, 2, 3]
    finally:
        holder.close()


def test_without_its_database_it_says_so_and_it_recovers_by_itself(chat, dm, make_writer, held, configure):
    if chat.alias == "chat-sqlite":
        connections.settings[chat.alias]["OPTIONS"]["timeout"] = 0.01
    configure(APPEND_PATIENCE=0.2, LOCK_PATIENCE=0.01)
    writer = make_writer()
    with held():
        assert code(writer.append, draft(dm, chat.alice, "a")) == "unavailable"
    configure()
    assert writer.append(draft(dm, chat.alice, "a")).message.seq == 1


def test_a_transaction_that_is_too_isolated_for_a_race_is_tried_again(chat_on_server, make_writer):
    """With REPEATABLE READ, who has waited for a row that was changed must begin anew."""
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    options = connections.settings[chat.alias]["OPTIONS"]
    holder = connections.create_connection(chat.alias)
    connections.settings[chat.alias]["OPTIONS"] = {**options, "isolation_level": IsolationLevel.REPEATABLE_READ}
    try:
        holder.set_autocommit(False)
        holder.cursor().execute("UPDATE phoenix_chat_conversation SET title = 'new' WHERE id = %s", [dm])
        sent = [make_writer().submit(draft(dm, chat.alice, str(number))) for number in range(3)]
        until(lambda: waits_for_a_row(chat.alias))
        holder.commit()
        assert sorted(each.result(20).message.seq for each in sent) == [1, 2, 3]
    finally:
        connections.settings[chat.alias]["OPTIONS"] = options
        holder.close()


def waits_for_a_row(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
        return cursor.fetchone()[0]


@pytest.fixture
def outage(chat_on_server):
    """Throws everybody out of the database, and lets nobody in until the context ends."""
    alias = chat_on_server.alias
    name = connections.settings[alias]["NAME"]
    connections.settings["chat-server"] = {**connections.settings[alias], "NAME": "postgres"}
    server = connections.create_connection("chat-server")

    @contextlib.contextmanager
    def outage():
        with server.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
            yield
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    yield outage
    server.close()
    del connections.settings["chat-server"]


def test_a_server_that_goes_and_comes_back_costs_nobody_his_message(chat_on_server, make_writer, outage):
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    writer = make_writer()
    writer.append(draft(dm, chat.alice))
    with outage():
        sent = [writer.submit(draft(dm, chat.alice)) for _ in range(10)]
    assert [each.result(20).message.seq for each in sent] == list(range(2, 12))
    assert seqs(dm, chat.bob) == list(range(1, 12))


def test_a_server_that_stays_away_is_unavailable_and_the_next_use_finds_it(
    chat_on_server, make_writer, outage, settings
):
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, "APPEND_PATIENCE": 0.1}
    writer = make_writer()
    with outage():
        assert code(writer.append, draft(dm, chat.alice, "a")) == "unavailable"
        assert code(storage.history, dm, chat.alice) == "unavailable"
        assert code(storage.mark_read, dm, chat.alice) == "unavailable"
    assert storage.history(dm, chat.alice).last_seq == 0
    until(lambda: is_stored(writer, draft(dm, chat.alice, "a")))
    assert seqs(dm, chat.alice) == [1]


def is_stored(writer, draft):
    """Send it, and return whether it was stored in the little time that there is."""
    with contextlib.suppress(ChatError):
        return writer.append(draft).message.seq == 1


def test_a_connection_that_was_cut_while_nobody_used_it_costs_nothing(chat_on_server, make_writer, outage):
    chat = chat_on_server
    dm = storage.create_conversation(chat.alice, [chat.bob]).conversation.id
    with outage():
        pass
    assert storage.history(dm, chat.alice).last_seq == 0


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_writes_by_itself(chat, dm, make_writer):
    writer = make_writer()
    writer.append(draft(dm, chat.alice))
    no_thread_reads()
    connections[chat.alias].close()

    def child():
        writer.append(draft(dm, chat.bob))
        assert writer.drain(20)

    assert in_child(child) == 0
    assert writer.append(draft(dm, chat.alice)).message.seq == 3
    assert [each.sender for each in storage.history(dm, chat.alice).messages] == [chat.alice, chat.bob, chat.alice]


def test_without_a_thread_it_says_so_and_goes_on_when_there_is_one(chat, dm, make_writer, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    writer = make_writer()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert code(writer.append, draft(dm, chat.alice, "a")) == "unavailable"
    assert writer.append(draft(dm, chat.bob)).message.seq == 2
    assert writer.append(draft(dm, chat.alice, "a")).repeat


def test_its_thread_ends_when_it_is_drained(chat, dm, make_writer):
    writer = make_writer()
    writer.append(draft(dm, chat.alice))
    writer.drain(20)
    assert not [each for each in threading.enumerate() if each.name == f"phoenix_chat-writer-{chat.alias}"]


def test_nobody_waits_for_ever_for_a_database_that_neither_answers_nor_fails(chat, dm, make_writer, held, configure):
    configure(APPEND_PATIENCE=0.02, LOCK_PATIENCE=30)
    writer = make_writer()

    async def send():
        await writer.aappend(draft(dm, chat.alice, "a"))

    with held():
        assert code(writer.append, draft(dm, chat.alice, "a")) == "unavailable"
        assert code(asyncio.run, send()) == "unavailable"
    configure()
    assert make_writer().append(draft(dm, chat.alice, "a")).message.seq == 1
