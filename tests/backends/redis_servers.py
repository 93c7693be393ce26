"""Redis servers of the tests' own, which keep nothing, and end with the test."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from conftest import require
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ConnectionError, MovedError, ResponseError

PATIENCE = 10.0


def free_port():
    """Return a port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it took more than {PATIENCE:g} s"
        time.sleep(0.01)


class RedisServer:
    """A server on a free port.

    Args:
        directory: Where it may write.
        options: Its settings, as redis.conf has them.
        sentinel: Whether it is a Sentinel, to which ``options`` is its file.
    """

    def __init__(self, directory, *options, port=None, password=None, sentinel=False):
        require(shutil.which("redis-server"), "redis-server is not installed (Debian: redis-server)")
        self.port = port or free_port()
        self.password = password
        self._directory = directory
        self._file = directory / f"{self.port}.conf"
        secret = [f"requirepass {password}"] if password else []
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {directory}", 'save ""', *secret, *options]
        if sentinel:
            lines = [line for line in lines if not line.startswith("save")]
        self._file.write_text("\n".join(lines) + "\n")
        self._mode = ["--sentinel"] if sentinel else []
        self.start()

    @property
    def url(self):
        """Where it is."""
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    def client(self):
        """Return a client of redis-py."""
        return Redis.from_url(self.url, protocol=2)

    def start(self):
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            ["redis-server", str(self._file), *self._mode], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers)

    def stop(self):
        """End it, as a machine that fails ends it."""
        self._process.kill()
        self._process.wait()

    def owns(self, key):
        """Return whether it is a cluster's node that has a key."""
        with self.client() as client, contextlib.suppress(MovedError):
            client.exists(key)
            return True
        return False

    @contextlib.contextmanager
    def frozen(self):
        """Let it neither answer nor go away."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self):
        assert self._process.poll() is None, f"redis-server ended with {self._process.returncode}"
        with self.client() as client, contextlib.suppress(ConnectionError):
            return client.ping()
        return False


class RedisCluster:
    """A cluster of primaries.

    Args:
        directory: Where they may write.
        size: How many have slots, each as many as others.
        idle: How many have none, besides.
    """

    def __init__(self, directory, size=3, idle=0):
        self.nodes = []
        self._size = size
        try:
            for number in range(size + idle):
                home = directory / f"node-{number}"
                home.mkdir()
                bus = free_port()
                self.nodes.append(
                    RedisServer(home, "cluster-enabled yes", f"cluster-port {bus}", "cluster-node-timeout 2000")
                )
            self._join()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        """Where one of its nodes is."""
        return self.nodes[0].url

    def move(self, key, source, target):
        """Move a key's slot, and all keys in it, to another node; pause after each step."""
        slot = key_slot(key.encode())
        with source.client() as old, target.client() as new:
            old_name, new_name = (client.execute_command("CLUSTER MYID") for client in (old, new))
            new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", old_name)
            old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", new_name)
            yield "begun"
            for each in old.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000):
                old.migrate("127.0.0.1", target.port, each, 0, 5000)
                yield "moving"
            yield "moved"
            for client in (new, old):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", new_name)
        wait_for(self._agree)  # who takes a slot over before he knows the last epoch may take the same one, and lose it
        yield "done"

    def empty(self):
        """Delete all keys."""
        for node in self.nodes:
            with node.client() as client:
                client.flushall()

    def wait_until_whole(self):
        """Wait until every node knows that all slots are served."""
        wait_for(lambda: all(map(self._is_whole, self.nodes)))

    def stop(self):
        """End all nodes."""
        for node in self.nodes:
            node.stop()

    def _join(self):
        step = 16384 // self._size + 1
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                if number < self._size:
                    first = number * step
                    client.execute_command("CLUSTER ADDSLOTSRANGE", first, min(first + step, 16384) - 1)
        with self.nodes[0].client() as client:
            for node in self.nodes[1:]:
                port, bus = node.port, self._bus(node)
                client.execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
        self.wait_until_whole()

    @staticmethod
    def _bus(node):
        with node.client() as client:
            return int(client.config_get("cluster-port")["cluster-port"])

    def _agree(self):
        views = []
        for node in self.nodes:
            with node.client() as client:
                known = client.execute_command("CLUSTER NODES").values()
                views.append({each["node_id"]: (each["epoch"], each["slots"]) for each in known})
        epochs = [epoch for epoch, slots in views[0].values() if slots]
        return all(view == views[0] for view in views) and len(set(epochs)) == len(epochs)

    def _is_whole(self, node):
        with node.client() as client, contextlib.suppress(ResponseError):
            info = client.execute_command("CLUSTER INFO")
            return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(len(self.nodes))
        return False


class LossyLine:
    """Passes bytes on to a server's port and back, but may lose answers to scripts.

    Args:
        target: The server's port.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target):
        self._target = target
        self._losing = False
        self._sockets = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads[0].start()
        return self

    def __exit__(self, *error):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads.pop(0).join()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    @contextlib.contextmanager
    def losing(self):
        """Lose what the server answers to scripts, for the time of the block."""
        self._losing = True
        yield
        self._losing = False

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                lost = threading.Event()
                for work, *args in ((self._ask, client, server, lost), (self._answer, server, client, lost)):
                    self._threads.append(threading.Thread(target=work, args=args))
                    self._threads[-1].start()

    def _ask(self, client, server, lost):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._losing and b"EVAL" in data:
                    lost.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, server, client, lost):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if not lost.is_set():
                    client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def silent_port():
    """Give a port that takes connections, and answers nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1000)
        yield listener.getsockname()[1]


@contextlib.contextmanager
def answering_port(word, answer):
    """Give a port that answers OK to all commands, but for those with a word.

    Args:
        word: The word, bytes.
        answer: Answers to them; is given the socket. The connection ends if it raises OSError.
    """

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                if word in data:
                    answer(connection)
                else:
                    connection.sendall(b"+OK\r\n" * len(re.findall(rb"\*\d+\r\n", data)))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()


def trickling_port(word):
    """Give a port that answers to commands with a word byte by byte, for seconds."""

    def trickle(connection):
        connection.sendall(b"$1000\r\n")
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.02)

    return answering_port(word, trickle)
