"""Upstreams that refuse what clients did not send: with every technique an answer, in whatever words they do it.

The scripted upstream refuses by behaviour, whoever reads its words; the bytes of its refusals are read as real ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Final

import pytest

from optillm.chat import Completion, Report, content_text
from optillm.engine.upstream.errors import refused
from optillm.errors import UpstreamError
from optillm.techniques import registry
from tests.fakes import Sent, World

TECHNIQUES: Final = sorted(registry())
QUESTION: Final = [{"role": "user", "content": "A farmer has 12 sheep and buys 30 more. How many are there?"}]
TOOL_HISTORY: Final[list[dict[str, Any]]] = [
    *QUESTION,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "count", "arguments": "{}"}}],
    },
    {"role": "tool", "content": "12", "tool_call_id": "1"},
]
VERDICT: Final = '{"ranking": ["A", "B", "C"], "score": 7, "groups": [["A"], ["B"]], "pick": "A"}'

Body = Mapping[str, Any]


def error(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}}).encode()


def forbidden(*names: str) -> bytes:
    """FastAPI's refusal of fields that its model does not have."""
    return json.dumps(
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", name],
                    "msg": "Extra inputs are not permitted",
                    "input": 1,
                }
                for name in names
            ]
        }
    ).encode()


def tokens(body: Body) -> int:
    """What a server counts, which is not what we estimate."""
    return sum(len(content_text(message).split()) for message in body["messages"]) * 4 // 3 + 9


def limit_of(body: Body) -> int:
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 1)


def own_turn_after_tool(body: Body) -> bool:
    roles = [message["role"] for message in body["messages"]]
    return ("tool", "user") in pairwise(roles)


def neighbours(body: Body) -> bool:
    roles = [message["role"] for message in body["messages"]]
    return ("user", "user") in pairwise(roles)


@dataclass(frozen=True, eq=False)
class Case:
    """What an upstream refuses, with which status and bytes; and what the client sends."""

    name: str
    refuses: Callable[[Body], bool]
    content: bytes | Callable[[Body], bytes]
    status: int = 400
    sent: Body = field(default_factory=dict)
    messages: Sequence[Mapping[str, Any]] = tuple(QUESTION)

    def script(self, sent: Sent) -> str:
        if self.refuses(sent.body):
            content = self.content if isinstance(self.content, bytes) else self.content(sent.body)
            raise refused(self.status, {}, content, lambda body: body)
        return reply(sent)


def reply(sent: Sent) -> str:
    """A verdict, or an answer that no other call gives."""
    users = [content_text(message) for message in sent.body["messages"] if message["role"] == "user"]
    asks = users[0].startswith(QUESTION[0]["content"])
    return f"Let me see. The answer is {40 + sent.number}." if asks else VERDICT


def has(*names: str) -> Callable[[Body], bool]:
    return lambda body: any(name in body for name in names)


def vllm(body: Body) -> bytes:
    prompt, limit = tokens(body), limit_of(body)
    return error(
        f"This model's maximum context length is 4096 tokens. However, you requested {prompt + limit} tokens "
        f"({prompt} in the messages, {limit} in the completion). Please reduce the length of the messages or "
        "completion.",
        code=400,
    )


def newer_vllm(body: Body) -> bytes:
    prompt, limit = tokens(body), limit_of(body)
    return error(
        f"'max_tokens' or 'max_completion_tokens' is too large: {limit}. This model's maximum context length is "
        f"4096 tokens and your request has {prompt} input tokens ({limit} > 4096 - {prompt})."
    )


def openai(body: Body) -> bytes:
    return error(
        f"max_tokens is too large: {limit_of(body)}. This model supports at most 2048 completion tokens, whereas "
        f"you provided {limit_of(body)}.",
        param="max_tokens",
        code="invalid_value",
    )


