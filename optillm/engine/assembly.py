"""Replies as the upstream sends them, whole or in chunks, with the reasoning taken out of the answer.

Some servers put a model's reasoning into the content, as a block of `<think>` tags before the answer. It is no part
of the answer: nobody judges it, votes on it or is shown it as one. It moves to `reasoning_content`, where other
servers have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from optillm.chat import Message, Reply, Usage, content_text
from optillm.errors import UpstreamError
from optillm.toolkit.answers import strip_reasoning

OPENINGS: Final = ("<think>", "<thinking>")
LONGEST_LEAD: Final = 4096
"""Characters, blanks mostly, within which reasoning begins if it does."""


def read_replies(wire: Mapping[str, Any]) -> list[Reply]:
    """The choices of a completion; what is missing in them is empty, what is of no known shape an `UpstreamError`."""
    return [
        Reply(
            message=_apart(_shaped(choice.get("message"))),
            finish_reason=choice.get("finish_reason"),
            logprobs=choice.get("logprobs"),
            model=wire.get("model"),
            system_fingerprint=wire.get("system_fingerprint"),
        )
        for choice in _objects(wire.get("choices"))
    ]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """A list of JSON objects; null is an empty one."""
    items = [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise UpstreamError("the upstream's reply has a shape of its own", retryable=True)
    return items


def _shaped(message: Any) -> Message:
    """A message, or a part of one: text or parts of text, and calls of tools."""
    said: Message = _objects([message])[0] if message else {"role": "assistant", "content": None}
    _objects(said.get("tool_calls"))
    if not isinstance(said.get("content"), str):
        _objects(said.get("content"))
    return said


def _apart(message: Message) -> Message:
    """The message with a leading reasoning block in its own field; tags further on belong to the answer."""
    content = message.get("content")
    if not isinstance(content, str) or not content.lstrip()[:10].lower().startswith(OPENINGS):
        return message
    answer = strip_reasoning(content)
    thought = content[: len(content) - len(answer)] if answer else content
    known = message.get("reasoning_content") or message.get("reasoning")
    return {**message, "content": answer, "reasoning_content": known or thought.strip()}


class Thought:
    """Holds back the reasoning that a stream of text begins with."""

    def __init__(self) -> None:
        self._held = ""
        self._closing = ""
        self._state: Literal["undecided", "thinking", "after", "answering"] = "undecided"

    def add(self, text: str) -> str:
        """Take in a piece; what of it belongs to the answer."""
        if self._state == "answering":
            return text
        self._held += text
        if self._state == "undecided":
            self._state = self._decided()
        if self._state == "thinking":
            place = self._held.lower().find(self._closing)
            if place < 0:
                self._held = self._held[-len(self._closing) :]  # enough to see a tag that comes in two pieces
                return ""
            self._held, self._state = self._held[place + len(self._closing) :], "after"
        if self._state == "after":
            rest, self._held = self._held.lstrip(), ""
            self._state = "answering" if rest else "after"
            return rest
        return self._released() if self._state == "answering" else ""

    def end(self) -> str:
        """What was held back and turned out to be the answer."""
        return self._released() if self._state == "undecided" else ""

    def _decided(self) -> Literal["undecided", "thinking", "after", "answering"]:
        begun = self._held.lstrip().lower()
        opening = next((opening for opening in OPENINGS if begun.startswith(opening)), None)
        if opening is not None:
            self._closing = opening.replace("<", "</")
            return "thinking"
        open_yet = len(self._held) < LONGEST_LEAD and any(opening.startswith(begun) for opening in OPENINGS)
        return "undecided" if open_yet else "answering"

    def _released(self) -> str:
        held, self._held = self._held, ""
        return held


class Assembly:
    """A reply being put together from the chunks of a stream."""

    def __init__(self) -> None:
        self.chunks = 0
        self.text: list[str] = []
        self._thought = Thought()
        self.usage: Usage | None = None
        self._message: dict[str, Any] = {"role": "assistant"}
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._fingerprint: str | None = None
        self._logprobs: dict[str, list[Any]] = {}

    def add(self, chunk: Mapping[str, Any]) -> str:
        """Take in a chunk; the piece of visible text it carries, if any."""
        self.chunks += 1
        self.usage = Usage.read(chunk.get("usage")) or self.usage
        self._model = chunk.get("model") or self._model
        self._fingerprint = chunk.get("system_fingerprint") or self._fingerprint
        choices = _objects(chunk.get("choices"))
        if not choices:
            return ""
        self._finish_reason = choices[0].get("finish_reason") or self._finish_reason
        delta = _shaped(choices[0].get("delta"))
        logprobs = choices[0].get("logprobs")
        for name, tokens in logprobs.items() if isinstance(logprobs, Mapping) else ():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)
        for name in ("refusal", "reasoning_content", "reasoning"):
            if isinstance(delta.get(name), str):
                self._message[name] = self._message.get(name, "") + delta[name]
        self.text.append(content_text(delta))
        ended = self._finish_reason is not None
        return self._thought.add(self.text[-1]) + (self._thought.end() if ended else "")

    def reply(self) -> Reply:
        """The whole reply; raises `UpstreamError` when the stream ended before its end."""
        if self._finish_reason is None:
            raise UpstreamError("the upstream's stream ended early", retryable=True)
        message = _apart({**self._message, "content": "".join(self.text)})
        return Reply(message, self._finish_reason, self._logprobs or None, self._model, self._fingerprint)
