"""`optillm usage [flags]`: show what each key has used today."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optillm.commands import Invocation
from optillm.commands.tables import columns
from optillm.config.keys import MICRO, Keys, UsageLimits
from optillm.config.sources import SettingsError
from optillm.config.values import masked, number
from optillm.server.access.budgets import KEY, SERVER, counter
from optillm.stores import StoreDown

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.server.access.store import Store


@dataclass(frozen=True, slots=True)
class Amount:
    """The use of one daily budget.

    `held` is what running requests may still take; `limit` is `None` if there is none.
    """

    used: float
    held: float = 0
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One key's use today: requests that went upstream, their calls, tokens and US dollars."""

    name: str
    requests: int
    calls: int
    tokens: Amount
    cost: Amount
    requests_per_minute: int | None = None
    disabled: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def run(invocation: Invocation) -> None:
    """Print the use of all keys."""
    print(usage(invocation.read(), as_json=invocation.arguments.json))


def usage(settings: Settings, *, as_json: bool = False, now: float | None = None) -> str:
    """Return the use of all keys from the server's store, as a table or JSON.

    `now` is Unix time. Raises `SettingsError` if there is nothing to show.
    """
    if not settings.keys:
        raise SettingsError("nothing is counted by key, because there is no keys file: name one with --keys")
    timestamp = time.time() if now is None else now
    rows = _rows(settings.client_keys, _opened(settings), timestamp)
    day = time.strftime("%Y-%m-%d", time.gmtime(timestamp))
    if as_json:
        return json.dumps({"day": day, "keys": [asdict(row) for row in rows]}, indent=2)
    head = ("KEY", "REQUESTS", "CALLS", "TOKENS", "DOLLARS")
    return f"{columns([head, *map(_cells, rows)])}\n\nThe day is {day} (UTC)."


def _opened(settings: Settings) -> Store:
    from optillm.server.access.store import Store, open_storage

    try:
        location = settings.counters
        if "://" not in location and not Path(location).exists():
            raise SettingsError(
                f"nothing has been counted in {location}: no server with these settings has served a request yet"
            )
        storage = open_storage(location)
    except ValueError as error:
        raise SettingsError(f"store: {masked(str(error))}") from None
    return Store(lambda: storage)


def _rows(keys: Keys, store: Store, now: float) -> list[Row]:
    try:
        rows = [
            _row(store, f"{KEY}{client.name}", client.name, client.limits, now, disabled=client.disabled)
            for client in keys.clients
        ]
        if keys.server.any:
            rows.append(_row(store, SERVER, "all keys together", keys.server, now))
    except StoreDown as error:
        raise SettingsError(f"the store does not answer: {masked(str(error))}") from None
    return rows


def _row(
    store: Store, account: str, name: str, limits: UsageLimits, now: float, *, disabled: bool = False
) -> Row:
    def amount(kind: str, unit: int, limit: float | None) -> Amount:
        held = store.value(counter(account, f"{kind}/held", now))
        used = store.value(counter(account, kind, now)) - held
        return Amount(used / unit if unit > 1 else used, held / unit if unit > 1 else held, limit)

    return Row(
        name,
        store.value(counter(account, "requests", now)),
        store.value(counter(account, "calls", now)),
        amount("tokens", 1, limits.tokens_per_day),
        amount("cost", MICRO, limits.cost_per_day),
        limits.requests_per_minute,
        disabled,
    )


def _cells(row: Row) -> tuple[str, ...]:
    rate = "" if row.requests_per_minute is None else f" ({row.requests_per_minute} a minute)"
    return (
        f"{row.name} (disabled)" if row.disabled else row.name,
        f"{row.requests}{rate}",
        str(row.calls),
        _shown(row.tokens, ""),
        _shown(row.cost, "$"),
    )


def _shown(amount: Amount, unit: str) -> str:
    """`120 of 1000 (400 held)`."""
    limit = "" if amount.limit is None else f" of {unit}{_digits(amount.limit, unit)}"
    held = f" ({unit}{_digits(amount.held, unit)} held)" if amount.held else ""
    return f"{unit}{_digits(amount.used, unit)}{limit}{held}"


def _digits(value: float, unit: str) -> str:
    return f"{value:.4f}" if unit else number(value)
