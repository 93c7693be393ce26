"""Which addresses agents may be at.

Rules:
    1. Only http and https, with a host, and without a user or a password in the URL.
    2. Only addresses of the public internet: no loopback, link-local, private, shared, multicast, reserved ones, and
       none of those in an IPv6 disguise (mapped, 6to4, Teredo, NAT64). ``ALLOW_PRIVATE_WEBHOOKS`` lets them all in.
    3. A name is as good as the worst of its addresses. It is looked up when something is sent, and what was checked is
       what is connected to.

Source: https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

import httpx

from ..conf import get_config
from ..errors import invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class TargetRefused(Exception):
    """Nothing is sent there."""


def check_url(url: str) -> None:
    """Refuse what no agent may be at, as far as can be told without looking the name up.

    Raises:
        ChatError: ``invalid``.
    """
    try:
        parsed = httpx.URL(url)
        parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, TypeError) as error:
        raise invalid(url="must be a URL") from error
    try:
        check_target(parsed)
    except TargetRefused as error:
        raise invalid(url=str(error)) from error


def check_target(url: httpx.URL) -> None:
    """Refuse what no agent may be at, as far as can be told without looking the name up.

    Raises:
        TargetRefused: It is none.
    """
    if url.scheme not in ("http", "https") or not url.host:
        raise TargetRefused("must begin with http:// or https://, and have a host")
    if url.port is not None and not 0 < url.port < 2**16:
        raise TargetRefused("must have a port from 1 to 65535, or none")
    if url.userinfo:
        raise TargetRefused("must not have a user or a password in it: use auth, secret and headers")
    host = url.host.rstrip(".").lower()
    if f".{host}".endswith(".localhost") and not get_config().allow_private_webhooks:
        raise TargetRefused("must not be this machine")
    check_addresses(_written(host))


def _written(host: str) -> list[str]:
    """Return the address that a host is, and not a name; also as 127.1, 0x7f.1 and 2130706433, which resolvers take."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except (OSError, ValueError):
        return []


def check_addresses(addresses: Iterable[str]) -> None:
    """Refuse a host that has any address that is not public.

    Raises:
        TargetRefused: It has one, and the settings do not allow it.
    """
    if get_config().allow_private_webhooks:
        return
    for address in addresses:
        if not is_public(address):
            raise TargetRefused(f"must be at a public address, and is at {address}")


def is_public(address: str) -> bool:
    """Return whether an address is one of the public internet."""
    return all(_is_public(each) for each in _meant(ipaddress.ip_address(address)))


def _is_public(address: Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_private
        or address.is_unspecified
        or getattr(address, "is_site_local", False)
    )


def _meant(address: Address) -> list[Address]:
    """Return the addresses that packets to this one end at."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    inner: list[Address] = [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
    inner += list(address.teredo or ())
    return inner or [address]
