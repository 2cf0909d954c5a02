"""What upstreams do with a text they are to say, as real servers do it; those that do are named beside each.

In the `SOUND` situations a client is to see that text and nothing else, in the `FAILED` and `BROKEN` ones an error
with the upstream's own words.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import httpx2

from optillm.techniques import registry
from tests.e2e.proxy import Proxy
from tests.fakes import continues
from tests.stub import Call, completion, delta

TECHNIQUES = sorted(registry())
CALLS = {"bon": 3, "moa": 7, "re2": 1}
"""Calls that continue the conversation, when none is made again."""
AT_ONCE = {"bon": 3, "moa": 4, "re2": 1}
"""Those of them that are sent first and together."""
SOME = tuple(CALLS)
MESSAGES = [{"role": "user", "content": "What is 3 + 4?"}]
VERDICT = (
    '{"ranking": ["A", "B", "C"], "score": 7, "better": "A", "errors": [], "groups": [["A"]], "pick": "A"}'
)
HIDDEN = "surely it is 99"
EMOJI = "\N{GRINNING FACE}"

Respond = Callable[[Call, str], None]


def streams(call: Call) -> bool:
    return bool(call.sent.get("stream"))


def pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def whole(call: Call, text: str, finish: Any = "stop", **message: Any) -> None:
    reply = completion(text)
    reply["choices"][0] |= {"finish_reason": finish}
    reply["choices"][0]["message"] |= message
    call.json(reply)


def sound(call: Call, text: str) -> None:
    """As the book says."""
    if streams(call):
        call.events(*map(delta, pieces(text)), delta(None, "stop"))
    else:
        whole(call, text)


def frames(write: Callable[[str], list[bytes]], content_type: str = "text/event-stream") -> Respond:
    """A stream whose bytes `write` makes of the text; other replies are sound."""

    def respond(call: Call, text: str) -> None:
        if not streams(call):
            return sound(call, text)
        call.begin(content_type=content_type)
        for part in write(text):
            call.write(part)
        return None

    return respond


def chunks(text: str) -> list[bytes]:
    """The JSON of a stream's chunks, the last word in the one with the finish_reason."""
    *first, last = pieces(text)
    return [json.dumps(chunk).encode() for chunk in (*map(delta, first), delta(last, "stop"))]


def as_event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def events(between: bytes, before: bytes = b"data: ", done: bytes = b"data: [DONE]") -> Respond:
    """A stream of events in another form."""
    return frames(lambda text: [before + chunk + between for chunk in chunks(text)] + [done + between])


def altered(change: Callable[[dict[str, Any]], dict[str, Any]], done: bool = True) -> Respond:
    """A stream whose chunks and a whole reply whose body are changed."""

    def respond(call: Call, text: str) -> None:
        if streams(call):
            wires = [json.loads(chunk) for chunk in chunks(text)]
            call.events(*map(change, wires), done=done)
        else:
            call.json(change(completion(text)))

    return respond


def ends(reason: Any, name: str = "finish_reason", rest: Any = None) -> Respond:
    """Replies that end with another word, and say another one before."""

    def change(wire: dict[str, Any]) -> dict[str, Any]:
        for choice in wire["choices"]:
            ended = choice.pop("finish_reason") is not None
            choice |= {name: reason if ended else rest}
        return wire

    return altered(change)


def thinking(write: Callable[[str], str], **fields: str) -> Respond:
    """Thoughts in the text or in a field of their own."""

    def respond(call: Call, text: str) -> None:
        if not streams(call):
            return whole(call, write(text), **fields)
        thoughts = delta()
        thoughts["choices"][0]["delta"] = fields
        return call.events(thoughts, *map(delta, pieces(write(text))), delta(None, "stop"))

    return respond


def in_parts(*, thoughts: Any) -> Respond:
    """Content that is a list of parts."""

    def change(wire: dict[str, Any]) -> dict[str, Any]:
        for choice in wire["choices"]:
            said = choice.get("message") or choice.get("delta")
            said["content"] = [thoughts, {"type": "text", "text": said.get("content") or ""}]
        return wire

    return altered(change)


