"""Whose key it is that a request carries; nobody is left to guess."""

from __future__ import annotations

import hmac
import math
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from flask import request

from optillm.config.keys import Client, digest
from optillm.errors import RateLimited, Unauthorized
from optillm.toolkit.bounded import BoundedMap

BURST: Final = 10  # wrong keys an address may send at once
PAUSE: Final = 6.0  # seconds until it may send one more
ADDRESSES: Final = 10_000  # the most addresses that attempts are remembered of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Authenticator:
    """Knows the clients by their keys.

    `proxies` are the addresses of reverse proxies that tell where a request comes from.
    """

    def __init__(self, clients: Sequence[Client], proxies: Sequence[str], clock: Callable[[], float]) -> None:
        self._clients = clients
        self._proxies = [ip_network(proxy, strict=False) for proxy in proxies]
        self._attempts = Attempts(clock)
        self._lock = threading.Lock()  # with `--server threads`, views run side by side

    def client(self, key: bytes) -> Client:
        """Return the client whose key it is that the current request carries.

        Raises `Unauthorized`, or `RateLimited` after too many wrong ones.
        """
        sent = digest(key)
        origin = source(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), self._proxies)
        wait = self._attempts.wait(origin, sent)
        if wait > 0:
            raise RateLimited("Too many wrong API keys", headers={"Retry-After": str(math.ceil(wait))})
        matching = [  # all, always
            client for client in self._clients if hmac.compare_digest(sent, client.digest)
        ]
        if matching and not matching[0].disabled:
            with self._lock:
                self._attempts.right(origin, sent)
            return matching[0]
        if key and not matching:
            with self._lock:
                self._attempts.wrong(origin)
        raise Unauthorized(
            "This API key is disabled"
            if matching
            else "A valid API key is needed; send it as `Authorization: Bearer <key>`",
            headers={"WWW-Authenticate": "Bearer"},
        )


class Attempts:
    """Wrong keys by the address they came from: `BURST` at once, then one every `PAUSE` seconds.

    Who was let in from an address stays in whatever others try from there: many clients may share one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._paid = BoundedMap[str, float](ADDRESSES)  # when the wrong keys of an address are forgotten
        self._let_in = BoundedMap[tuple[str, bytes], None](ADDRESSES)

    def wait(self, address: str, digest: bytes) -> float:
        """Seconds until a key from this address is looked at; none for one that was right before."""
        if (address, digest) in self._let_in:
            return 0.0
        return self._paid.get(address, 0.0) - self._clock() - (BURST - 1) * PAUSE

    def wrong(self, address: str) -> None:
        """Note a wrong key."""
        now = self._clock()
        self._paid[address] = max(self._paid.get(address, now), now) + PAUSE

    def right(self, address: str, digest: bytes) -> None:
        """Note a right one."""
        self._let_in[address, digest] = None


def source(remote: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Return where a request comes from: the last address that is no trusted proxy's.

    Only trusted proxies are believed. `forwarded` is the value of `X-Forwarded-For`. One IPv6 address stands for its
    whole /64: a client has all of it.
    """
    last: Address | None = None
    for hop in (remote, *reversed(forwarded.split(","))):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            break
        last = getattr(address, "ipv4_mapped", None) or address
        if not any(last in proxy for proxy in proxies):
            break
    if isinstance(last, IPv6Address):
        return str(ip_network((last, 64), strict=False))
    return str(last or remote)
