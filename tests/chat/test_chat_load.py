"""The chat's bench runs, ends by itself, and loads no other machine by mistake; what it measures is never tested."""

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGINT, SIGTERM
from subprocess import PIPE

import pytest

pytest.importorskip("rich")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parents[2]
OWN = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
LOAD = [sys.executable, "-m", "bench.chat_load"]

TALK = """
import asyncio, sys
from bench import chat_places, chat_server, layers, servers
from bench.chat_client import Crowd

ours = sys.argv[1] == "ours"
if not ours and (why := layers.why_no_redis()):
    sys.exit(print(f"no layer: {why}"))

async def talk(port, places):
    crowd = Crowd()
    await crowd.join(f"ws://127.0.0.1:{port}/chat/conversation/", places)
    await crowd.say(40, 200)
    print(await crowd.settle(10, 60), crowd.tally.sent, len(crowd.tally.echoes), end=" ")
    crowd.leave()

with chat_server.database("sqlite") as database:
    chat_places.set_up(database)
    places = (chat_places.of_ours if ours else chat_places.of_the_usual)(2, "k" * 32)
    told = chat_server.told(database, "k" * 32, redis=None if ours else servers.REDIS, one_thread=True)
    with chat_server.served(chat_server.OURS if ours else chat_server.USUAL, told) as daphne:
        asyncio.run(talk(daphne.port, places))
        asyncio.run(talk(daphne.port, places))
"""
SEARCH = """
import sys
from bench.chat_steps import search
most, tried = float(sys.argv[1]), []
rates = search()
rate = next(rates)
while True:
    tried.append(rate)
    try:
        rate = rates.send(rate <= most)
    except StopIteration as end:
        print(end.value, len(tried), len(set(tried)))
        break
"""


def run(*arguments, **environ):
    command = [*LOAD, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env={**OWN, **environ}, capture_output=True, text=True, timeout=300)


def python(script, *arguments):
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=OWN, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def children(pid):
    """The processes that one has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_it_shows_that_nothing_was_lost(tmp_path):
    chart = tmp_path / "chart.svg"
    load = ["--participants", 4, "--conversations", 2, "--rate", 20, "--warm-up", 0, "--seconds", 1]
    result = run(*load, "--database", "sqlite", "--chart", chart)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "p99" in result.stdout
    assert chart.read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--url", "http://192.0.2.1/chat/"], "--anywhere"),
        (["--url", "http://127.0.0.1:1/chat/"], "CHAT_LOAD_KEY"),
        (["--seconds", "601"], "at most 600"),
        (["--participants", "3", "--conversations", "2"], "at least two for each"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, reason):
    result = run(*arguments)
    assert result.returncode == 2
    assert reason in result.stderr


@pytest.mark.parametrize("contender", ["ours", "usual"])
def test_one_client_talks_to_either_chat_and_may_come_again(contender):
    said = python(TALK, contender)
    if said[0] == "no":
        pytest.skip(" ".join(said))
    assert said == ["True", "40", "40"] * 2


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="who is whose child is asked of /proc")
@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
def test_whoever_stops_it_leaves_no_server_behind(signal):
    load = [*LOAD, "--participants", "2", "--conversations", "1", "--rate", "5", "--seconds", "600"]
    with subprocess.Popen(
        [*load, "--database", "sqlite"], cwd=ROOT, env=OWN, stdout=PIPE, stderr=PIPE, text=True
    ) as one:
        assert "2 participants" in one.stdout.readline()  # its server is there
        servers = children(one.pid)
        one.send_signal(signal)
        one.communicate(timeout=60)
    assert (len(servers), one.returncode) == (1, 130)
    assert not Path("/proc", servers[0]).exists()


@pytest.mark.parametrize(
    ("most", "found"), [(5, (0, 0)), (60, (50, 60)), (100, (100, 100)), (1_000, (930, 1_000)), (1e9, (1e4, 2e4))]
)
def test_the_search_finds_the_highest_rate_that_is_borne(most, found):
    highest, tried, different = map(float, python(SEARCH, str(most)))
    assert found[0] <= highest <= found[1]
    assert tried == different < 20
