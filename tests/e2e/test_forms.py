"""The form of an answer over real sockets: JSON without its fence, and forced tools as libraries send them."""

from __future__ import annotations

import http.client
import json
import re
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from optillm.techniques import registry
from tests.e2e.proxy import Proxy
from tests.stub import Call, Stub, completion, delta

FLAGS = ("--upstream-retries", "0")  # no call is made twice because the machine is busy
TECHNIQUES = sorted(registry())
ALONE = ["cot_reflection"]
"""Techniques that have nothing to do but with text."""
VERDICT: Final = '{"ranking": ["A", "B"], "score": 7, "groups": [["A"]], "pick": "A", "applicable": false}'
MARKER: Final = re.compile(r"^=== \w+ ===$", re.MULTILINE)

INSTRUCTOR: Final = (
    b'{"messages":[{"role":"user","content":"How many marbles?"}],"model":"%s-m",%s"tool_choice":'
    b'{"type":"function","function":{"name":"Total"}},"tools":[{"type":"function","function":{"name":"Total",'
    b'"description":"Correctly extracted `Total` with all the required parameters with correct types",'
    b'"parameters":{"properties":{"total":{"title":"Total","type":"integer"}},"required":["total"],'
    b'"type":"object"}}}]}'
)
"""What instructor 1.17 sends for a model of one field in its default mode."""
PYDANTIC_AI: Final = (
    b'{"messages":[{"role":"user","content":"How many marbles?"}],"model":"%s-m",%s"tool_choice":"required",'
    b'"tools":[{"type":"function","function":{"name":"final_result","description":"The final response which ends '
    b'this conversation","parameters":{"properties":{"total":{"type":"integer"}},"required":["total"],'
    b'"type":"object","additionalProperties":false},"strict":true}}]}'
)
"""What pydantic-ai 2.38 sends for the same."""
LIBRARIES: Final = {"instructor": (INSTRUCTOR, "Total"), "pydantic-ai": (PYDANTIC_AI, "final_result")}


class Filler:
    """An upstream that fills in forms: with the next number or, `alike`, with 43 each time.

    `around` is what it writes around JSON; `careless` replies come before the first one with a valid form.
    """

    def __init__(self, *, alike: bool = False, around: str = "{}", careless: int = 0) -> None:
        self.alike = alike
        self.around = around
        self.careless = careless
        self._numbers = count(40)

    def respond(self, call: Call) -> None:
        sent = call.sent
        message: dict[str, Any] = {"role": "assistant", "content": VERDICT}
        if "tools" in sent:
            function = {"name": sent["tools"][0]["function"]["name"], "arguments": self._total()}
            message |= {
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            }
        elif "response_format" in sent:
            marker = MARKER.search(sent["messages"][-1]["content"])
            notes = f"Notes.\n{marker[0]}\n" if marker else ""
            message["content"] = notes + self.around.format(self._total())
        reply = completion(None)
        reply["choices"][0]["message"] = message
        call.json(reply)

    def _total(self) -> str:
        self.careless -= 1
        if self.careless >= 0:
            return '{"total": "forty-three"}'
        return json.dumps({"total": 43 if self.alike else next(self._numbers)})


