"""Decide who may come in: with keys, those who send one.

Without keys, those who call this server by a name of its own.
"""

from __future__ import annotations

import hmac
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from flask import Response, g, request
from werkzeug.exceptions import Forbidden

from optillm.config.keys import Client, digest
from optillm.config.values import is_loopback
from optillm.errors import BudgetExhausted, OptillmError, RateLimited, Unauthorized
from optillm.server.access.budgets import Accounts, Admission
from optillm.server.access.policy import current_policy
from optillm.server.bridge import in_thread
from optillm.server.state import here
from optillm.toolkit.bounded import BoundedMap

if TYPE_CHECKING:
    from optillm.config.settings import Settings

BURST: Final = 10  # wrong keys an address may send at once
PAUSE: Final = 6.0  # seconds until it may send one more
ADDRESSES: Final = 10_000  # the most addresses that attempts are remembered of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def guard(
    settings: Settings, accounts: Accounts, clock: Callable[[], float] = time.monotonic
) -> Callable[[], None]:
    """What refuses a request, asked before each.

    By its name for us, by its key, or because the key has had its share.
    """
    clients = accounts.keys.clients
    names = {"localhost", settings.host.strip("[]").lower(), *map(str.lower, settings.allowed_hosts)}
    proxies = [ip_network(proxy, strict=False) for proxy in settings.trusted_proxies]
    attempts = Attempts(clock)
    lock = threading.Lock()  # with `--server threads`, views run side by side

    def check_host() -> None:
        """Refuse names that are not ours.

        A web page may have one of its own resolve to this machine.
        """
        host = request.headers.get("Host")
        name = None if host is None else _name(host)
        if name is not None and name not in names and not is_loopback(name):
            raise Forbidden(
                f"Without a key, this server answers only to local names, not to {(name or host or '')[:100]!r}; "
                "allow it with --allowed-hosts, or set OPTILLM_API_KEY or --keys"
            )

    def check_key() -> Client:
        sent = digest(_key_sent())
        origin = source(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), proxies)
        wait = attempts.wait(origin, sent)
        if wait > 0:
            raise RateLimited("Too many wrong API keys", headers={"Retry-After": str(math.ceil(wait))})
        matching = [client for client in clients if hmac.compare_digest(sent, client.digest)]  # all, always
        if matching and not matching[0].disabled:
            with lock:
                attempts.right(origin, sent)
            return matching[0]
        if _key_sent() and not matching:
            with lock:
                attempts.wrong(origin)
        raise Unauthorized(
            "This API key is disabled"
            if matching
            else "A valid API key is needed; send it as `Authorization: Bearer <key>`",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def refuse() -> None:
        if not clients and is_loopback(settings.host):
            check_host()
        policy = current_policy()
        if not policy.authenticated:
            return
        client = check_key() if clients else None
        if client is not None:
            g.grant = client.grant
            if policy.counted:
                admit = partial(accounts.admit, client, spends=policy.spending)
                g.admission = in_thread(admit) if accounts.limited(client) else admit()
                g.grant = g.admission.grant

    return refuse


def naming_the_limit(error: OptillmError) -> OptillmError:
    """Return the error, naming the daily limit that caused it, if one did."""
    admission: Admission | None = g.get("admission")
    if isinstance(error, BudgetExhausted) and admission is not None and admission.bound_by:
        return BudgetExhausted(f"{error.message}. The budget is {admission.bound_by}", headers=error.headers)
    return error


def settle(response: Response) -> Response:
    """Tell the client what is left for its key.

    When the request has been served, give back what it held.
    """
    admission: Admission | None = g.get("admission")
    if admission is None:
        return response
    response.headers.update(admission.headers)
    if (
        response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        and response.headers.get("x-should-retry") == "false"
        and admission.day_ends
    ):
        response.headers.setdefault("Retry-After", str(admission.day_ends))
    if admission.holds:
        response.call_on_close(partial(here().accounts.release, admission))
    return response


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


_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.~-]+))(?::\d*)?")
"""A Host header: an IPv6 address in brackets or a name, and the port."""


def _name(host: str) -> str:
    """Return the name in a Host header, without port and brackets.

    It is "" for anything but a name or an address.
    """
    match = _HOST.fullmatch(host)
    return (match[1] or match[2]).lower().rstrip(".") if match else ""


def _key_sent() -> bytes:
    """The key a client sent as a bearer token, or the way Azure's clients do."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = request.headers.get("api-key", "")
    return key.strip().encode("latin-1", "replace")  # WSGI's header text is bytes read as Latin-1