def json_to_a_stream(call: Call, text: str) -> None:
    whole(call, text)


def stream_to_all(call: Call, text: str) -> None:
    call.events(*map(delta, pieces(text)), delta(None, "stop"), delta(None, usage={"prompt_tokens": 7}))


def stream_unless_told(call: Call, text: str) -> None:
    assert call.sent["stream"] in (True, False)
    sound(call, text)


def compressed(call: Call, text: str) -> None:
    if streams(call):
        return sound(call, text)
    body = gzip.compress(json.dumps(completion(text)).encode())
    return call.raw(body, content_type="application/json", content_encoding="gzip")


def counted_each_time(call: Call, text: str) -> None:
    if not streams(call):
        return sound(call, text)
    usages = [{"prompt_tokens": 7, "completion_tokens": tokens} for tokens in (1, 2, 3)]
    return call.events(
        *(delta(piece, usage=usage) for piece, usage in zip((text[:3], text[3:], ""), usages, strict=True)),
        delta(None, "stop", usage=usages[-1]),
    )


def slowly_after_blanks(call: Call, text: str) -> None:
    """DeepSeek sends blank lines while a request waits."""
    body = b"\n\n\n" + json.dumps(completion(text)).encode()
    if streams(call):
        return sound(call, text)
    return call.raw(body, content_type="application/json")


def with_chunks_between(*between: Any) -> Respond:
    return frames(
        lambda text: (
            [
                part
                for chunk in chunks(text)
                for part in (
                    *(b"data: " + json.dumps(odd).encode() + b"\n\n" for odd in between),
                    b"data: " + chunk + b"\n\n",
                )
            ]
            + [b"data: [DONE]\n\n"]
        )
    )


def with_logprobs(logprobs: Any) -> Respond:
    def change(wire: dict[str, Any]) -> dict[str, Any]:
        for choice in wire["choices"]:
            choice["logprobs"] = logprobs
        return wire

    return altered(change)


HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>"
SOUND: dict[str, Respond] = {
    "as the book says": sound,
    # Framing of streams.
    "CR LF": events(b"\r\n\r\n"),
    "CR": events(b"\r\r"),
    "no blank after the colon": events(b"\n\n", b"data:", b"data:[DONE]"),
    "a byte order mark": frames(lambda text: [b"\xef\xbb\xbf"] + [as_event(c) for c in chunks(text)]),
    "empty data": events(b"\n\ndata:\n\ndata: \n\n"),
    "comments (OpenRouter)": events(b"\n\n: OPENROUTER PROCESSING\n\n"),
    "retry, id and event": events(b"\n\n", b"retry: 10\nid: 7\nevent: completion.chunk\ndata: "),
    "signs of life with a name": events(b"\n\nevent: ping\ndata: alive\n\n"),
    "several data lines": frames(
        lambda text: [
            b"".join(
                b"data: " + line + b"\n" for line in json.dumps(json.loads(c), indent=1).encode().split(b"\n")
            )
            + b"\n"
            for c in chunks(text)
        ]
    ),
    "no blank lines at all": events(b"\n"),
    "no line end after the marker (llama.cpp)": frames(
        lambda text: [*(as_event(c) for c in chunks(text)), b"data: [DONE]"]
    ),
    "byte by byte": frames(
        lambda text: [
            bytes([byte]) for byte in b"".join(as_event(c) for c in chunks(text)) + b"data: [DONE]\n\n"
        ]
    ),
    "another media type": frames(lambda text: [as_event(c) for c in chunks(text)], "text/plain"),
    "chunks without choices (Azure)": with_chunks_between(
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, {"choices": None}, {"id": "c1"}
    ),
    "a chunk that filters (Azure)": with_chunks_between(
        {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}
    ),
    "usage on every chunk (vLLM)": counted_each_time,
    "an error that is none (one-api)": altered(lambda wire: wire | {"error": {"message": "", "code": None}}),
    "JSON to a stream": json_to_a_stream,
    # Streams nobody asked for, bytes.
    "a stream nobody asked for": stream_to_all,
    "a stream unless told otherwise": stream_unless_told,
    "compressed": compressed,
    "blank lines before JSON (DeepSeek)": slowly_after_blanks,
    # Ends.
    "no finish_reason, then the marker": ends(None),
    "finishReason": ends("stop", "finishReason"),
    "None on every chunk but the last": ends("stop", rest="None"),
    "null as a word": ends("null", rest="null"),
    "eos (Together)": ends("eos"),
    "eos_token (TGI)": ends("eos_token", rest=""),
    "end_turn (Anthropic)": ends("end_turn"),
    "stop_sequence": ends("stop_sequence"),
    "STOP (Gemini)": ends("STOP"),
    "an enumeration": ends("FinishReason.STOP"),
    "an object (SGLang)": ends({"type": "stop", "matched": 2}),
    "tool_calls without any": ends("tool_calls"),
    # Content in parts.
    "thinking in parts (Mistral)": in_parts(
        thoughts={"type": "thinking", "thinking": [{"type": "text", "text": HIDDEN}]}
    ),
    "thinking in parts (Anthropic)": in_parts(thoughts={"type": "thinking", "thinking": HIDDEN}),
    "reasoning in parts": in_parts(thoughts={"type": "reasoning", "text": HIDDEN}),
    "a thought among parts (Gemini)": in_parts(thoughts={"text": HIDDEN, "thought": True}),
    # Thoughts in the text.
    "think": thinking(f"<think>{HIDDEN}</think>\n\n{{}}".format),
    "thinking": thinking(f"<thinking>{HIDDEN}</thinking>{{}}".format),
    "[THINK] (Magistral)": thinking(f"[THINK]{HIDDEN}[/THINK]{{}}".format),
    "thought": thinking(f"<thought>{HIDDEN}</thought>\n{{}}".format),
    "seed:think": thinking(f"<seed:think>{HIDDEN}</seed:think>{{}}".format),
    "◁think▷ (Kimi)": thinking(f"◁think▷{HIDDEN}◁/think▷{{}}".format),
    "reasoning": thinking(f"<reasoning>{HIDDEN}</reasoning>{{}}".format),
    "begin_of_thought": thinking(
        lambda text: (
            f"<|begin_of_thought|>{HIDDEN}<|end_of_thought|>\n\n<|begin_of_solution|>{text}<|end_of_solution|>"
        )
    ),
    "harmony (gpt-oss)": thinking(lambda text: HARMONY.format(HIDDEN, text)),
    "reasoning_content (DeepSeek)": thinking(str, reasoning_content=HIDDEN),
    "a field reasoning (OpenRouter)": thinking(str, reasoning=HIDDEN),
    # Beside the text.
    "logprobs with null inside": with_logprobs({"content": None, "refusal": None}),
    "logprobs of null tokens": with_logprobs({"content": [None]}),
    "logprobs without numbers": with_logprobs(
        {"content": [{"token": None, "logprob": None, "top_logprobs": None}]}
    ),
}