def post(proxy: Proxy, body: bytes | dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send a chat request; return its message, put together if it is a stream, and the `optillm` block."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=60)
    connection.request("POST", "/v1/chat/completions", content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 200, text
    headers = {name.lower(): value for name, value in response.getheaders()}
    if not headers["content-type"].startswith("text/event-stream"):
        reply = json.loads(text)
        block = reply["optillm"]
        assert (headers["x-optillm-technique"], headers["x-optillm-turn"]) == (
            block["technique"],
            block["turn"],
        )
        (choice,) = reply["choices"]
        return choice["message"] | {"finish_reason": choice["finish_reason"]}, block
    message, block = joined(text)
    assert headers.get("x-optillm-technique", block["technique"]) == block["technique"]
    return message, block


def joined(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the message of a stream and the `optillm` block at its end."""
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    message: dict[str, Any] = {"content": "", "tool_calls": [], "finish_reason": None}
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        message["content"] += choice["delta"].get("content") or ""
        message["tool_calls"] += choice["delta"].get("tool_calls", [])
        message["finish_reason"] = choice["finish_reason"] or message["finish_reason"]
    return message, chunks[-1]["optillm"]


@pytest.fixture
def fill(stub: Stub) -> Any:
    """Have the upstream fill in forms as described."""

    def described(**how: Any) -> None:
        stub.calls.clear()
        stub.respond = Filler(**how).respond

    return described


FENCES = [
    "```json\n{}\n```",
    "```\n{}\n```",
    "Here is the JSON you asked for:\n\n```json\n{}\n```\n\nLet me know if you need {{more}}.",
    "{}",
    "Sure! {}",
    "Here you go: {} Hope this helps.",
]
SCHEMA = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
FORMATS = [
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "total", "strict": True, "schema": SCHEMA}},
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("alike", [True, False], ids=["alike", "different"])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_json_comes_alone_and_nothing_is_lost(
    proxy: Proxy, fill: Any, slug: str, alike: bool, stream: bool
) -> None:
    for around in FENCES:
        for demanded in FORMATS:
            fill(alike=alike, around=around)
            body = {
                "model": f"{slug}-m",
                "messages": [{"role": "user", "content": "How many?"}],
                "stream": stream,
            }
            message, block = post(proxy, body | {"response_format": demanded})
            assert re.fullmatch(r'\{"total": 4\d\}', message["content"])
            assert not block["losses"].keys() - {"abstained", "cancelled"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_json_of_the_wrong_form_is_repaired_once(
    proxy: Proxy, stub: Stub, fill: Any, slug: str, stream: bool
) -> None:
    fill(careless=10_000)
    body = {"model": f"{slug}-m", "messages": [{"role": "user", "content": "How many?"}], "stream": stream}
    message, block = post(proxy, body | {"response_format": FORMATS[1]})
    assert message["content"] == '{"total": "forty-three"}'
    assert block["stop_reason"] == "degraded"
    prompts = [json.dumps(call.sent["messages"][-1]) for call in stub.calls]
    assert sum("does not have the form" in prompt for prompt in prompts) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_forced_tool_gets_the_technique(
    proxy: Proxy, stub: Stub, fill: Any, slug: str, library: str, stream: bool
) -> None:
    request, name = LIBRARIES[library]
    fill()
    message, block = post(proxy, request % (slug.encode(), b'"stream":true,' if stream else b""))
    (call,) = message["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("call_1", name)
    assert call.get("index", 0) == 0
    assert json.loads(call["function"]["arguments"])["total"] >= 40
    assert message["finish_reason"] == ("stop" if library == "instructor" else "tool_calls")
    assert not message["content"]
    assert (block["technique"], block["turn"]) == ("none" if slug in ALONE else slug, "action")
    offered = [call.sent for call in stub.calls if "tools" in call.sent]
    assert {json.dumps(sent["tools"]) for sent in offered} == {
        json.dumps(json.loads(request % (b"", b""))["tools"])
    }


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_arguments_that_do_not_match_the_schema_lose_or_are_repaired(
    proxy: Proxy, fill: Any, slug: str, library: str
) -> None:
    request, _ = LIBRARIES[library]
    fill(alike=True, careless=1)
    message, _ = post(proxy, request % (slug.encode(), b""))
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"total": 43}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_reply_that_calls_an_optional_tool_reports_no_technique(
    proxy: Proxy, stub: Stub, fill: Any, slug: str, stream: bool
) -> None:
    fill()
    body = json.loads(PYDANTIC_AI % (slug.encode(), b"")) | {"tool_choice": "auto", "stream": stream}
    message, block = post(proxy, body)
    assert len(message["tool_calls"]) == len(stub.calls) == 1
    assert (block["technique"], block["turn"], block["options"]) == ("none", "action", {})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("slug", ["moa", "rto", "cot_reflection", "re2"])
def test_a_final_call_that_calls_a_tool_is_not_repeated(
    proxy: Proxy, stub: Stub, slug: str, stream: bool
) -> None:
    numbers = count()
    tools = json.loads(PYDANTIC_AI % (b"", b""))["tools"]

    def respond(call: Call) -> None:
        sent, number = call.sent, next(numbers)
        if "tools" not in sent:
            return call.json(completion("B" * number))
        last = len(sent["messages"]) > 1 or "once more" in sent["messages"][0]["content"]
        if not last:
            return call.json(completion(f"The answer is {number}."))
        wanted = {"id": "call_1", "type": "function", "function": {"name": "final_result", "arguments": "{}"}}
        if not sent.get("stream"):
            reply = completion(None)
            reply["choices"][0]["message"]["tool_calls"] = [wanted]
            return call.json(reply)
        piece = delta()
        piece["choices"][0]["delta"] = {"tool_calls": [{"index": 0, **wanted}]}
        return call.events(piece, delta(finish="stop"))

    stub.calls.clear()
    stub.respond = respond
    question = [{"role": "user", "content": "How many?"}]
    message, block = post(
        proxy, {"model": f"{slug}-m", "messages": question, "tools": tools, "stream": stream}
    )
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["final_result"]
    assert block["calls"]["write"] == 1
    assert (block["technique"], block["turn"]) == (slug, "action")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("answering", [0, 1])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_mix_of_answers_and_tool_calls_is_no_failure(
    proxy: Proxy, stub: Stub, slug: str, answering: int, stream: bool
) -> None:
    numbers = count()
    tools = json.loads(PYDANTIC_AI % (b"", b""))["tools"]

    def respond(call: Call) -> None:
        if "tools" not in call.sent:
            return call.json(completion(VERDICT))
        text = "There are 43 marbles. The answer is 43."
        if call.sent.get("stream"):
            return call.events(delta(text), delta(finish="stop"))
        if "tool_choice" not in call.sent or next(numbers) < answering:
            return call.json(completion(text))
        reply = completion(None)
        function = {"name": "final_result", "arguments": '{"total": 43}'}
        reply["choices"][0]["message"]["tool_calls"] = [
            {"id": "call_1", "type": "function", "function": function}
        ]
        return call.json(reply)

    stub.calls.clear()
    stub.respond = respond
    question = [{"role": "user", "content": "How many?"}]
    message, block = post(
        proxy, {"model": f"{slug}-m", "messages": question, "tools": tools, "stream": stream}
    )
    acts = bool(message.get("tool_calls"))
    assert acts or message["content"].endswith("The answer is 43.")
    assert (block["technique"], block["turn"]) == (slug, "action" if acts else "answer")
