"""Decide who may come in, before each view.

With keys, those who have one or have signed in; without, those who call this server by a name of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Response, g, request
from werkzeug.exceptions import Forbidden

from optillm.chat import Grant
from optillm.config.keys import Client
from optillm.config.values import is_loopback
from optillm.errors import BudgetExhausted, OptillmError
from optillm.server.access.budgets import Accounts, Admission
from optillm.server.access.origins import refuse_forgeries
from optillm.server.access.policy import current_policy
from optillm.server.access.sessions import COOKIE
from optillm.server.bridge import in_thread
from optillm.server.state import here

if TYPE_CHECKING:
    from optillm.config.settings import Settings

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


def guard(settings: Settings, accounts: Accounts) -> Callable[[], None]:
    """What refuses a request, asked before each.

    By its name for us, by its key or its session, or because the key has had its share.
    """
    names = {"localhost", settings.host.strip("[]").lower(), *map(str.lower, settings.allowed_hosts)}
    has_keys = bool(accounts.keys.clients)

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

    def admit(client: Client) -> None:
        policy = current_policy()
        g.client, g.grant = client, client.grant
        if policy.counted:
            admission = partial(accounts.admit, client, spends=policy.spending)
            g.admission = in_thread(admission) if accounts.limited(client) else admission()
            g.grant = g.admission.grant

    def refuse() -> None:
        if not has_keys and is_loopback(settings.host):
            check_host()
        if has_keys and current_policy().authenticated:
            admit(_client())

    return refuse


def granted() -> Grant:
    """Return what the sender of this request may do."""
    grant: Grant | None = g.get("grant")
    return grant or Grant()


def owner() -> str | None:
    """Return the name of the client whose traces the sender may see; `None` for those of all."""
    client: Client | None = g.get("client")
    return None if client is None or client.operator else client.name


def signed_in() -> Client | None:
    """Return the client who has signed in with a browser, if one did and their session lasts."""
    return here().sessions.client(request.cookies.get(COOKIE, ""))


def _client() -> Client:
    """Return the client who sends the request, by the key in its headers, else by its session."""
    key = _key_sent()
    session = None if key else signed_in()
    if session is None:
        return here().authenticator.client(key)
    if request.method not in SAFE:
        refuse_forgeries()
    return session


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
