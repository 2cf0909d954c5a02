"""The part of a reply that is the answer, with the log probabilities of that part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optillm.chat import Reply


def after(reply: Reply, marker: str) -> Reply:
    """Return the reply with what follows the first line that is `marker`, else as it is."""
    if marker not in reply.text:
        return reply
    lines = reply.text.split("\n")
    index = next((index for index, line in enumerate(lines) if line.strip() == marker), None)
    answer = "" if index is None else "\n".join(lines[index + 1 :]).lstrip("\n")
    return excerpt(reply, answer) if answer.strip() else reply


def excerpt(reply: Reply, part: str) -> Reply:
    """Return the reply with `part` of its text as its text; itself if that is all of it."""
    if part == reply.text:
        return reply
    start = reply.text.rfind(part)
    return _reduced(reply, part, [(start, start + len(part))])


def leaving_out(reply: Reply, spans: Sequence[tuple[int, int]]) -> Reply:
    """Return the reply without these spans (start, end) of its text, in order.

    It stays as it is if there are none.
    """
    if not spans:
        return reply
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(reply.text)]
    kept = list(zip(starts, ends, strict=True))
    return _reduced(reply, "".join(reply.text[start:end] for start, end in kept), kept)


def _reduced(reply: Reply, content: str, kept: Sequence[tuple[int, int]]) -> Reply:
    length = len(reply.text)
    logprobs = _tokens(reply.logprobs, [(start - length, end - length) for start, end in kept])
    return replace(reply, message={**reply.message, "content": content}, logprobs=logprobs)


def _tokens(logprobs: Any, kept: Sequence[tuple[int, int]]) -> Any:
    """Return the log probabilities of the tokens in the kept parts.

    The parts are given as offsets from the end of the text. Offsets are negative or zero. Reasoning that was taken out
    of the text may have left tokens at the beginning.
    """
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(tokens, list) or not all(isinstance(token, Mapping) for token in tokens):
        return None
    inside, first = list[Any](), 0
    for token in reversed(tokens):
        last, first = first, first - len(str(token.get("token", "")))
        if any(first < end and last > start for start, end in kept):
            inside.append(token)
    return {**logprobs, "content": inside[::-1]}
