"""The real server over two upstreams, one of which dies."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub

QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]


def living(call: Call) -> None:
    """An upstream that answers whatever it is asked."""
    call.answer("The answer is 4.")


def dead(call: Call) -> None:
    call.hang_up()


@dataclass
class Pair:
    """A proxy in front of two upstreams, `first` and `second`."""

    proxy: Proxy
    first: Stub
    second: Stub

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """The status and the text of a reply."""
        connection = http.client.HTTPConnection(urlsplit(self.proxy.url).netloc, timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def chat(self, model: str, **more: Any) -> tuple[int, str]:
        return self.ask("POST", "/v1/chat/completions", {"model": model, "messages": QUESTION, **more})


@contextmanager
def pair(
    folder: Path, *, order: int, first: str = "", stubs: tuple[Any, Any] = (living, living)
) -> Iterator[Pair]:
    """Two upstreams; the second one has this `order`, and the first one these keys beside its name and address."""
    with Stub(stubs[0]) as one, Stub(stubs[1]) as two:
        (folder / "optillm.toml").write_text(
            f"""
            [[upstream]]
            name = "one"
            base_url = "{one.base_url}"
            key_env = "KEY_OF_ONE"
            {first}

            [[upstream]]
            name = "two"
            base_url = "{two.base_url}"
            key = "key-of-two-123"
            order = {order}
            """
        )
        environment = {"KEY_OF_ONE": "key-of-one-123", "OPTILLM_CONFIG": str(folder / "optillm.toml")}
        with serving(environment=environment) as proxy:
            yield Pair(proxy, one, two)


def test_a_death_in_the_middle_of_the_work_is_not_noticed(tmp_path: Path) -> None:
    with pair(tmp_path, order=0) as running:
        for model in ("self_consistency(mode=fixed)-m", "m") * 2:
            assert running.chat(model)[0] == 200
        assert running.first.calls
        assert running.second.calls
        running.first.respond = dead
        seen = len(running.first.calls)
        for _ in range(4):
            status, text = running.chat("self_consistency(mode=fixed)-m")
            answer = json.loads(text)
            assert (status, answer["choices"][0]["message"]["content"]) == (200, "The answer is 4.")
            assert answer["optillm"]["stop_reason"] != "degraded"
            assert running.chat("m")[0] == 200
            status, text = running.chat("m", stream=True)
            assert status == 200
            assert text.endswith("data: [DONE]\n\n")
        assert running.proxy.wait_for("Upstream one keeps failing with m")
        assert 0 < len(running.first.calls) - seen < 30
        assert running.ask("GET", "/health?ready=1")[0] == 200
        assert {call.headers["authorization"] for call in running.first.calls} == {"Bearer key-of-one-123"}
        assert {call.headers["authorization"] for call in running.second.calls} == {"Bearer key-of-two-123"}
        log = "".join(running.proxy.log)
        assert "Upstream two: openai at " in log
        assert "-123" not in log


def test_a_machine_that_is_gone_is_passed_over_until_all_are(tmp_path: Path) -> None:
    with pair(tmp_path, order=1) as running:
        assert [json.loads(running.ask("GET", "/v1/models/m")[1])["id"]] == ["m"]
        running.first.close()
        status, text = running.chat("bon-m", stream=True)
        assert status == 200
        assert "The answer" in text
        assert running.chat("m")[0] == 200
        assert len(running.first.calls) <= 2  # one may have gone out on the connection of the list
        assert running.ask("GET", "/health?ready=1")[0] == 200
        running.second.close()
        assert running.chat("m")[0] == 502
        assert running.ask("GET", "/v1/models")[0] == 200  # the last good lists


def test_no_upstream_at_all_is_not_ready(tmp_path: Path) -> None:
    with pair(tmp_path, order=0, stubs=(dead, dead)) as running:
        assert running.ask("GET", "/health?ready=1")[0] == 503


@pytest.mark.parametrize("model", ["m", "bon(n=1)-m"])
def test_silence_moves_a_call_on_where_the_operator_bounds_it(tmp_path: Path, model: str) -> None:
    silent = (Call.until_left, living)
    with pair(tmp_path, order=1, first="timeout = 0.2", stubs=silent) as running:
        status, text = running.chat(model)
        assert status == 200
        assert "The answer is 4." in text
        assert [len(running.first.calls), len(running.second.calls)] == [1, 1]
