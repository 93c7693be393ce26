"""``python client.py URL COOKIE``: a client of its own process, to be killed; says "open" and waits for its end."""

import sys

from websockets.sync.client import connect

if __name__ == "__main__":
    with connect(sys.argv[1], additional_headers={"Cookie": sys.argv[2]}, proxy=None) as socket:
        socket.recv()
        print("open", flush=True)  # noqa: T201
        for _ in socket:
            pass
