"""An agent's endpoint: a real HTTP server on loopback that answers by a script, and remembers what it was sent."""

import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT = 20


def wait_until(condition):
    """Wait until something is so, and return it."""
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.01)
    return found


class Request:
    """What came in."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body
        self.turn = json.loads(body)

    @property
    def texts(self):
        return [message["content"]["text"] for message in self.turn["messages"]]


class Endpoint(ThreadingHTTPServer):
    """Answers each request by the next step of the script, and by the last one from then on.

    A step is called with the handler. ``released`` is what slow ones wait for.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.script = []
        self.requests = []
        self.released = threading.Event()
        self.together = self.most_together = 0
        self._turn = threading.Lock()

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=[0.01])
        self._thread.start()
        return self

    def __exit__(self, *args):
        self.released.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"

    def begin(self, request):
        with self._turn:
            self.requests.append(request)
            self.together += 1
            self.most_together = max(self.together, self.most_together)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def end(self):
        with self._turn:
            self.together -= 1

    def handle_error(self, request, address):
        """Whoever asked has gone."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        step = self.server.begin(Request(self.path, self.headers, body))
        try:
            step(self)
        finally:
            self.server.end()

    def log_message(self, *args):
        """Say nothing."""

    def head(self, status, **headers):
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()


def answer(status=200, body=b"", **headers):
    """A step that answers at once; the body is JSON unless it is bytes."""
    if not isinstance(body, bytes):
        body, headers = json.dumps(body).encode(), {"Content_Type": "application/json", **headers}

    def step(handler):
        handler.head(status, Content_Length=str(len(body)), **headers)
        handler.wfile.write(body)

    return step


def says(text):
    return answer(body={"content": {"text": text}})


def hold(then):
    """A step that waits until the server is released."""

    def step(handler):
        handler.server.released.wait(LIMIT)
        then(handler)

    return step


def break_off(handler):
    """Answer the half of what was promised."""
    handler.head(200, Content_Type="application/json", Content_Length="1000")
    handler.wfile.write(b'{"content":')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def endless(handler):
    """Answer more than anybody takes."""
    handler.head(200, Content_Type="application/json")
    for _ in range(10_000):
        handler.wfile.write(b" " * 65536)


def stream(kind, *parts, end=True):
    """A step that answers in parts; without an end, the last one is waited for in vain until the server is released."""

    def step(handler):
        handler.head(200, Content_Type=kind)
        for part in parts:
            handler.wfile.write(part.encode())
            handler.wfile.flush()
        if not end:
            handler.server.released.wait(LIMIT)

    return step
