"""Bring upstreams' replies, whole or in chunks, into one shape, thoughts and answer apart.

Servers put a model's thoughts into fields, into parts of the content, or as tags into the text itself. They are no
part of the answer: nobody judges them, votes on them or is shown them as one. They move to `reasoning_content`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson

from optillm.chat import THOUGHTS, Message, Reply, Usage
from optillm.engine.upstream.errors import failure, failure_in, words_of
from optillm.engine.upstream.finish_reasons import STOP, ending, fitting
from optillm.engine.upstream.split_characters import HalfKeeper, all_mended
from optillm.engine.upstream.tool_calls import ODD, ActionAssembly, objects, with_calls_read
from optillm.errors import UpstreamError
from optillm.toolkit.thoughts import ThoughtReader, split_thoughts

DONE: Final[Mapping[str, Any]] = MappingProxyType({})
"""Stands among the chunks of a stream where the upstream says that it has ended."""

KEPT: Final = frozenset({"refusal", *THOUGHTS})
"""Fields of a delta whose text is joined, beside the content."""


def read_replies(wire: Mapping[str, Any]) -> list[Reply]:
    """The choices of a completion that have not failed; what is missing in them is empty.

    Raises `UpstreamError` when all have failed, when the completion is an error, or has no known shape.
    """
    failed = failure_in(wire)
    choices = objects(wire.get("choices"))
    if failed is None and not choices and words_of(wire):
        failed = failure(wire)
    replies = list[Reply]()
    for choice in choices if failed is None else ():
        try:
            replies.append(_reply(choice, wire))
        except UpstreamError as error:
            failed = error
    if failed is not None and not replies:
        raise failed
    return replies


def _reply(choice: Mapping[str, Any], wire: Mapping[str, Any]) -> Reply:
    reason = ending(choice)
    message = with_calls_read(_apart(_message(choice)))
    return Reply(
        message=message if message.get("role") == "assistant" else {**message, "role": "assistant"},
        finish_reason=fitting(reason, message),
        logprobs=choice.get("logprobs"),
        model=wire.get("model"),
        system_fingerprint=wire.get("system_fingerprint"),
    )


def _message(choice: Mapping[str, Any]) -> Message:
    """What a choice says, whether whole or in part."""
    message = choice.get("message") or choice.get("delta")
    message = message or {"role": "assistant", "content": choice.get("text")}
    if not isinstance(message, dict):
        raise UpstreamError(ODD, retryable=True)
    return message


def _apart(message: Message) -> Message:
    """Return the message with the thoughts of its content in a field of their own.

    It stays as it is when there are none.
    """
    content = message.get("content")
    if content is None:
        return message
    text, thoughts, others = (content, "", []) if isinstance(content, str) else _parts(content)
    tagged, answer = split_thoughts(text)
    if not tagged and answer == content:
        return message
    thoughts += tagged
    present = next(filter(None, map(message.get, THOUGHTS)), None)
    apart = {"reasoning_content": present or thoughts} if thoughts else {}
    return {**message, "content": [*others, {"type": "text", "text": answer}] if others else answer, **apart}


def _parts(content: Any) -> tuple[str, str, list[Mapping[str, Any]]]:
    """The text of a content in parts, the thoughts in it, and the parts that are neither."""
    items = [content] if isinstance(content, Mapping) else content
    text, thoughts, others = list[str](), list[str](), list[Mapping[str, Any]]()
    for part in objects(items):
        kind = str(part.get("type"))
        if part.get("thought") is True or any(word in kind for word in ("think", "thought", "reason")):
            thoughts.append(_words_in(part))
        elif isinstance(part.get("text"), str):
            text.append(part["text"])
        else:
            others.append(part)
    return "".join(text), "".join(thoughts), others


def _words_in(part: Any) -> str:
    """The words of a part that holds thoughts, or of a list of such."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(map(_words_in, part))
    if not isinstance(part, Mapping):
        return ""
    words = (_words_in(part.get(name)) for name in ("text", *THOUGHTS, "content", "summary"))
    return next(filter(None, words), "")