ONLY_ONE: Final = error("invalid temperature: only 1 is allowed for this model")
NAMED: Final = [
    Case(
        "temperature beside top_p",
        lambda body: {"temperature", "top_p"} <= body.keys(),
        error("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
        sent={"top_p": 0.9},
    ),
    Case("only the default temperature", lambda body: body.get("temperature", 1) != 1, ONLY_ONE),
    Case(
        "a reasoning model's temperature",
        has("temperature"),
        error(
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
            "supported.",
            param="temperature",
            code="unsupported_value",
        ),
    ),
    Case(
        "a reasoning model's limit",
        has("max_tokens"),
        error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            param="max_tokens",
            code="unsupported_parameter",
        ),
        sent={"max_tokens": 500},
    ),
    Case("n at most 1", has("n"), error("'n' : number must be at most 1")),
    Case("one choice", has("n"), error("Only one completion choice is allowed", type="server_error"), 500),
    Case(
        "unknown name in an array",
        has("n"),
        b'[{"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name \\"n\\": Cannot find '
        b'field.", "status": "INVALID_ARGUMENT"}}]',
    ),
    Case("n not implemented", has("n"), error("multiple choices are not implemented"), 501),
    Case(
        "fields forbidden",
        has("stream_options", "n"),
        lambda body: forbidden(*(body.keys() & {"stream_options", "n"})),
        422,
    ),
    Case(
        "all that is not OpenAI's first",
        has("stream_options", "n", "temperature", "seed"),
        lambda body: forbidden(*(body.keys() & {"stream_options", "n", "temperature", "seed"})),
        422,
    ),
    Case(
        "a user after a tool",
        own_turn_after_tool,
        error("Unexpected role 'user' after role 'tool'", type="invalid_request_message_order", code="3230"),
        messages=TOOL_HISTORY,
    ),
    Case(
        "turns that alternate",
        neighbours,
        error("Conversation roles must alternate user/assistant/user/assistant/..."),
    ),
    Case(
        "window as vLLM says it",
        lambda body: tokens(body) + limit_of(body) > 4096,
        vllm,
        sent={"max_tokens": 500},
    ),
    Case(
        "window as newer vLLM says it",
        lambda body: tokens(body) + limit_of(body) > 4096,
        newer_vllm,
        sent={"max_tokens": 500},
    ),
    Case(
        "2048 tokens as OpenAI says it", lambda body: limit_of(body) > 2048, openai, sent={"max_tokens": 500}
    ),
]
INVENTED: Final = [
    Case("no words", has("temperature"), b""),
    Case("a page", has("n"), b"<html><body>Bad Request</body></html>"),
    Case("plain text", has("stream_options"), b"computer says no", 422),
    Case("German", has("temperature"), error("Dieser Wert ist hier nicht erlaubt."), 422),
    Case("Chinese", has("max_tokens", "max_completion_tokens"), error("参数不合法"), sent={}),
    Case("a detail that is a string", has("n", "temperature"), b'{"detail": "nope"}', 404),
    Case("a list of errors", has("temperature"), b'{"errors": [{"title": "Bad", "reason": "E1"}]}'),
    Case(
        "a failure in the template", own_turn_after_tool, b"Internal Server Error", 500, messages=TOOL_HISTORY
    ),
    Case("a failure of the sampler", lambda body: body.get("temperature", 1) != 1, error("oops"), 500),
    Case(
        "turns, without a word about them",
        neighbours,
        error("Request validation failed.", code="bad_request"),
        422,
    ),
    Case(
        "a last turn in French",
        own_turn_after_tool,
        error("Le dernier message ne convient pas."),
        messages=TOOL_HISTORY,
    ),
    Case(
        "a small window without numbers",
        lambda body: limit_of(body) > 700,
        error("too much"),
        sent={"max_tokens": 500},
    ),
    Case(
        "a small window in Spanish",
        lambda body: limit_of(body) > 1000,
        error("El máximo es 1000, no 4096."),
        sent={"max_tokens": 500},
    ),
    Case("everything of ours", has("n", "temperature", "stream_options"), error("E_BAD"), 400),
]


@cache
def calm(slug: str, case: Case) -> Report:
    """What comes of it where nothing is refused."""
    return World(reply).complete(f"{slug}-m", case.messages, **case.sent).report


def answered(world: World, slug: str, case: Case, stream: bool) -> Completion:
    if not stream:
        return world.complete(f"{slug}-m", case.messages, **case.sent)
    completion = world.events(f"{slug}-m", case.messages, **case.sent)[-1][1]
    assert isinstance(completion, Completion)
    return completion


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", [*NAMED, *INVENTED], ids=lambda case: case.name)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_the_technique_answers_and_the_next_request_is_accepted_at_once(
    slug: str, case: Case, stream: bool
) -> None:
    world, undisturbed = World(case.script), calm(slug, case)
    first = answered(world, slug, case, stream)
    assert "The answer is" in first.replies[0].text
    assert first.report.stop_reason == undisturbed.stop_reason
    assert {**first.report.losses, "failed": 0} == {**undisturbed.losses, "failed": 0}
    assert first.report.rounds == undisturbed.rounds
    second = answered(world, slug, case, stream)
    assert second.report.losses == undisturbed.losses


# What the client sent.


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_the_client_sees_that_its_developer_turn_was_refused(slug: str) -> None:
    words = "Input should be 'system', 'user', 'assistant' or 'tool'"
    detail = [
        {"type": "literal_error", "loc": ["body", "messages", 0, "role"], "msg": words, "input": "developer"}
    ]
    case = Case(
        "developer",
        lambda body: body["messages"][0]["role"] == "developer",
        json.dumps({"detail": detail}).encode(),
        422,
    )
    with pytest.raises(UpstreamError) as error:
        World(case.script).complete(f"{slug}-m", [{"role": "developer", "content": "Be brief."}, *QUESTION])
    assert error.value.status == 422


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_earlier_turns_are_sent_unchanged_wherever_an_instruction_goes(slug: str) -> None:
    history = [*QUESTION, {"role": "assistant", "content": "42?", "reasoning_content": "Hm."}, *QUESTION]
    world = World(Case("alternating", neighbours, error("no")).script)
    world.complete(f"{slug}-m", history)
    for sent in world.sent:
        if len(sent.body["messages"]) > 1:
            assert history[1] in sent.body["messages"]


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_content_filter_is_not_tried_again(slug: str) -> None:
    content = error(
        "The response was filtered due to the prompt triggering our content management policy.",
        code="content_filter",
        param="prompt",
    )
    world = World(Case("filter", lambda body: True, content).script)
    with pytest.raises(UpstreamError, match="content management policy"):
        world.complete(f"{slug}-m", QUESTION)
    undisturbed = World(reply)
    undisturbed.complete(f"{slug}-m", QUESTION)
    assert {frozenset(sent.body) for sent in world.sent} <= {
        frozenset(sent.body) for sent in undisturbed.sent
    }


# Limits.


@pytest.mark.parametrize(
    "case", [case for case in [*NAMED, *INVENTED] if "window" in case.name or "2048" in case.name]
)
def test_judges_get_as_many_tokens_as_the_window_leaves(case: Case) -> None:
    world = World(case.script)
    world.complete("bon-m", QUESTION, max_tokens=500)
    limits = [limit_of(sent.body) for sent in world.of("judge") if sent.outcome == "ok"]
    assert len(limits) == 3
    assert min(limits) >= 400  # a verdict with its reasons, as far as the smallest window leaves room
