"""Many clients with limits: real servers, several processes, and what outlives them."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from optillm.cli import run
from optillm.techniques import registry
from tests.e2e.proxy import ROOT, Proxy, clean_environment, serving
from tests.shared_store import Redis, redis_server
from tests.stub import Call, Stub, completion

HELLO: Any = [{"role": "user", "content": "Hi"}]
PRICES = '["demo-*"]\ninput = 1000.0\noutput = 1000.0\n'  # a thousand tokens are a dollar


@dataclass
class Place:
    """Where a server finds its keys and keeps its counters."""

    folder: Path
    store: str
    redis: Redis | None = None
    flags: list[str] = field(default_factory=list)

    def keys(self, text: str) -> None:
        """Write the keys file: each `KEY` is followed by the key it is the hash of."""

        def sealed(found: re.Match[str]) -> str:
            return f'key = "sha256:{sha256(found.group(1).encode()).hexdigest()}"'

        file = self.folder / "keys.toml"
        file.write_text(re.sub(r"KEY (\S+)", sealed, text), encoding="utf-8")
        file.chmod(0o600)
        self.flags = ["--keys", str(file), "--store", self.store]


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "file":
        yield Place(tmp_path, str(tmp_path / "counters.sqlite3"))
        return
    with redis_server(tmp_path) as server:
        yield Place(tmp_path, server.url, server)


@pytest.fixture
def file_place(tmp_path: Path) -> Place:
    return Place(tmp_path, str(tmp_path / "counters.sqlite3"))


def ask(proxy: Proxy, key: str, model: str = "demo-small", **more: object) -> int:
    """The status that a chat request on a connection of its own gets."""
    with OpenAI(base_url=proxy.base_url, api_key=key, max_retries=0) as sdk:
        try:
            sdk.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "What is 2 + 2?"}], extra_body=more
            )
        except openai.APIStatusError as error:
            return error.status_code
    return 200


def many(proxies: list[Proxy], key: str, count: int) -> Counter[int]:
    """The statuses of so many requests at once, dealt to the proxies in turn."""
    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(lambda number: ask(proxies[number % len(proxies)], key), range(count)))


def test_worker_processes_share_what_a_key_may_use(place: Place, simulated: dict[str, str]) -> None:
    place.keys("[keys.alice]\nKEY secret\nrequests_per_minute = 5")
    with serving(*place.flags, "--workers", "2", environment=simulated) as proxy:
        assert many([proxy], "secret", 12) == {200: 5, 429: 7}


@pytest.mark.slow
def test_servers_share_a_store_and_counters_survive_them(place: Place, simulated: dict[str, str]) -> None:
    place.keys(
        "[keys.alice]\nKEY secret\nrequests_per_minute = 6\n[keys.bob]\nKEY other\ntokens_per_day = 100_000"
    )
    with (
        serving(*place.flags, environment=simulated) as one,
        serving(*place.flags, environment=simulated) as two,
    ):
        assert many([one, two], "secret", 4) == {200: 4}
        with OpenAI(base_url=one.base_url, api_key="other", max_retries=0) as sdk:
            usage = sdk.chat.completions.create(
                model="bon-demo-small", messages=[{"role": "user", "content": "What is 2 + 2?"}]
            ).usage
    assert usage is not None
    with serving(*place.flags, environment=simulated) as again:
        assert many([again], "secret", 4) == {200: 2, 429: 2}
        with OpenAI(base_url=again.base_url, api_key="other", max_retries=0) as sdk:
            raw = sdk.chat.completions.with_raw_response.create(
                model="demo-small", messages=[{"role": "user", "content": "What is 2 + 2?"}], max_tokens=20
            )
        assert raw.headers["x-ratelimit-remaining-tokens"] == str(100_000 - usage.total_tokens)


def test_the_sdk_sees_a_rate_limit_and_when_to_come_again(
    file_place: Place, simulated: dict[str, str]
) -> None:
    file_place.keys("[keys.alice]\nKEY secret\nrequests_per_minute = 1")
    with serving(*file_place.flags, environment=simulated) as proxy:
        assert ask(proxy, "secret") == 200
        with (
            OpenAI(base_url=proxy.base_url, api_key="secret", max_retries=0) as sdk,
            pytest.raises(openai.RateLimitError) as refused,
        ):
            sdk.chat.completions.create(model="demo-small", messages=[{"role": "user", "content": "Hi"}])
        with (
            OpenAI(base_url=proxy.base_url, api_key="guess", max_retries=0) as sdk,
            pytest.raises(openai.AuthenticationError),
        ):
            sdk.models.list()
    assert 0 < int(refused.value.response.headers["Retry-After"]) <= 60
    assert refused.value.code == "rate_limit_exceeded"


def test_a_key_may_use_its_techniques_and_no_others(file_place: Place, simulated: dict[str, str]) -> None:
    file_place.keys(
        '[keys.alice]\nKEY secret\ntechniques = ["bon", "moa"]\n'
        "[keys.bob]\nKEY other\nplain = false\n[keys.carol]\nKEY third\ntechniques = []"
    )
    with serving(*file_place.flags, environment=simulated) as proxy:
        for model in ("demo-small", "bon-demo-small", "bon|moa-demo-small"):
            assert ask(proxy, "secret", model) == 200
        assert ask(proxy, "secret", "mcts-demo-small") == 403
        assert ask(proxy, "secret", "(bon|re2)&moa-demo-small") == 403
        assert ask(proxy, "secret", optillm_approach="re2") == 403
        assert (ask(proxy, "other"), ask(proxy, "other", "moa-demo-small")) == (403, 200)
        assert (ask(proxy, "third"), ask(proxy, "third", "moa-demo-small")) == (200, 403)
        assert listed(proxy, "secret") == {"bon-demo-small", "moa-demo-small"}
        assert listed(proxy, "third") == set()
        assert len(listed(proxy, "other")) > 5
        with (
            OpenAI(base_url=proxy.base_url, api_key="other", max_retries=0) as sdk,
            pytest.raises(openai.PermissionDeniedError, match="may not do without a technique"),
        ):
            sdk.embeddings.create(model="demo-small", input="words")


ALWAYS_PLAIN: list[tuple[str, dict[str, object]]] = [
    ("demo-small", {"max_tokens": 1}),
    ("none-demo-small", {}),
    ("none|none-demo-small", {"stream": True}),
    ("bon-demo-small", {"optillm_approach": "none"}),
    ("bon-demo-small", {"optillm": {"approach": "none&none"}}),
    ("bon-demo-small", {"modalities": ["text", "audio"]}),
    (
        "bon-demo-small",
        {"messages": [{"role": "system", "content": "<optillm_approach>none</optillm_approach>Hi"}, *HELLO]},
    ),
]


def test_a_key_that_must_use_a_technique_cannot_avoid_it(
    file_place: Place, simulated: dict[str, str]
) -> None:
    file_place.keys("[keys.alice]\nKEY secret\nplain = false")
    with (
        serving(*file_place.flags, environment=simulated) as proxy,
        OpenAI(
            base_url=proxy.base_url,
            api_key="secret",
            max_retries=0,
            default_headers={"x-optillm-background": "1"},
        ) as sdk,
    ):
        for model, more in ALWAYS_PLAIN:
            with pytest.raises(openai.PermissionDeniedError, match="may not do without a technique"):
                sdk.chat.completions.create(model=model, messages=HELLO, extra_body=more)
        task: Any = [{"role": "user", "content": "### Task:\n<chat_history></chat_history>"}]
        for words in (HELLO, task):
            reply = sdk.chat.completions.with_raw_response.create(
                model="none&bon-demo-small",
                messages=words,
                max_tokens=4,
                metadata={"task": "title_generation"},
            )
            assert reply.headers["x-optillm-technique"] == "bon"
            assert "x-optillm-bypassed" not in reply.headers
        for path in ("embeddings", "completions", "responses", "moderations", "audio/speech"):
            with pytest.raises(openai.PermissionDeniedError):
                sdk.post(path, cast_to=object, body={"model": "demo-small", "input": "Hi"})


def kept(call: Call) -> None:
    """An upstream that keeps a response, by a number."""
    if call.method == "POST" and call.path == "/v1/responses":
        response = {"id": f"resp_{call.sent['input']}", "object": "response", "output": []}
        if call.sent.get("stream"):
            call.events({"type": "response.created", "sequence_number": 0, "response": response}, done=False)
        else:
            call.json(response)
    else:
        call.json({"id": "resp", "object": "response", "output": []})


@pytest.mark.slow
def test_only_the_key_that_created_a_response_can_use_it_on_every_worker_and_after_a_restart(
    place: Place,
) -> None:
    place.keys("[keys.alice]\nKEY secret\n[keys.bob]\nKEY other")
    with Stub(kept) as stub:
        flags = (*place.flags, "--base-url", stub.base_url, "--workers", "2")
        with serving(*flags) as proxy:
            for number in range(8):
                with OpenAI(base_url=proxy.base_url, api_key="secret", max_retries=0) as sdk:
                    if number % 2:
                        list(sdk.responses.create(model="m", input=f"{number}", stream=True))
                    else:
                        sdk.responses.create(model="m", input=f"{number}")
            check_who_finds_what(proxy)
        with serving(*flags) as proxy:
            check_who_finds_what(proxy)


def check_who_finds_what(proxy: Proxy) -> None:
    for number in range(8):
        with OpenAI(base_url=proxy.base_url, api_key="secret", max_retries=0) as sdk:
            sdk.responses.retrieve(f"resp_{number}")
            sdk.responses.create(model="m", input="again", previous_response_id=f"resp_{number}")
        with OpenAI(base_url=proxy.base_url, api_key="other", max_retries=0) as sdk:
            for ask in (sdk.responses.retrieve, sdk.responses.delete, sdk.responses.cancel):
                with pytest.raises(
                    openai.NotFoundError, match=f"There is no object with the id 'resp_{number}'"
                ):
                    ask(f"resp_{number}")
            with pytest.raises(openai.NotFoundError):
                sdk.responses.create(model="m", input="again", previous_response_id=f"resp_{number}")


def test_equal_requests_of_two_keys_are_not_joined_and_share_no_cache(file_place: Place) -> None:
    file_place.keys("[keys.alice]\nKEY secret\n[keys.bob]\nKEY other")
    numbers = count()
    with Stub(lambda call: call.json(completion(f"The answer is {next(numbers)}."))) as stub:
        flags = (*file_place.flags, "--base-url", stub.base_url, "--cache", str(file_place.folder / "cache"))
        for shared, different in (((), 2), (("--cache-shared",), 1)):
            with serving(*flags, *shared) as proxy:
                for model in ("m", "re2-m"):
                    texts = {say(proxy, key, f"{model}-{different}") for key in ("secret", "other")}
                    assert len(texts) == different


def say(proxy: Proxy, key: str, model: str) -> str | None:
    """The answer to a request that a retry may join."""
    with OpenAI(base_url=proxy.base_url, api_key=key, max_retries=0) as sdk:
        headers = {"Idempotency-Key": "one"}
        reply = sdk.chat.completions.create(model=model, messages=HELLO, extra_headers=headers)
    return reply.choices[0].message.content


def listed(proxy: Proxy, key: str) -> set[str]:
    """The names for techniques that a key is shown."""
    with OpenAI(base_url=proxy.base_url, api_key=key, max_retries=0) as sdk:
        return {model.id for model in sdk.models.list() if model.owned_by == "optillm"}


def test_a_budget_in_dollars_holds_for_requests_side_by_side(file_place: Place) -> None:
    prices = file_place.folder / "prices.toml"
    prices.write_text(PRICES, encoding="utf-8")
    file_place.keys(
        "[keys.alice]\nKEY secret\ncost_per_day = 5.0\nmax_cost = 1.5\n"
        "[keys.bob]\nKEY other\n[server]\ncost_per_day = 100.0"
    )
    flags = [*file_place.flags, "--prices", str(prices)]
    with serving(*flags, "--demo", "--demo-latency", "0.3", "--workers", "2") as proxy:
        statuses = many([proxy], "secret", 16)
        assert set(statuses) == {200, 429}
        with (
            OpenAI(base_url=proxy.base_url, api_key="other", max_retries=0) as sdk,
            pytest.raises(openai.RateLimitError, match="no price is known"),
        ):
            sdk.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hi"}])
    used = counted(file_place.store)
    assert 0 < used["key/alice/cost"] <= 5_000_000
    assert used["server/cost"] == used["key/alice/cost"]


def counted(store: str) -> dict[str, int]:
    """What is in a file of counters once its server has stopped, without the days."""
    database = sqlite3.connect(store)
    try:
        rows = database.execute("SELECT name, value FROM counters").fetchall()
    finally:
        database.close()
    return {re.fullmatch(r"optillm/(.*)/\d{4}-\d\d-\d\d", name)[1]: value for name, value in rows}  # type: ignore[index]


def test_a_client_that_leaves_pays_for_what_came_and_holds_nothing(file_place: Place) -> None:
    file_place.keys("[keys.alice]\nKEY secret\ntokens_per_day = 100_000\nmax_tokens = 50_000")
    with (
        serving(*file_place.flags, "--demo", "--demo-latency", "0.1") as proxy,
        OpenAI(base_url=proxy.base_url, api_key="secret", max_retries=0) as sdk,
    ):
        for model in ("demo-small", "moa-demo-small"):
            with sdk.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "What is 2 + 2?"}], stream=True
            ) as events:
                next(iter(events))
    assert 0 < counted(file_place.store)["key/alice/tokens"] < 1000


@pytest.mark.slow
@pytest.mark.parametrize("useless", ["[keys", "[keys.bob]\nKEY other\ntokens_per_day = 1"])
def test_the_file_is_read_again_on_sighup_and_kept_as_it_was_when_it_is_of_no_use(
    tmp_path: Path, useless: str, simulated: dict[str, str]
) -> None:
    place = Place(tmp_path, str(tmp_path / "keys.toml" / "no.folder"))
    place.keys("[keys.alice]\nKEY secret")
    with serving(*place.flags, environment=simulated) as proxy:
        assert (ask(proxy, "secret"), ask(proxy, "other")) == (200, 401)
        place.keys(useless)
        proxy.process.send_signal(signal.SIGHUP)
        assert proxy.wait_for("The settings stay as they were")
        assert ask(proxy, "secret") == 200
        place.keys("[keys.bob]\nKEY other")
        proxy.process.send_signal(signal.SIGHUP)
        while ask(proxy, "other") != 200:
            pass
        assert ask(proxy, "secret") == 401
        place.keys(useless)
        proxy.process.send_signal(signal.SIGHUP)
        while "".join(proxy.log).count("The settings stay as they were") < 2:
            assert proxy.process.poll() is None
        assert (ask(proxy, "other"), ask(proxy, "secret")) == (200, 401)


@pytest.mark.slow
def test_a_worker_that_is_replaced_knows_what_the_others_know_whatever_the_files_say_now(
    tmp_path: Path,
) -> None:
    place, prices = Place(tmp_path, str(tmp_path / "store")), tmp_path / "prices.toml"
    place.keys("[keys.alice]\nKEY secret\n[keys.bob]\nKEY other")
    prices.write_text("[m]\ninput = 1\noutput = 1")
    with (
        Stub(lambda call: call.json(completion("4"))) as stub,
        serving(*place.flags, "--prices", str(prices), "--base-url", stub.base_url) as proxy,
    ):
        place.keys("[keys.alice]\nKEY secret")
        proxy.process.send_signal(signal.SIGHUP)
        while ask(proxy, "other") != 401:
            pass
        place.keys("[keys")
        prices.write_text("[")
        (old,) = until_there_is_one(proxy)
        proxy.process.send_signal(signal.SIGHUP)
        assert proxy.wait_for("The settings stay as they were")
        assert until_there_is_one(proxy) == [old]  # a mistake replaces no worker
        os.kill(old, signal.SIGKILL)
        while until_there_is_one(proxy) == [old]:
            pass
        assert (ask(proxy, "secret"), ask(proxy, "other")) == (200, 401)


def until_there_is_one(proxy: Proxy) -> list[int]:
    """The worker, as soon as there is exactly one."""
    while len(workers := proxy.workers) != 1:
        assert proxy.process.poll() is None, "".join(proxy.log)
    return workers


@pytest.mark.slow
def test_without_its_redis_a_rate_is_open_and_a_budget_closed_until_it_is_back(
    tmp_path: Path, simulated: dict[str, str]
) -> None:
    with redis_server(tmp_path) as server:
        place = Place(tmp_path, server.url)
        place.keys(
            "[keys.alice]\nKEY secret\nrequests_per_minute = 2\n[keys.bob]\nKEY other\ntokens_per_day = 100_000"
        )
        with serving(*place.flags, environment=simulated) as proxy:
            assert (ask(proxy, "secret"), ask(proxy, "other")) == (200, 200)
            server.stop()
            assert [ask(proxy, "secret") for _ in range(4)] == [200] * 4
            assert ask(proxy, "other") == 503
            server.start()
            with OpenAI(
                base_url=proxy.base_url, api_key="other", max_retries=5
            ) as sdk:  # waits as it is told
                sdk.chat.completions.create(model="demo-small", messages=[{"role": "user", "content": "Hi"}])
            assert [ask(proxy, "secret") for _ in range(2)] == [200, 429]
            assert sum("The store of counters does not work" in line for line in proxy.log) == 1


@pytest.mark.slow
def test_the_server_starts_without_its_redis_and_says_so(tmp_path: Path, simulated: dict[str, str]) -> None:
    place = Place(tmp_path, "redis://:s3cret@127.0.0.1:1/0")
    place.keys("[keys.alice]\nKEY secret\nrequests_per_minute = 2")
    with serving(*place.flags, environment=simulated) as proxy:
        assert ask(proxy, "secret") == 200
        assert "does not answer" in "".join(proxy.log)
    assert "s3cret" not in "".join(proxy.log)


@pytest.mark.parametrize(
    ("keys", "store", "told"),
    [
        ("[keys.alice]\nKEY secret\nrate = 1", "c.db", r"keys: .*unknown field `keys\.alice\.rate`"),
        (
            "[keys.alice]\nKEY secret\ntokens_per_day = 1",
            "keys.toml/c.db",
            r"store: .*keys\.toml/c\.db: File exists",
        ),
        (
            "[keys.alice]\nKEY secret\ntokens_per_day = 1",
            "keys.toml",
            r"store: .*keys\.toml: file is not a database",
        ),
        ("[keys.alice]\nKEY secret", "ftp://host", r"--store is ftp://host: a store is a file, or a URL"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(tmp_path: Path, keys: str, store: str, told: str) -> None:
    place = Place(tmp_path, store)
    place.keys(keys)
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, str(ROOT / "optillm.py"), *place.flags],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert re.match(f"optillm: {told}", ended.stderr)


def test_the_command_shows_what_keys_have_used_while_the_server_runs(
    place: Place, simulated: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    place.keys("[keys.alice]\nKEY secret\ntokens_per_day = 100_000\n[keys.bob]\nKEY other")
    with serving(*place.flags, "--workers", "2", environment=simulated) as proxy:
        assert [ask(proxy, "secret"), ask(proxy, "other", "bon-demo-small"), ask(proxy, "wrong")] == [
            200,
            200,
            401,
        ]
        shown: dict[str, Any] = {}
        while {name: row["requests"] for name, row in shown.items()} != {"alice": 1, "bob": 1}:
            run(["usage", *place.flags, "--json"], registry())
            shown = {row["name"]: row for row in json.loads(capsys.readouterr().out)["keys"]}
        command = [sys.executable, str(ROOT / "optillm.py"), "usage", *place.flags]
        table = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    assert shown["alice"]["tokens"]["limit"] == 100_000
    assert 0 < shown["alice"]["tokens"]["used"] < shown["bob"]["tokens"]["used"]
    assert shown["bob"]["calls"] > shown["alice"]["calls"] == 1
    assert table.startswith("KEY    REQUESTS  CALLS  TOKENS")


def test_the_command_makes_a_key_that_its_own_output_lets_in(
    tmp_path: Path, simulated: dict[str, str]
) -> None:
    made = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, str(ROOT / "optillm.py"), "key", "alice"], capture_output=True, text=True, check=True
    )
    file = tmp_path / "keys.toml"
    file.write_text(made.stdout, encoding="utf-8")
    key = made.stderr.split()[-1]
    with serving("--keys", str(file), environment=simulated) as proxy:
        assert (ask(proxy, key), ask(proxy, key[:-1])) == (200, 401)
        assert "chmod 600" in "".join(proxy.log)
        assert key not in "".join(proxy.log)
