"""What keys may use: admitted, held, booked; by a clock that only tests move."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from optillm.chat import Budget, Relay, Usage
from optillm.config.keys import Client, Keys, load_keys
from optillm.errors import BudgetExhausted, NotCounted, RateLimited
from optillm.observe.record import Record
from optillm.server.access.budgets import Accounts
from optillm.server.access.store import FileStorage, Store
from optillm.server.app import create_app
from optillm.server.bridge import GreenletTask
from optillm.server.state import state_of
from optillm.stores import StoreDown
from tests.server.access.test_auth import Clock, bearer
from tests.server.fakes import CHAT, HELLO, FakeEngine, settings, stream, visiting
from tests.server.test_app import error_of

NOON = 20_000 * 86_400 + 43_200.0  # Unix time
TO_MIDNIGHT = "43200"


def sealed(key: str) -> str:
    return f'key = "sha256:{sha256(key.encode()).hexdigest()}"'


class Office:
    """Accounts on a clock, in a store that can fail; what they book they book at once."""

    def __init__(self, folder: Path, tables: str, ceiling: Budget | None = None) -> None:
        file = folder / "keys.toml"
        file.write_text(tables, encoding="utf-8")
        self.keys: Keys = load_keys(str(file), ["plain-key"], ("bon", "moa"))
        self.clock = Clock()
        self.clock.now = NOON
        self.store = Store(lambda: FileStorage(folder / "counters.sqlite3", self.clock), self.clock)
        self.down = False
        self.accounts = Accounts(self.keys, self, ceiling, self.clock)
        self.accounts.close()

    def add(self, name: str, amount: int) -> int:
        self._fail()
        return self.store.add(name, amount)

    def hit(self, name: str, per_minute: int) -> tuple[bool, int, float]:
        self._fail()
        return self.store.hit(name, per_minute)

    def client(self, name: str = "alice") -> Client:
        return next(client for client in self.keys.clients if client.name == name)

    def use(self, tokens: int = 0, cost: float | None = None, client: str = "alice") -> None:
        """Book what a request took."""
        usage = Usage(tokens - tokens // 2, tokens // 2)
        self.accounts.note(
            Record("r", CHAT, client, "none", "m", 200, self.clock.now, 1.0, usage=usage, cost=cost)
        )

    def _fail(self) -> None:
        if self.down:
            raise StoreDown("it is unplugged")

    @contextmanager
    def served(self, engine: FakeEngine) -> Iterator[FlaskClient]:
        chosen = settings(keys=__file__)
        vars(chosen)["client_keys"] = self.keys  # in place of what the file would hold
        with visiting(create_app(chosen, engine, self.clock, self.accounts)) as client:
            yield client


def alice(*lines: str, server: str = "") -> str:
    return "\n".join(["[server]", server, "[keys.alice]", sealed("secret"), *lines])


def chat(client: FlaskClient, key: str = "secret", **more: Any) -> TestResponse:
    return client.post(CHAT, json=HELLO, headers=bearer(key, **more))


# Who comes in


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("secret", 200),
        ("plain-key", 200),
        ("Secret", 401),
        ("", 401),
        ("sécret", 401),
        ("\x00", 401),
        ("s" * 60_000, 401),
        (sealed("secret")[7:-1], 401),
        (sha256(b"secret").hexdigest(), 401),
    ],
)
def test_a_key_of_the_file_opens_and_its_hash_does_not(tmp_path: Path, key: str, status: int) -> None:
    with Office(tmp_path, alice()).served(FakeEngine()) as client:
        response = client.get(
            "/v1/techniques", headers={"Authorization": f"Bearer {key}".encode().decode("latin-1")}
        )
    assert response.status_code == status


def test_the_key_stays_here_and_its_grant_goes_along(tmp_path: Path) -> None:
    engine = FakeEngine()
    with Office(tmp_path, alice("max_calls = 7", 'techniques = ["bon"]')).served(engine) as client:
        chat(client)
        chat(client, "plain-key")
    first, second = engine.asked
    assert first.authorization is second.authorization is None
    assert (first.grant.client, first.grant.ceiling, first.grant.techniques) == (
        "alice",
        Budget(max_calls=7),
        frozenset({"bon"}),
    )
    assert (second.grant.client, second.grant.ceiling) == ("key-1", Budget())


def test_with_a_keys_file_any_name_of_the_server_will_do(tmp_path: Path) -> None:
    with Office(tmp_path, alice()).served(FakeEngine()) as client:
        assert chat(client, Host="proxy.test").status_code == 200


def test_a_disabled_key_is_told_so_and_is_no_wrong_guess(tmp_path: Path) -> None:
    with Office(tmp_path, alice("disabled = true")).served(FakeEngine()) as client:
        for _ in range(20):
            response = chat(client)
            assert response.status_code == 401
        assert chat(client, "plain-key").status_code == 200
    assert error_of(response)["message"] == "This API key is disabled"


def test_a_keys_file_without_limits_needs_no_store() -> None:
    accounts = Accounts.of(settings(store="/nowhere/counters.sqlite3", optillm_api_key=["k"]))
    admission = accounts.admit(accounts.keys.clients[0], spends=True)
    assert (admission.headers, admission.holds) == ({}, [])
    accounts.note(Record("r", CHAT, "key-1", "none", "m", 200, NOON, 1.0, usage=Usage(1, 1)))
    accounts.close()


def test_only_the_key_that_sent_a_request_may_call_it_off(tmp_path: Path) -> None:
    office = Office(tmp_path, alice())
    with office.served(FakeEngine()) as client:
        state_of(client.application).serving["alice/r1"].append(GreenletTask(bool))
        path = "/v1/chat/cancel/r1"
        assert client.post(path, headers=bearer("plain-key")).status_code == 404
        assert client.post(path, headers=bearer("secret")).status_code == 200


# Rates


def test_a_key_that_is_too_fast_is_told_when_to_come_again(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("requests_per_minute = 2"))
    with office.served(FakeEngine()) as client:
        first = chat(client)
        office.clock.now += 20
        second, refused = chat(client), chat(client)
        other = chat(client, "plain-key")
        office.clock.now += 40.1
        again = chat(client)
    assert [each.status_code for each in (first, second, refused, other, again)] == [200, 200, 429, 200, 200]
    assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == (
        "2",
        "1",
    )
    assert first.headers["x-ratelimit-reset-requests"] == "60s"
    assert refused.headers["Retry-After"] == "40"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    error = error_of(refused)
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert not any(name.lower().startswith("x-ratelimit") for name, _ in other.headers)


def test_all_keys_together_have_a_rate_that_nobody_is_told(tmp_path: Path) -> None:
    office = Office(tmp_path, alice(server="requests_per_minute = 3"))
    with office.served(FakeEngine()) as client:
        statuses = [chat(client, key).status_code for key in ("secret", "plain-key", "secret", "plain-key")]
        refused = chat(client)
    assert statuses == [200, 200, 200, 429]
    assert refused.headers["Retry-After"] == "60"
    assert not any(name.lower().startswith("x-ratelimit") for name, _ in refused.headers)


def test_what_makes_no_work_upstream_is_not_counted(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("requests_per_minute = 1"))
    with office.served(FakeEngine()) as client:
        for path in ("/health", "/v1/nowhere", "/v1/chat/cancel/x"):
            for _ in range(3):
                client.post(path, headers=bearer("secret"))
        assert chat(client).status_code == 200
        assert client.get("/v1/models", headers=bearer("secret")).status_code == 429


# Budgets


def test_a_day_has_so_many_tokens_and_the_next_one_again(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    engine = FakeEngine()
    with office.served(engine) as client:
        office.use(tokens=700)
        first = chat(client)
        assert first.headers["x-ratelimit-remaining-tokens"] == "300"
        assert first.headers["x-ratelimit-reset-tokens"] == f"{TO_MIDNIGHT}s"
        assert engine.asked[0].grant.ceiling == Budget(max_tokens=300)
        office.use(tokens=301)
        refused = chat(client)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == TO_MIDNIGHT
        assert refused.headers["x-should-retry"] == "false"
        assert error_of(refused)["code"] == "insufficient_quota"
        assert client.get("/v1/models", headers=bearer("secret")).status_code == 200
        assert chat(client, "plain-key").status_code == 200
        office.clock.now += 43_200
        assert chat(client).status_code == 200
        assert engine.asked[-1].grant.ceiling == Budget(max_tokens=1000)


def test_cost_is_counted_to_the_millionth_of_a_dollar(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("cost_per_day = 0.001"))
    engine = FakeEngine()
    with office.served(engine) as client:
        for _ in range(3):
            office.use(10, cost=0.0000101)
        office.use(10, cost=None)
        chat(client)
        assert engine.asked[0].grant.ceiling == Budget(max_cost=0.000967)
        office.use(10, cost=0.001)
        assert "$0.001 a day" in error_of(chat(client))["message"]


@pytest.mark.parametrize(
    ("tokens", "cost", "left"),
    [(10**30, None, None), (-(10**30), -5.0, 1000), (2**63 - 1, 1e300, None), (0, math.inf, 1000)],
)
def test_an_upstream_may_report_what_it_likes(
    tmp_path: Path, tokens: int, cost: float | None, left: int | None
) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    for _ in range(3):
        office.use(tokens, cost)
    if left is None:
        with pytest.raises(RateLimited, match="is reached"):
            office.accounts.admit(office.client(), spends=True)
    else:
        assert office.accounts.admit(office.client(), spends=True).grant.ceiling.max_tokens == left


def test_all_keys_together_have_a_budget(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 900", server="tokens_per_day = 1000\ncost_per_day = 5"))
    engine = FakeEngine()
    with office.served(engine) as client:
        office.use(tokens=300, cost=1.0, client="key-1")
        chat(client)
        assert engine.asked[0].grant.ceiling == Budget(max_tokens=700, max_cost=4.0)
        office.use(tokens=700, cost=1.0, client="key-1")
        assert "all keys together" in error_of(chat(client))["message"]
        assert chat(client, "plain-key").status_code == 429


def test_requests_side_by_side_cannot_use_more_than_the_day_has(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000", "max_tokens = 400"))
    other_process = Accounts(office.keys, office, None, office.clock)
    accounts, client = office.accounts, office.client()
    first, second, third = (accounts.admit(client, spends=True) for _ in range(3))
    assert [each.grant.ceiling.max_tokens for each in (first, second, third)] == [400, 400, 200]
    with pytest.raises(RateLimited, match="held by running requests") as refused:
        other_process.admit(client, spends=True)
    assert refused.value.headers == {"Retry-After": "1"}
    office.use(tokens=150)
    accounts.release(first)
    assert accounts.admit(client, spends=True).grant.ceiling.max_tokens == 50
    for each in (second, third, third):
        accounts.release(each)
    assert accounts.admit(client, spends=True).grant.ceiling.max_tokens == 400


@pytest.mark.parametrize(
    ("limits", "tokens", "cost", "words"),
    [
        (
            "tokens_per_day = 1000",
            1000,
            0.0,
            "The limit of 1000 tokens a day for the key 'alice' is reached; it resets",
        ),
        ("cost_per_day = 2.5", 0, 2.5, "The limit of $2.5 a day for the key 'alice' is reached; it resets"),
    ],
)
def test_a_used_up_limit_is_named_with_when_it_resets(
    tmp_path: Path, limits: str, tokens: int, cost: float, words: str
) -> None:
    office = Office(tmp_path, alice(limits))
    office.use(tokens, cost)
    office.clock.now += 3 * 3600 + 30.5 * 60
    with pytest.raises(RateLimited) as refused:
        office.accounts.admit(office.client(), spends=True)
    assert refused.value.message == f"{words} in 8 h 30 min, at midnight UTC"


@pytest.mark.parametrize(
    ("limits", "own", "words"),
    [
        (
            "tokens_per_day = 1000",
            "max_tokens = 400",
            "up to 400 tokens for each of them; try again when one has ended. A smaller max_tokens, of the key",
        ),
        (
            "cost_per_day = 1",
            "max_cost = 0.5",
            "up to $0.5 for each of them; try again when one has ended. A smaller max_cost, of the key",
        ),
    ],
)
def test_a_refusal_says_what_running_requests_hold_and_how_to_hold_less(
    tmp_path: Path, limits: str, own: str, words: str
) -> None:
    office = Office(tmp_path, alice(limits, own))
    with suppress(RateLimited):
        for _ in range(4):
            office.accounts.admit(office.client(), spends=True)
    with pytest.raises(RateLimited) as refused:
        office.accounts.admit(office.client(), spends=True)
    assert "a day for the key 'alice' is used up or held by running requests" in refused.value.message
    assert words in refused.value.message


def test_a_budget_error_names_the_daily_limit_that_caused_it(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    office.use(tokens=900)
    with office.served(FakeEngine(BudgetExhausted("too little"))) as client:
        told = error_of(chat(client))["message"]
        assert told == (
            "too little. The budget is what is left of the 1000 tokens a day for the key 'alice'; "
            "it resets in 12 h 0 min, at midnight UTC"
        )
        assert error_of(chat(client, "plain-key"))["message"] == "too little"


def test_what_many_threads_take_adds_up_and_nothing_stays_held(tmp_path: Path) -> None:
    office = Office(
        tmp_path, alice("tokens_per_day = 10_000", "max_tokens = 50", server="tokens_per_day = 9000")
    )
    accounts = office.accounts = Accounts(office.keys, office, None, office.clock)

    def serve(_: int) -> None:
        admission = accounts.admit(office.client(), spends=True)
        office.use(tokens=7)
        accounts.release(admission)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(serve, range(160)))
    accounts.close()
    counters = ("key/alice/tokens", "key/alice/tokens/held", "server/tokens", "server/tokens/held")
    assert [office.add(f"{name}/2024-10-04", 0) for name in counters] == [1120, 0, 1120, 0]


def test_the_ceiling_of_the_server_is_held_where_a_key_has_none(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("cost_per_day = 1", server="cost_per_day = 10"), Budget(max_cost=0.3))
    client = office.client()
    left = [office.accounts.admit(client, spends=True).grant.ceiling.max_cost for _ in range(4)]
    assert left == [1.0, 0.7, 0.4, pytest.approx(0.1)]
    with pytest.raises(RateLimited, match="held"):
        office.accounts.admit(client, spends=True)


def test_a_request_that_is_refused_holds_nothing(tmp_path: Path) -> None:
    office = Office(
        tmp_path,
        alice("tokens_per_day = 1000", "max_tokens = 400", "max_cost = 1.0", server="cost_per_day = 1"),
    )
    first = office.accounts.admit(office.client(), spends=True)
    with pytest.raises(RateLimited, match="all keys together"):
        office.accounts.admit(office.client(), spends=True)
    office.accounts.release(first)
    assert (
        office.accounts.admit(office.client(), spends=True).headers["x-ratelimit-remaining-tokens"] == "1000"
    )


@pytest.mark.parametrize(
    "outcome",
    [None, ValueError("broken"), stream(), Relay(200, {}, b"{}")],
    ids=["answer", "fault", "stream", "relay"],
)
def test_what_is_held_comes_back_however_a_request_ends(tmp_path: Path, outcome: Any) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000", "max_tokens = 400"))
    with office.served(FakeEngine(outcome)) as client:
        chat(client).close()
        client.post(CHAT, data=b"{", content_type="application/json", headers=bearer("secret")).close()
        client.post("/v1/embeddings", headers=bearer("secret")).close()
        last = chat(client)
        last.close()
    assert last.status_code != 429
    assert (
        office.accounts.admit(office.client(), spends=True).headers["x-ratelimit-remaining-tokens"] == "1000"
    )


def test_a_request_that_the_rest_of_a_day_cannot_pay_is_told_when_there_is_more(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    with office.served(FakeEngine(BudgetExhausted("too small"))) as client:
        refused = chat(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, TO_MIDNIGHT)
    assert refused.headers["x-should-retry"] == "false"


def test_counters_outlive_the_process_and_name_no_key(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    office.use(tokens=900)
    again = Office(tmp_path, alice("tokens_per_day = 2000"))
    assert again.accounts.admit(again.client(), spends=True).grant.ceiling.max_tokens == 1100
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("counters*"))
    assert b"key/alice/tokens/2024-10-04" in kept
    assert b"secret" not in kept
    assert sha256(b"secret").digest() not in kept


# When the store fails


def test_without_its_store_a_rate_is_open_a_budget_closed_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = alice("requests_per_minute = 1") + f"\n[keys.bob]\n{sealed('bob')}\ntokens_per_day = 10"
    office = Office(tmp_path, tables)
    office.down = True
    with office.served(FakeEngine()) as client, caplog.at_level(logging.WARNING):
        assert [chat(client).status_code for _ in range(3)] == [200] * 3
        refused = chat(client, "bob")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert error_of(refused)["type"] == "server_error"
        office.down = False
        assert chat(client, "bob").status_code == 200
        assert [chat(client).status_code for _ in range(2)] == [200, 429]
    assert [record.message for record in caplog.records] == [
        "The store of counters does not work: it is unplugged"
    ]


def test_what_a_failing_store_missed_is_booked_when_it_is_back(tmp_path: Path) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    accounts = office.accounts = Accounts(office.keys, office, None, office.clock)
    office.down = True
    for _ in range(3):
        office.use(tokens=100)
    with pytest.raises(NotCounted):
        accounts.admit(office.client(), spends=True)
    office.down = False
    accounts.close()
    assert accounts.admit(office.client(), spends=True).grant.ceiling.max_tokens == 700


def test_what_cannot_be_booked_to_the_end_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    office = Office(tmp_path, alice("tokens_per_day = 1000"))
    office.accounts = Accounts(office.keys, office, None, office.clock)
    office.use(tokens=100)
    office.down = True
    office.use(tokens=25)
    office.accounts.close()
    office.accounts.close()
    office.use(tokens=5)
    lost = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert lost[-1] == "Not counted, because the store does not work: {'key/alice/tokens/2024-10-04': 5}"
    assert lost[0].startswith(
        "Not counted, because the store does not work: {'key/alice/tokens/2024-10-04': "
    )
