"""Bounds on calls, tokens, cost and seconds, as a client of the real server meets them."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import APITimeoutError, InternalServerError, OpenAI, RateLimitError

from tests.e2e.proxy import serving
from tests.stub import Call, Stub, completion

PRICES = '["m"]\ninput = 1.0\noutput = 10.0\n'
QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]


@pytest.fixture(scope="module")
def client(stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> Any:
    prices = tmp_path_factory.mktemp("prices") / "prices.toml"
    prices.write_text(PRICES)
    flags = ("--prices", str(prices), "--max-calls", "20", "--max-cost-per-request", "0.5")
    numbers = count()

    def respond(call: Call) -> None:
        text = f"The answer is {next(numbers)}."
        call.json({**completion(text), "usage": {"prompt_tokens": 100, "completion_tokens": 10}})

    stub.respond = respond
    with serving("--base-url", stub.base_url, *flags) as proxy:
        yield OpenAI(base_url=proxy.base_url, api_key="k", max_retries=0)


def post(client: OpenAI, path: str, **body: Any) -> Any:
    asked = {"model": "bon-m", "messages": QUESTION, **body}
    return client.post(path, cast_to=httpx2.Response, body=asked).json()


def extras(reply: Any) -> Any:
    return reply.model_extra["optillm"]


def test_a_reply_says_what_it_cost(client: OpenAI) -> None:
    reply: Any = client.chat.completions.create(model="bon-m", messages=QUESTION)
    calls = sum(extras(reply)["calls"].values())
    assert reply.usage.total_tokens == 110 * calls
    assert extras(reply)["cost"] == pytest.approx(0.0002 * calls)


def test_the_cost_of_a_model_without_a_price_is_refused_where_cost_is_bounded(client: OpenAI) -> None:
    with pytest.raises(RateLimitError, match="no price is known") as error:
        client.chat.completions.create(model="bon-other", messages=QUESTION)
    assert error.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("calls", [1, 2, 4, 6, 9])
def test_the_plan_and_the_ledger_agree(client: OpenAI, calls: int) -> None:
    own = {"optillm": {"budget": {"max_calls": calls}}}
    plan = post(client, "/plan", model="bon(n=5)-m", **own)
    reply: Any = client.chat.completions.create(model="bon(n=5)-m", messages=QUESTION, extra_body=own)
    assert extras(reply)["options"] == plan["options"]
    assert extras(reply)["asked"]["n"] == 5
    assert sum(extras(reply)["calls"].values()) <= min(calls, plan["worst_case"]["calls"])


def test_the_servers_ceiling_is_in_the_plan(client: OpenAI) -> None:
    plan = post(client, "/plan", model="mcts(simulations=9)-m", max_tokens=50)
    assert plan["budget"]["max_calls"] == 20
    assert plan["budget"]["max_cost"] == 0.5
    assert plan["worst_case"]["calls"] <= 20
    assert plan["worst_case"]["cost"] > 0
    assert plan["asked"]["simulations"] == 9


@pytest.mark.parametrize(
    ("budget", "told"),
    [({"max_tokens": 60}, "of 60 are left"), ({"max_cost": 0.0004}, r"of \$0.000400 are left")],
)
@pytest.mark.parametrize("model", ["m", "bon-m"])
def test_what_does_not_fit_is_refused_with_the_numbers(
    client: OpenAI, stub: Stub, model: str, budget: dict[str, Any], told: str
) -> None:
    sent = len(stub.calls)
    with pytest.raises(RateLimitError, match=told) as error:
        client.chat.completions.create(
            model=model, messages=QUESTION, max_tokens=100, extra_body={"optillm": {"budget": budget}}
        )
    assert error.value.code == "budget_exhausted"
    assert len(stub.calls) == sent


def test_tokens_that_run_out_leave_the_best_so_far(client: OpenAI) -> None:
    budget = {"budget": {"max_tokens": 800}}
    reply: Any = client.chat.completions.create(
        model="mcts-m", messages=QUESTION, max_tokens=50, extra_body={"optillm": budget}
    )
    assert extras(reply)["stop_reason"] == "budget"
    assert "The answer is" in reply.choices[0].message.content
    assert reply.usage.total_tokens <= 800


def test_a_deadline_in_the_header_is_one(stub: Stub) -> None:
    slow = Stub(lambda call: call.until_left())
    with slow, serving("--base-url", slow.base_url) as proxy:
        client = OpenAI(base_url=proxy.base_url, api_key="k", max_retries=0)
        for model in ("m", "bon-m"):
            with pytest.raises((InternalServerError, APITimeoutError)) as error:
                client.chat.completions.create(
                    model=model, messages=QUESTION, extra_headers={"x-optillm-timeout": "0.3"}
                )
            assert isinstance(error.value, InternalServerError)
            assert error.value.status_code == 504


def test_a_price_table_that_is_none_is_a_line_at_start(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("[m]\ninput = 'much'\noutput = 1\n")
    with pytest.raises(AssertionError, match=r"m\.input"), serving("--prices", str(file)):
        pass
