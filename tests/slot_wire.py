"""Scripted replies in the wire format of a local model server, llama.cpp b10434."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import orjson

from optillm.chat import content_text
from optillm.engine.upstream.errors import refused
from optillm.engine.upstream.replies import DONE
from optillm.errors import UpstreamError
from tests.fakes import HANG, Say
from tests.slot_server import Choice, Generation

FINGERPRINT: Final = "b10434-0000000"
CHARACTERS: Final = 4
"""Characters in a token; also the tokens around each message of a prompt."""


@dataclass(frozen=True)
class Reply(Say):
    """A reply with a given number of tokens, whatever the length of its text."""

    tokens: int = 1


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return the tokens of a call's prompt."""
    return sum(len(content_text(message)) // CHARACTERS + CHARACTERS for message in body["messages"])


def choice_of(say: Say, limit: float) -> Choice:
    """Return a reply as tokens, cut at the limit; a token has four characters unless a `Reply` gives their number."""
    assert say.seconds is None, "how long a reply takes follows from its tokens"
    if say.text == HANG:
        return Choice((), silent=True)
    text = say.text or ""
    count = say.tokens if isinstance(say, Reply) else max(1, -(-len(text) // CHARACTERS))
    tokens = [text[i * len(text) // count : (i + 1) * len(text) // count] for i in range(count)]
    if count > limit:
        return Choice(tokens[: int(limit)], "length")
    return Choice(tokens, say.finish_reason)


def completion(body: Mapping[str, Any], generation: Generation, said: Sequence[Say]) -> dict[str, Any]:
    """Return a whole reply without its usage."""
    choices = [
        {
            "finish_reason": choice.finish_reason,
            "index": index,
            "message": {"role": "assistant", "content": "".join(choice.tokens), **say.message},
        }
        for index, (choice, say) in enumerate(zip(generation.choices, said, strict=True))
    ]
    return {**_frame(body, "chat.completion"), "choices": choices}


def chunk(body: Mapping[str, Any], *choices: tuple[int, Mapping[str, Any], str | None]) -> dict[str, Any]:
    """Return one chunk, with the index, the delta and the reason to finish of each choice in it."""
    entries = [{"finish_reason": reason, "index": index, "delta": delta} for index, delta, reason in choices]
    return {**_frame(body, "chat.completion.chunk"), "choices": entries}


def _frame(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-slots",
        "object": kind,
        "created": 1,
        "model": body["model"],
        "system_fingerprint": FINGERPRINT,
    }


async def events(
    first: Mapping[str, Any], chunks: AsyncGenerator[Mapping[str, Any], None]
) -> AsyncIterator[bytes]:
    """Yield chunks as server-sent events; the first chunk has already been read."""
    async with aclosing(chunks):
        yield _event(first)
        async for chunk in chunks:
            yield _event(chunk)


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + (b"[DONE]" if chunk is DONE else orjson.dumps(chunk)) + b"\n\n"


def refusal(status: int, message: str, kind: str = "invalid_request_error", **more: Any) -> UpstreamError:
    """Return a refusal as the engine reads it from the wire."""
    error = {"code": status, "message": message, "type": kind, **more}
    return refused(status, {}, orjson.dumps({"error": error}), bytes)
