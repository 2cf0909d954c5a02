"""The OpenAI wire format: what a request may hold, and how replies, chunks and errors look."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optillm_simulator import tokens

FINGERPRINT = "optillm-demo"
OWNER = "optillm-demo"
_BORN = 1_735_689_600  # 2025-01-01: the demo models have no other birthday


class Refused(Exception):
    """A request that cannot be served, as the wire says it."""

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        }


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Part(_Open):
    """One part of a message's content; only text is read."""

    type: str
    text: str = ""


class Message(_Open):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The content as text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class StreamOptions(_Open):
    """How a stream ends."""

    include_usage: bool = False


class ChatBody(_Open):
    """The body of a chat completion request; fields that mean nothing to the demo are let through."""

    model: str
    messages: list[Message] = Field(min_length=1)
    n: int | None = Field(default=None, ge=1, le=128)
    stop: str | list[str] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None

    @property
    def stops(self) -> list[str]:
        """The texts a reply ends before."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in stop if text]


def read_body(raw: bytes) -> ChatBody:
    """The request in a body; raises `Refused` with the field's name when it is not one."""
    try:
        sent = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(f"The body is not valid JSON: {error}") from error
    try:
        return ChatBody.model_validate(sent)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][:3] if part not in ("str", "list[Part]")) or None
        if first["type"] == "missing":
            message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
        else:
            message, code = f"Invalid value for '{param}': {first['msg']}.", "invalid_value"
        raise Refused(message, param=param, code=code) from error


@dataclass(frozen=True, slots=True)
class Choice:
    """One finished choice: its tokens, why it ended, and log probabilities when they were asked for."""

    tokens: Sequence[str]
    finish_reason: Literal["stop", "length"]
    logprobs: dict[str, Any] | None = None

    @classmethod
    def cut(cls, text: str, body: ChatBody) -> Choice:
        """A text as the request wants it: ended before a stop text, and after so many tokens."""
        ends = [at for stop in body.stops if (at := text.find(stop)) >= 0]
        pieces = tokens.split(text[: min(ends)] if ends else text)
        limit = body.max_completion_tokens or body.max_tokens
        if limit is not None and len(pieces) > limit:
            return cls(pieces[:limit], "length")
        return cls(pieces, "stop")


@dataclass(frozen=True, slots=True)
class Completion:
    """All choices of one request, and the frame they are sent in."""

    model: str
    prompt_tokens: int
    choices: Sequence[Choice]
    id: str = field(default_factory=lambda: f"chatcmpl-demo-{secrets.token_hex(8)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def usage(self) -> dict[str, int]:
        """Prompt tokens once, completion tokens over all choices."""
        completion = sum(len(choice.tokens) for choice in self.choices)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }

    def reply(self) -> dict[str, Any]:
        """The whole completion as one JSON object."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": "".join(choice.tokens), "refusal": None},
                "logprobs": choice.logprobs,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(self.choices)
        ]
        return self._frame("chat.completion") | {"choices": choices, "usage": self.usage()}

    def opening(self, index: int) -> dict[str, Any]:
        """The first chunk of a choice: its role."""
        return self._chunk(index, {"role": "assistant", "content": ""})

    def piece(self, index: int, place: int) -> dict[str, Any]:
        """The chunk with one token of a choice."""
        choice = self.choices[index]
        listed = choice.logprobs and {"content": [choice.logprobs["content"][place]], "refusal": None}
        return self._chunk(index, {"content": choice.tokens[place]}, logprobs=listed)

    def ending(self, index: int) -> dict[str, Any]:
        """The last chunk of a choice: why it ended."""
        return self._chunk(index, {}, finish_reason=self.choices[index].finish_reason)

    def accounts(self) -> dict[str, Any]:
        """The chunk after all choices that carries the usage."""
        return self._frame("chat.completion.chunk") | {"choices": [], "usage": self.usage()}

    def _chunk(
        self, index: int, delta: dict[str, Any], *, logprobs: Any = None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
        }


def model_object(name: str) -> dict[str, Any]:
    """A model as the models endpoint lists it."""
    return {"id": name, "object": "model", "created": _BORN, "owned_by": OWNER}
