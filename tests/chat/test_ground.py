"""Ids, settings, and the check."""

import os
import threading

import pytest
from chat.forking import in_child
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from phoenix_sessions.contrib.chat import conf, ids
from phoenix_sessions.contrib.chat.apps import check_database, check_time_zones
from phoenix_sessions.contrib.chat.endpoints import Endpoint
from phoenix_sessions.contrib.chat.kinds import AgentAuth, ParticipantStatus


def test_ids_grow_also_within_a_millisecond():
    made = [ids.new_id() for _ in range(5000)]
    assert made == sorted(set(made))
    assert {len(id) for id in made} == {ids.LENGTH}


def test_ids_grow_on_every_thread_and_are_different_on_all():
    made = []

    def make():
        made.append([ids.new_id() for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each == sorted(each) for each in made)
    assert len({id for each in made for id in each}) == 8000


def test_ids_grow_though_the_clock_is_set_back(monkeypatch):
    moments = iter([5_000_000_000, 3_000_000_000, 4_000_000_000])
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(moments))
    own = ids.Ids()
    made = [own.new() for _ in range(3)]
    assert made == sorted(made)


def test_a_forked_child_makes_none_of_its_parents_ids(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 5_000_000_000)
    ids._after_fork()
    ids.new_id()
    receives, sends = os.pipe()
    assert in_child(lambda: os.write(sends, "".join(ids.new_id() for _ in range(10)).encode())) == 0
    theirs = os.read(receives, 260).decode()
    os.close(receives), os.close(sends)
    ours = {ids.new_id() for _ in range(10)}
    monkeypatch.undo()
    ids._after_fork()
    assert not ours & {theirs[place : place + 26] for place in range(0, 260, 26)}


def test_a_shard_is_one_of_1024_and_stays():
    assert {ids.shard_of(ids.new_id()) for _ in range(20_000)} <= set(range(1024))
    assert ids.shard_of("01JDC3M4ZK8Q2W7X9Y5T6V1B0N") == ids.shard_of("01JDC3M4ZK8Q2W7X9Y5T6V1B0N")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"DATABSE": "default"}, "did you mean 'DATABASE'"),
        ({"nonsense": 1}, "must be one of"),
        ({"DATABASE": "nowhere"}, "must be one of"),
        ({"BATCH_MESSAGES": "many"}, "Expected `int`"),
        ({"QUEUE_MESSAGES": 0}, "greater than 0"),
        ({"PAGE_SIZE": 201}, "MAX_PAGE_SIZE"),
        ({"JOIN_PAGE": 201}, "MAX_PAGE_SIZE"),
        ({"TYPING_SECONDS": 0}, "greater than 0"),
        ({"ALLOW_PRIVATE_WEBHOOKS": 1}, "Expected `bool`"),
        ({"JWT_ALGORITHMS": ["none"]}, "Invalid enum value 'none'"),
        ({"JWT_ALGORITHMS": ["HS256", "RS256"]}, "a key is for one of them"),
        ({"JWT_ALGORITHMS": []}, "a key is for one of them"),
        ({"JWT_KEY": "short"}, "at least 32 bytes"),
        ({"JWT_KEY": f"-----BEGIN PUBLIC KEY-----{'x' * 99}"}, "JWT_ALGORITHMS"),
        ({"JWT_KEY": "x" * 99, "JWT_ALGORITHMS": ["RS256"]}, "public key in PEM"),
        ({"JWT_KEY": "-----BEGIN RSA PRIVATE KEY-----", "JWT_ALGORITHMS": ["RS256"]}, "public key in PEM"),
        ([], "must be a dict"),
    ],
)
def test_a_wrong_setting_is_refused(settings, given, message):
    settings.PHOENIX_SESSIONS_CHAT = given
    with pytest.raises(ImproperlyConfigured, match=message):
        conf.get_config()


def test_settings_are_read_anew_when_they_change(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"PAGE_SIZE": 7}
    assert conf.get_config().page_size == 7


def test_moments_need_time_zones(settings):
    assert check_time_zones(None) == []
    settings.USE_TZ = False
    assert [error.id for error in check_time_zones(None)] == ["phoenix_sessions_chat.E001"]


@pytest.mark.parametrize(("zone", "expected"), [(None, []), ("UTC", []), ("Europe/Berlin", ["E003"])])
def test_a_file_whose_moments_are_of_another_zone_is_refused(sqlite, settings, zone, expected):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite}
    connections[sqlite].settings_dict = {**connections[sqlite].settings_dict, "TIME_ZONE": zone}
    assert [error.id[-4:] for error in check_database(None)] == expected


def test_another_engine_is_refused(sqlite, settings, monkeypatch):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite}
    monkeypatch.setattr(connections[sqlite], "vendor", "oracle")
    assert [error.id for error in check_database(None)] == ["phoenix_sessions_chat.E002"]


def test_an_endpoints_text_does_not_tell_its_secret():
    endpoint = Endpoint("a", "http://x", AgentAuth.BEARER, {"X": "header"}, 1.0, ParticipantStatus.ACTIVE, "secret")
    assert "secret" not in repr(endpoint)
    assert "header" not in f"{endpoint}"
