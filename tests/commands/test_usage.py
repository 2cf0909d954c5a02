"""`optillm usage`: what keys have used today, from the store that servers count in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from optillm.chat import Usage
from optillm.commands.usage import usage
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError
from optillm.observe.record import Record
from optillm.server.access.budgets import Accounts
from optillm.server.access.store import Store, open_storage
from tests.config.test_settings import bare_machine
from tests.shared_store import redis_server

__all__ = ["bare_machine"]
pytestmark = pytest.mark.usefixtures("bare_machine")

NOON = 20_000 * 86_400 + 43_200.0  # Unix time
KEYS = f"""
[keys.alice]
key = "sha256:{sha256(b"secret").hexdigest()}"
requests_per_minute = 60
tokens_per_day = 1000
max_tokens = 300
[keys.bob]
key = "sha256:{sha256(b"other").hexdigest()}"
[keys.carol]
key = "sha256:{sha256(b"third").hexdigest()}"
cost_per_day = 2.5
disabled = true
"""


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield str(tmp_path / "counters")
        return
    with redis_server(tmp_path) as server:
        yield server.url


def settings(place: str, keys: str = KEYS, **more: Any) -> Settings:
    Path("keys.toml").write_text(keys, encoding="utf-8")
    return Settings(keys="keys.toml", store=place, **more)


def accounts(chosen: Settings) -> Accounts:
    """Accounts as a server has them, on noon of a day."""
    return Accounts(chosen.client_keys, Store(lambda: open_storage(chosen.counters)), clock=lambda: NOON)


def record(client: str, tokens: int, cost: float | None = None, **more: Any) -> Record:
    known: dict[str, Any] = {"technique": "bon", "calls": {"generate": 3, "judge": 2}} | more
    used = Usage(tokens, 0)
    return Record(
        "r",
        "/chat/completions",
        client,
        model="m",
        status=200,
        started=NOON,
        seconds=1.0,
        usage=used,
        cost=cost,
        **known,
    )


def rows(chosen: Settings, now: float = NOON) -> dict[str, Any]:
    shown = json.loads(usage(chosen, as_json=True, now=now))
    return {row.pop("name"): row for row in shown["keys"]}


def test_each_key_has_a_row_against_its_limits(place: str) -> None:
    chosen = settings(place, optillm_api_key=("plain",))
    books = accounts(chosen)
    books.note(record("alice", 120, 0.25))
    books.note(record("alice", 30, technique="none", calls={}))
    books.note(record("bob", 7, 0.5))
    books.note(record("key-1", 1))
    books.close()
    assert usage(chosen, now=NOON).splitlines() == [
        "KEY               REQUESTS         CALLS  TOKENS       DOLLARS",
        "key-1             1                5      1            $0.0000",
        "alice             2 (60 a minute)  6      150 of 1000  $0.2500",
        "bob               1                5      7            $0.5000",
        "carol (disabled)  0                0      0            $0.0000 of $2.5000",
        "",
        "The day is 2024-10-04 (UTC).",
    ]
    assert rows(chosen)["alice"] == {
        "requests": 2,
        "calls": 6,
        "tokens": {"used": 150, "held": 0, "limit": 1000},
        "cost": {"used": 0.25, "held": 0.0, "limit": None},
        "requests_per_minute": 60,
        "disabled": False,
    }


def test_what_running_requests_hold_is_shown_separately(place: str) -> None:
    chosen = settings(place)
    books = accounts(chosen)
    alice = next(client for client in chosen.client_keys.clients if client.name == "alice")
    admission = books.admit(alice, spends=True)
    books.note(record("alice", 120))
    books.close()
    assert "120 of 1000 (300 held)" in usage(chosen, now=NOON)
    assert rows(chosen)["alice"]["tokens"] == {"used": 120, "held": 300, "limit": 1000}
    books.release(admission)
    assert "120 of 1000  " in usage(chosen, now=NOON)


def test_all_keys_together_have_a_row_if_they_have_limits(place: str) -> None:
    chosen = settings(place, f"{KEYS}\n[server]\ncost_per_day = 50")
    books = accounts(chosen)
    for name in ("alice", "bob"):
        books.note(record(name, 10, 0.125))
    books.close()
    together = rows(chosen)["all keys together"]
    assert (together["requests"], together["calls"]) == (2, 10)
    assert together["cost"] == {"used": 0.25, "held": 0.0, "limit": 50.0}


def test_a_new_day_begins_with_nothing(place: str) -> None:
    chosen = settings(place)
    books = accounts(chosen)
    books.note(record("alice", 120))
    books.close()
    assert rows(chosen, NOON + 43_200)["alice"]["tokens"]["used"] == 0


def test_keys_without_limits_are_counted_too(tmp_path: Path) -> None:
    chosen = settings(
        str(tmp_path / "counters"), f'[keys.bob]\nkey = "sha256:{sha256(b"other").hexdigest()}"'
    )
    books = Accounts.of(chosen)
    books.note(record("bob", 7))
    books.close()
    assert rows(chosen)["bob"]["tokens"]["used"] == 7


def test_keys_without_limits_need_no_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "counters").write_bytes(b"this is no database" * 100)
    chosen = settings(
        str(tmp_path / "counters"), f'[keys.bob]\nkey = "sha256:{sha256(b"other").hexdigest()}"'
    )
    accounts = Accounts.of(chosen)
    accounts.admit(chosen.client_keys.clients[0], spends=True)
    accounts.note(record("bob", 7))
    accounts.close()
    assert "The store of counters does not work: " in caplog.text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"keys": None}, "nothing is counted by key, because there is no keys file: name one with --keys"),
        ({"keys": None, "optillm_api_key": ("k",)}, "nothing is counted by key"),
        (
            {},
            "nothing has been counted in .*counters: no server with these settings has served a request yet",
        ),
        ({"store": "keys.toml"}, "store: keys.toml: file is not a database"),
        ({"store": "redis://:s3cret@127.0.0.1:1/0"}, "the store does not answer: "),
    ],
)
def test_one_line_says_why_there_is_nothing_to_show(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    pytest.importorskip("redis")
    chosen = settings(str(tmp_path / "counters")).model_copy(update=changes)
    with pytest.raises(SettingsError, match=f"^{told}") as error:
        usage(chosen)
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "counters").exists()
