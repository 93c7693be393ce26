"""Connects to the address that was checked.

Rules:
    1. The name is looked up once for each request; the addresses are checked, and one of them is connected to. A name
       that means something else a moment later (DNS rebinding) changes nothing.
    2. The request says the name all the same: in ``Host``, and to TLS, which checks the certificate against it.
    3. Nothing goes over a proxy of the environment, and no connection is kept, which another name of the same address
       would be given.
"""

from __future__ import annotations

import socket
from typing import Final

import httpx

from .targets import check_addresses, check_target
from .threads import Threads

_MOST_ADDRESSES: Final = 4


class CheckedTransport(httpx.AsyncBaseTransport):
    """A transport for targets that strangers choose.

    Args:
        connections: How many there may be at once (count).
        threads: Where names are looked up.
    """

    def __init__(self, connections: int, threads: Threads) -> None:
        self._threads = threads
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(limits=limits)  # the environment may say which certificates are good

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, to the first of its host's addresses that can be connected to.

        Raises:
            TargetRefused: The host is none that may be sent to.
            httpx.TransportError: What can be wrong with a connection.
        """
        check_target(request.url)
        url, host = request.url, request.url.raw_host.decode("ascii")
        found = await self._look_up(host, url.port or {"http": 80, "https": 443}[url.scheme])
        check_addresses(found)
        addresses = found[:_MOST_ADDRESSES]
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in addresses[:-1]:
            try:
                return await self._send(request, url, address)
            except httpx.ConnectError:
                continue
        return await self._send(request, url, addresses[-1])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _send(self, request: httpx.Request, url: httpx.URL, address: str) -> httpx.Response:
        request.url = url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def _look_up(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, at least one."""
        try:
            found = await self._threads.call(host, socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"the name {host!r} cannot be looked up: {error}") from error
        return list(dict.fromkeys(str(where[0]) for *_, where in found))
