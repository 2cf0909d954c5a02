"""A cache of replies that outlives the server, shared by two processes of it."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from openai import OpenAI

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, completion

QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]


def answering() -> Stub:
    numbers = count()

    def respond(call: Call) -> None:
        judge = "rank" in str(call.sent["messages"][-1])
        call.json(completion('{"ranking": ["B", "A"]}' if judge else f"The answer is {next(numbers)}."))

    return Stub(respond)


def ask(proxy: Proxy, model: str, **more: Any) -> Any:
    client = OpenAI(base_url=proxy.base_url, api_key="k", max_retries=0)
    return client.chat.completions.with_raw_response.create(model=model, messages=QUESTION, **more)


def test_what_was_asked_before_a_restart_is_not_asked_after_it(tmp_path: Path) -> None:
    file = tmp_path / "replies.sqlite3"
    with answering() as stub:
        flags = ("--base-url", stub.base_url, "--cache", str(file), "--workers", "2")
        with serving(*flags) as proxy:
            plain = ask(proxy, "m")
            told = [ask(proxy, "re2-m").parse().choices[0].message.content for _ in range(2)]
        sent = len(stub.calls)
        with serving(*flags) as proxy:
            again = ask(proxy, "m")
            assert ask(proxy, "re2-m").parse().choices[0].message.content == told[0] == told[1]
            assert ask(proxy, "re2-m").parse().model_extra["optillm"]["cached"] == {"write": 1}
            assert len(stub.calls) == sent
            assert again.content == plain.content
            assert "x-optillm-cache" not in plain.headers
            assert again.headers["x-optillm-cache"] == "hit"
            ask(proxy, "m", extra_headers={"Cache-Control": "no-cache"})
            assert len(stub.calls) == sent + 1