class Upstream:
    """Answers as a situation says, every time another text; judges get a verdict."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._numbers = count(1)
        self.said: list[str] = []
        self.bodies: list[bytes] = []

    def __call__(self, call: Call) -> None:
        if not continues(call.sent["messages"], MESSAGES):
            return sound(call, VERDICT)
        self.bodies.append(call.body)
        self.said.append(f"The answer is {next(self._numbers)}, not less. {EMOJI}")
        return self._respond(call, self.said[-1])


def ask(proxy: Proxy, slug: str, *, stream: bool, **more: Any) -> tuple[int, Any]:
    """The status, and the body or the events."""
    body = {"model": f"{slug}-m", "messages": MESSAGES, "stream": stream, **more}
    reply = httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=60)
    if not stream or reply.status_code != 200:
        return reply.status_code, reply.json()
    lines = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return 200, [json.loads(line) for line in lines[:-1]]


def answer(proxy: Proxy, slug: str, *, stream: bool, **more: Any) -> tuple[str, str, Any]:
    """The text a client sees, why it ended, and the usage."""
    status, body = ask(proxy, slug, stream=stream, **more)
    assert status == 200, body
    if not stream:
        (choice,) = body["choices"]
        return choice["message"]["content"], choice["finish_reason"], body["usage"]
    assert not any("error" in event for event in body), body
    choices = [choice for event in body for choice in event["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    (reason,) = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    return text, reason, body[-1].get("usage")


def failure(
    proxy: Proxy, slug: str, *, stream: bool, **more: Any
) -> tuple[int | None, Mapping[str, Any], str]:
    """The status where there is one, the error, and what was shown before it."""
    status, body = ask(proxy, slug, stream=stream, **more)
    if status != 200:
        return status, body["error"], ""
    assert stream, body
    *shown, last = body
    text = "".join(choice["delta"].get("content") or "" for event in shown for choice in event["choices"])
    return None, last["error"], text


HALF = "The answer is 12"


def as_body(body: Any) -> Respond:
    """A body instead of a completion, whatever was asked for."""
    return lambda call, _: call.json(body)


def after_half(choice: Mapping[str, Any] | None = None, *, done: bool = True, **chunk: Any) -> Respond:
    """Half a text, and then the choice or the chunk that ends it."""

    def respond(call: Call, text: str) -> None:
        if not streams(call):
            reply = completion(HALF)
            reply["choices"][0] |= {"finish_reason": None} | dict(choice or {})
            return call.json(reply | chunk)
        last = delta()
        last["choices"] = [] if choice is None else [last["choices"][0] | dict(choice)]
        return call.events(*map(delta, pieces(HALF)), last | chunk, done=done)

    return respond


def then(data: bytes) -> Respond:
    """Half a text in a stream and then these bytes; half a body in a whole reply."""

    def respond(call: Call, text: str) -> None:
        if streams(call):
            call.begin(content_type="text/event-stream")
            for piece in pieces(HALF):
                call.write(as_event(json.dumps(delta(piece)).encode()))
            call.write(data)
        else:
            call.begin(content_type="application/json")
            call.write(json.dumps(completion(text)).encode()[:40])

    return respond


NO_IMAGES = "No endpoints found that support image input"
IDLE = "Upstream idle timeout"
FAILED: dict[str, tuple[Respond, str, int]] = {
    # What the upstream does, its words, the status.
    "404 in a body (OpenRouter)": (as_body({"error": {"message": NO_IMAGES, "code": 404}}), NO_IMAGES, 404),
    "429 in a body": (
        as_body({"error": {"message": "Provider returned error", "code": 429}}),
        "Provider",
        429,
    ),
    "a status in words": (as_body({"error": {"message": "Slow down", "code": "429"}}), "Slow down", 429),
    "a status beside it": (as_body({"error": {"message": "Full"}, "status": 503}), "Full", 503),
    "a status code (Groq)": (
        as_body({"error": {"message": "Bad tool", "status_code": 400}}),
        "Bad tool",
        400,
    ),
    "no status": (as_body({"error": {"message": "Oh no", "code": "odd", "type": "odd"}}), "Oh no", 502),
    "words only (LM Studio)": (
        as_body({"error": "Unexpected endpoint or method"}),
        "Unexpected endpoint",
        502,
    ),
    "an object that says so (vLLM)": (
        as_body({"object": "error", "message": "Too long", "code": 400}),
        "Too long",
        400,
    ),
    "an error in a list (Gemini)": (
        as_body([{"error": {"message": "No such field", "code": 400}}]),
        "No such field",
        400,
    ),
    "a base_resp (MiniMax)": (
        as_body({"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}}),
        "login fail",
        502,
    ),
    "no success (new-api)": (
        as_body({"success": False, "message": "quota is used up"}),
        "quota is used up",
        502,
    ),
    "beside choices": (as_body(completion(HALF) | {"error": {"message": IDLE, "code": 504}}), IDLE, 504),
    "in the choice (OpenRouter)": (
        after_half({"finish_reason": "error", "error": {"message": IDLE, "code": 502}}),
        IDLE,
        502,
    ),
    "in the choice, with a 4xx": (
        after_half({"finish_reason": "error", "error": {"message": IDLE, "code": 403}}),
        IDLE,
        403,
    ),
    "in the choice, with another word": (
        after_half({"finish_reason": "stopped?", "error": {"message": IDLE}}),
        IDLE,
        502,
    ),
    "in the choice, without a word": (after_half({"error": IDLE}), IDLE, 502),
    "finish_reason error alone": (after_half({"finish_reason": "error"}), "'error'", 502),
    "abort (SGLang)": (after_half({"finish_reason": "abort"}), "'abort'", 502),
    "network_error (GLM)": (after_half({"finish_reason": "network_error"}), "'network_error'", 502),
    "no resources (DeepSeek)": (
        after_half({"finish_reason": "insufficient_system_resource"}),
        "insufficient",
        502,
    ),
    "an object abort (SGLang)": (after_half({"finish_reason": {"type": "abort"}}), "broke off", 502),
    "a chunk with an error": (after_half(error={"message": IDLE, "code": 502}), IDLE, 502),
    "a chunk with an error, and no marker": (
        after_half(error={"message": IDLE, "code": 429}, done=False),
        IDLE,
        429,
    ),
    "a chunk that is an error (vLLM)": (after_half(object="error", message=IDLE, code=500), IDLE, 500),
}
BROKEN: dict[str, tuple[Respond, str]] = {
    # What befalls streams; whole replies are cut.
    "an event named error": (then(b'event: error\ndata: {"message": "Overloaded"}\n\n'), "Overloaded"),
    "an event named error, with the key": (
        then(b'event: error\ndata: {"error": {"message": "Overloaded"}}\n\n'),
        "Overloaded",
    ),
    "an event named error, with text": (then(b"event: error\ndata: Overloaded\n\n"), "Overloaded"),
    "a field named error (llama.cpp)": (
        then(b'error: {"code":400,"message":"Overloaded"}\n\ndata: [DONE]\n\n'),
        "Overloaded",
    ),
    "an error without saying so": (then(b'data: {"message": "Overloaded", "code": 503}\n\n'), "Overloaded"),
    "the same before the marker": (then(b'data: {"detail": "Overloaded"}\n\ndata: [DONE]\n\n'), "Overloaded"),
    "an error without its blank line": (then(b'data: {"error": {"message": "Overloaded"}}'), "Overloaded"),
    "a chunk that is cut": (then(b'data: {"choices": [{"index": 0, "fin'), "early"),
    "nothing more": (then(b""), "early"),
    "a comment": (then(b": bye\n\n"), "early"),
    "the word None": (then(as_event(json.dumps(delta(" more", "None")).encode())), "early"),
    "the word null": (then(as_event(json.dumps(delta(" more", "null")).encode())), "early"),
}


EVERY: dict[str, Respond] = {
    **SOUND,
    **{name: failed[0] for name, failed in FAILED.items()},
    **{name: broken[0] for name, broken in BROKEN.items()},
}


def only(number: int, odd: Respond, rest: Respond = sound) -> Respond:
    """One reply of all is odd."""
    numbers = count()
    return lambda call, text: (odd if next(numbers) == number else rest)(call, text)


def answer_in(body: Any, *, stream: bool) -> str:
    choices = [choice for event in body for choice in event["choices"]] if stream else body["choices"]
    return "".join(
        (choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in choices
    )
