"""openai-node: whole, streamed, parsed, its own tool loop, its errors, and its ways to leave."""

from __future__ import annotations

import json
import subprocess
from threading import Event
from typing import Any

import pytest

from optillm.techniques import registry
from tests.clients.programs import HERE, run
from tests.e2e.proxy import Proxy, clean_environment, serving
from tests.e2e.shop import ANSWER, CALLS, QUESTION, TOOLS
from tests.e2e.test_sdk import QUESTION as MARBLES
from tests.stub import Call, Stub

TECHNIQUES = sorted(registry())
CLIENT = HERE / "node" / "client.mjs"


def request(question: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}], "tools": TOOLS})


def node(what: str, proxy: Proxy, model: str, question: str = MARBLES) -> Any:
    return json.loads(run("node", CLIENT, what, proxy.base_url, model, REQUEST=request(question)))


def test_a_whole_reply(demo: Proxy) -> None:
    reply = node("whole", demo, "moa-demo-large")
    assert "43" in reply["content"]
    assert reply["technique"] == "moa"
    assert reply["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("model", ["demo-large", "moa-demo-large", "bon-demo-large"])
def test_a_stream(demo: Proxy, model: str) -> None:
    reply = node("stream", demo, model)
    assert "43" in reply["content"]
    assert reply["role"] == "assistant"
    assert reply["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("model", ["demo-large", "moa-demo-large", "bon-demo-large"])
def test_a_reply_parsed_by_zod(demo: Proxy, model: str) -> None:
    assert node("parse", demo, model) == {"total": 43}


@pytest.mark.parametrize("model", ["m", *(f"{slug}-m" for slug in TECHNIQUES)])
def test_its_tool_loop_runs_to_the_end(shop: Proxy, model: str) -> None:
    for what in ("agent", "agent-stream"):
        reply = node(what, shop, model, QUESTION)
        assert [(name, arguments) for name, arguments in reply["done"]] == CALLS
        assert reply["content"].startswith(ANSWER)


def test_its_own_error_classes(demo: Proxy) -> None:
    bad_option = node("refused", demo, "bon(n=99)-demo-small")
    assert bad_option == {
        "kind": "BadRequestError",
        "status": 400,
        "code": None,
        "param": "optillm.options.bon.n",
    }
    unknown = node("refused", demo, "bon-demo-huge")
    assert (unknown["kind"], unknown["code"]) == ("NotFoundError", "model_not_found")


def test_leaving_a_stream_ends_it(demo: Proxy) -> None:
    assert node("abort-stream", demo, "moa-demo-large") == {"aborted": True, "seen": 1}


@pytest.mark.parametrize("model", ["m", "bon-m"])
def test_leaving_before_the_reply_ends_every_call(model: str) -> None:
    arrived, left = Event(), Event()

    def respond(call: Call) -> None:
        arrived.set()
        call.until_left()
        left.set()

    with Stub(respond) as stub, serving("--base-url", stub.base_url) as proxy:
        client = subprocess.Popen(  # noqa: S603 - our own program
            ["node", CLIENT, "abort", proxy.base_url, model],  # noqa: S607
            env=clean_environment(REQUEST=request("Hi")),
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert arrived.wait(60)
        printed, _ = client.communicate("leave", timeout=60)
        assert json.loads(printed) == {"aborted": True}
        assert left.wait(20)