class Assembly:
    """A reply being put together from the chunks of a stream; only its first choice is read.

    `pieces` counts the chunks that hold a part of the reply; a role or an empty text does not count.
    """

    def __init__(self) -> None:
        self.chunks = 0
        self.pieces = 0
        self.text: list[str] = []
        self.usage: Usage | None = None
        self._answer: list[str] = []
        self._fields: dict[str, list[str]] = {}
        self._halves = HalfKeeper()
        self._thoughts = ThoughtReader()
        self._actions = ActionAssembly()
        self._function = ActionAssembly()
        self._index: Any = None
        self._finish_reason: str | None = None
        self._remark: UpstreamError | None = None
        self._model: str | None = None
        self._fingerprint: str | None = None
        self._logprobs: dict[str, list[Any]] = {}

    @property
    def begun(self) -> bool:
        """Whether a part of the reply has come."""
        return self.pieces > 0

    def add(self, chunk: Mapping[str, Any]) -> str:
        """Take in a chunk; the piece of visible text it carries, if any. Raises `UpstreamError`."""
        if chunk is DONE:
            self._finish_reason = self._finish_reason or (None if self._remark else STOP)
            return self._shown("")
        failed = failure_in(chunk)
        if failed is not None:
            raise failed
        self.chunks += 1
        self.usage = Usage.read(chunk.get("usage")) or self.usage
        self._model = chunk.get("model") or self._model
        self._fingerprint = chunk.get("system_fingerprint") or self._fingerprint
        choice = self._own(objects(chunk.get("choices")))
        if choice is None:
            # Words beside no choice may be an error that does not say so: it is one if no end follows.
            self._remark = self._remark or (failure(chunk) if words_of(chunk) else None)
            return ""
        message = _message(choice)
        whole = "delta" not in choice and bool(choice.get("message"))  # it comes in one piece after all
        self._finish_reason = ending(choice) or self._finish_reason or (STOP if whole else None)
        self._note_logprobs(choice.get("logprobs"))
        return self._shown(self._said(_apart(message) if whole else message))

    def reply(self) -> Reply:
        """The whole reply; raises `UpstreamError` when the stream ended before its end."""
        if self._finish_reason is None:
            raise self._remark or UpstreamError("the upstream's stream ended early", retryable=True)
        if self._index is None:
            raise UpstreamError("the upstream's reply has no choices", retryable=True)
        fields = {name: "".join(pieces) for name, pieces in self._fields.items()}
        message: dict[str, Any] = {"role": "assistant", **fields, "content": "".join(self._answer)}
        thoughts = "".join(self._thoughts.thoughts).strip()
        if thoughts and not any(name in fields for name in THOUGHTS):
            message["reasoning_content"] = thoughts
        calls, functions = self._actions.calls(), self._function.calls()
        if calls or functions:
            message["content"] = message["content"] or None
            message |= {"tool_calls": calls} if calls else {"function_call": functions[0]["function"]}
        message, logprobs = _without_halves([with_calls_read(message), self._logprobs or None])
        reason = fitting(self._finish_reason, message)
        return Reply(message, reason, logprobs, self._model, self._fingerprint)

    def completion(self) -> dict[str, Any]:
        """The reply as it would have come in one piece; raises `UpstreamError` as `reply` does."""
        reply = self.reply()
        choice = {"index": 0, "message": reply.message, "finish_reason": reply.finish_reason}
        head = {"model": reply.model, "system_fingerprint": reply.system_fingerprint}
        usage = None if self.usage is None else self.usage.wire()
        return {**head, "choices": [{**choice, "logprobs": reply.logprobs}], "usage": usage}

    def _own(self, choices: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The part of a chunk that belongs to the choice which came first."""
        for choice in choices:
            index = choice.get("index") or 0
            if self._index is None:
                self._index = index
            if index == self._index:
                return choice
        return None

    def _said(self, delta: Message) -> str:
        """The text of a delta; what it holds beside that is noted."""
        for name, value in delta.items():
            if name in KEPT and isinstance(value, str):
                self._fields.setdefault(name, []).append(value)
            elif name == "tool_calls" and value:
                self._actions.add(value)
            elif name == "function_call" and value:
                self._function.add([{"function": value}])
        content = delta.get("content")
        self.pieces += any(value for name, value in delta.items() if name != "role")
        if content is not None and not isinstance(content, str):
            content, thoughts, _ = _parts(content)
            if thoughts:
                self._fields.setdefault("reasoning_content", []).append(thoughts)
        return content or ""

    def _shown(self, text: str) -> str:
        """What of the text is to be seen now: no thoughts, no half of a character."""
        self.text.append(text)
        text = self._halves.feed(text)
        if self._finish_reason is None:
            shown = self._thoughts.feed(text)
        else:
            shown = self._thoughts.feed(text + self._halves.end()) + self._thoughts.end()
        self._answer.append(shown)
        return shown

    def _note_logprobs(self, logprobs: Any) -> None:
        if not isinstance(logprobs, dict):
            return
        for name, tokens in logprobs.items():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)


def _without_halves(value: Any) -> Any:
    try:
        orjson.dumps(value)
    except TypeError:  # it takes no halves of characters
        return all_mended(value)
    return value
