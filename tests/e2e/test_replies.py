"""Replies as real servers write them, through techniques, over real sockets: whole and streamed."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import httpx2
import pytest

from tests.e2e.proxy import Proxy
from tests.e2e.situations import (
    AT_ONCE,
    BROKEN,
    CALLS,
    EMOJI,
    EVERY,
    HIDDEN,
    MESSAGES,
    SOME,
    SOUND,
    TECHNIQUES,
    VERDICT,
    Respond,
    Upstream,
    answer,
    answer_in,
    as_event,
    ask,
    counted_each_time,
    in_parts,
    only,
    sound,
    streams,
    thinking,
    whole,
)
from tests.fakes import continues
from tests.stub import Call, Stub, delta

FLAGS = ("--upstream-retries", "1")


BELOW = list(SOUND)[: list(SOUND).index("thinking in parts (Mistral)")]
"""What is read before any technique sees it: with one technique, which streams its only call, all of it is tried."""
WAYS = [(situation, slug) for situation in SOUND for slug in SOME if slug == "re2" or situation not in BELOW]
WAYS += [(BELOW[0], slug) for slug in SOME if slug != "re2"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("situation", "slug"), WAYS)
def test_the_client_sees_the_whole_answer_and_nothing_else(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    stub.respond = upstream = Upstream(SOUND[situation])
    stub.calls.clear()
    text, reason, _ = answer(proxy, slug, stream=stream)
    assert text in upstream.said
    assert reason == "stop"
    assert HIDDEN not in json.dumps([call.sent for call in stub.calls])
    assert len(upstream.said) <= CALLS[slug]


# Thoughts where they are seen only in a whole reply, or where nothing else comes.

SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "sum",
        "schema": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]},
    },
}
LONE = {
    "think": f"{HIDDEN}\n</think>\n\n{{}}",
    "think, glued": f"{HIDDEN}</think>{{}}",
    "[THINK]": f"{HIDDEN}[/THINK]{{}}",
    "◁think▷": f"{HIDDEN}◁/think▷{{}}",
    "begin_of_thought": f"{HIDDEN}<|end_of_thought|><|begin_of_solution|>{{}}<|end_of_solution|>",
    "harmony": f"{HIDDEN}<|end|><|start|>assistant<|channel|>final<|message|>{{}}",
}


@pytest.mark.parametrize("slug", SOME)
@pytest.mark.parametrize("form", LONE)
def test_thoughts_whose_beginning_is_in_the_prompt_are_no_part_of_a_whole_answer(
    proxy: Proxy, stub: Stub, form: str, slug: str
) -> None:
    stub.respond = upstream = Upstream(lone(LONE[form]))
    stub.calls.clear()
    text, _, _ = answer(proxy, slug, stream=False)
    assert text in upstream.said
    assert HIDDEN not in json.dumps([call.sent for call in stub.calls])


THOUGHTFUL = {name: respond for name, respond in SOUND.items() if "think" in name or "reasoning" in name}


def lone(form: str) -> Respond:
    return lambda call, text: whole(call, form.replace("{}", text))


THOUGHTFUL |= {f"{name} alone": lone(form) for name, form in LONE.items()}
ALL_WAYS = [(situation, slug) for situation in THOUGHTFUL for slug in SOME]
ALL_WAYS += [("think", slug) for slug in TECHNIQUES if slug not in SOME]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("situation", "slug"), ALL_WAYS)
def test_behind_thoughts_the_json_that_was_asked_for_stands_alone(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    numbers = count()

    def respond(call: Call) -> None:
        if continues(call.sent["messages"], MESSAGES):
            THOUGHTFUL[situation](call, json.dumps({"sum": next(numbers)}))
        else:
            sound(call, VERDICT)

    stub.respond = respond
    text, _, _ = answer(proxy, slug, stream=stream, response_format=SCHEMA)
    assert isinstance(json.loads(text)["sum"], int)


ONLY_THOUGHTS: dict[str, Respond] = {
    "a field reasoning": lambda call, _: thinking(lambda text: "", reasoning=HIDDEN)(call, ""),
    "a field reasoning_content": lambda call, _: thinking(lambda text: "", reasoning_content=HIDDEN)(
        call, ""
    ),
    "a field thinking": lambda call, _: thinking(lambda text: "", thinking=HIDDEN)(call, ""),
    "tags": lambda call, _: thinking(lambda text: f"<think>{HIDDEN}</think>\n")(call, ""),
    "tags that never close": lambda call, _: thinking(lambda text: f"<think>{HIDDEN}")(call, ""),
    "a channel": lambda call, _: thinking(lambda text: f"<|channel|>analysis<|message|>{HIDDEN}")(call, ""),
    "parts": lambda call, _: in_parts(thoughts={"type": "thinking", "thinking": HIDDEN})(call, " "),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", SOME)
@pytest.mark.parametrize("situation", ONLY_THOUGHTS)
def test_nothing_but_thoughts_is_asked_for_once_more_and_then_an_empty_answer(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    stub.respond = upstream = Upstream(ONLY_THOUGHTS[situation])
    status, body = ask(proxy, slug, stream=stream)
    assert (status, answer_in(body, stream=stream).strip()) == (200, "")
    assert '"stop_reason": "degraded"' in json.dumps(body)
    assert len(upstream.said) == 2 * AT_ONCE[slug]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_one_reply_of_thoughts_only_does_no_harm(proxy: Proxy, stub: Stub, slug: str, stream: bool) -> None:
    stub.respond = Upstream(only(0, ONLY_THOUGHTS["tags"]))
    status, body = ask(proxy, slug, stream=stream)
    assert status == 200
    assert answer_in(body, stream=stream).startswith("The answer is")


# Characters in two halves.


def raw_chunks(*contents: bytes) -> Respond:
    """Chunks whose content is these bytes of JSON."""

    def respond(call: Call, _: str) -> None:
        if not streams(call):
            return sound(call, EMOJI)
        call.begin(content_type="text/event-stream")
        for content in contents:
            call.write(as_event(b'{"choices": [{"index": 0, "delta": {"content": "' + content + b'"}}]}'))
        call.write(as_event(json.dumps(delta(None, "stop")).encode()) + as_event(b"[DONE]"))
        return None

    return respond


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ([rb"\ud83d", rb"\ude00"], EMOJI),
        ([rb"so \ud83d", rb"\ude00 \ud83d", rb"\ude00."], f"so {EMOJI} {EMOJI}."),
        ([rb"\ud83d\ude00"], EMOJI),
        ([rb"\ud83d", b"", rb"\ude00"], EMOJI),
        ([rb"half \ud83d", b" of it"], "half ? of it"),
        ([rb"half \ud83d"], "half ?"),
        ([EMOJI.encode()[:2], EMOJI.encode()[2:]], EMOJI),
        (["é".encode()[:1], "é".encode()[1:]], "é"),
        ([EMOJI.encode()[:2], b"x"], "\ufffdx"),
    ],
)
def test_halves_of_a_character_in_two_chunks_are_put_together(
    proxy: Proxy, stub: Stub, contents: list[bytes], text: str
) -> None:
    stub.respond = Upstream(raw_chunks(*contents))
    assert answer(proxy, "re2", stream=True)[0] == text


@pytest.mark.parametrize("content", [rb"\ud83d", rb"\ude00 first", rb"a \ud83d b"])
def test_half_a_character_in_a_whole_reply_is_an_answer(proxy: Proxy, stub: Stub, content: bytes) -> None:
    body = b'{"choices": [{"message": {"role": "assistant", "content": "It is ' + content + b'"}}]}'
    stub.respond = lambda call: call.raw(body, content_type="application/json")
    assert answer(proxy, "re2", stream=False)[0].startswith("It is ")


@pytest.mark.parametrize("slug", ["bon", "none"])
def test_half_a_character_in_the_request_is_an_answer_or_an_honest_400(
    proxy: Proxy, stub: Stub, slug: str
) -> None:
    stub.respond = Upstream(sound)
    body = b'{"model": "' + slug.encode() + b'-m", "messages": [{"role": "user", "content": "\\ud83d"}]}'
    headers = {"Content-Type": "application/json"}
    reply = httpx2.post(f"{proxy.base_url}/chat/completions", content=body, headers=headers, timeout=60)
    assert reply.status_code in (200, 400)
    assert reply.status_code == 200 or reply.json()["error"]["type"] == "invalid_request_error"


# What is counted, what is only passed on.


def test_usage_that_grows_from_chunk_to_chunk_is_counted_once(proxy: Proxy, stub: Stub) -> None:
    stub.respond = Upstream(counted_each_time)
    _, _, usage = answer(proxy, "re2", stream=True, stream_options={"include_usage": True})
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 3)


UNPACKED = ("compressed", "a stream unless told otherwise")
# What is cut before its end is an error where no stream was asked for.
PASSED_ON = [
    (situation, stream)
    for situation in EVERY
    for stream in (False, True)
    if situation not in UNPACKED and (stream or situation not in BROKEN)
]


@pytest.mark.parametrize(("situation", "stream"), PASSED_ON)
def test_without_a_technique_every_byte_goes_through(
    proxy: Proxy, stub: Stub, situation: str, stream: bool
) -> None:
    respond = EVERY[situation]
    sent: list[bytes] = []

    class Noted(Call):
        def write(self, data: bytes) -> None:
            sent.append(data)
            super().write(data)

    stub.respond = lambda call: respond(Noted(**vars(call)), "It is 7.")
    body = {"model": "m", "messages": MESSAGES, "stream": stream}
    reply = httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=60)
    assert (reply.status_code, reply.content) == (200, b"".join(sent))


# Lists of models.

LISTS: dict[str, tuple[int, Any, list[str]]] = {
    "the usual": (200, {"object": "list", "data": [{"id": "m"}, {"id": "k"}]}, ["m", "k"]),
    "bare (Together)": (200, [{"id": "m", "type": "chat"}, {"id": "k"}], ["m", "k"]),
    "names in a list": (200, ["m", "k"], ["m", "k"]),
    "models": (200, {"models": [{"name": "m"}, {"id": "k"}]}, ["m", "k"]),
    "null": (200, {"data": None}, []),
    "odd items": (200, [None, 3, {}, {"id": "m"}], ["m"]),
    "none kept": (404, {"detail": "Not Found"}, []),
    "not allowed": (405, {"detail": "Method Not Allowed"}, []),
}


@pytest.mark.parametrize("situation", LISTS)
def test_models_are_listed_however_the_upstream_lists_them(proxy: Proxy, stub: Stub, situation: str) -> None:
    status, body, names = LISTS[situation]
    stub.respond = lambda call: call.json(body, status)
    reply = httpx2.get(f"{proxy.base_url}/models", timeout=60)
    assert reply.status_code == 200
    listed = [model["id"] for model in reply.json()["data"]]
    assert listed[: len(names)] == names
    assert any(name.startswith("bon-") for name in listed[len(names) :])
