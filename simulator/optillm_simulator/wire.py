"""The OpenAI wire format: request bodies, replies, chunks and errors."""

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
_BORN = 1_735_689_600  # 2025-01-01, an arbitrary date


class Refused(Exception):
    """A request that cannot be served; `body` is the error in OpenAI's shape."""

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
        """Return the content as text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class StreamOptions(_Open):
    """How a stream ends."""

    include_usage: bool = False


class ChatBody(_Open):
    """The body of a chat completion request. Fields that mean nothing to the demo are ignored."""

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
        """Return the texts before which a reply ends."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in stop if text]


def read_body(raw: bytes) -> ChatBody:
    """Parse a request body.

    Raises `Refused` with the name of the first invalid field.
    """
    try:
        payload = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(f"The body is not valid JSON: {error}") from error
    try:
        return ChatBody.model_validate(payload)
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
    """One finished choice: its tokens, why it ended, and log probabilities if requested."""

    tokens: Sequence[str]
    finish_reason: Literal["stop", "length"]
    logprobs: dict[str, Any] | None = None

    @classmethod
    def cut(cls, text: str, body: ChatBody) -> Choice:
        """Cut a text as the request demands: before a stop text and at the token limit."""
        starts = [start for stop in body.stops if (start := text.find(stop)) >= 0]
        pieces = tokens.split(text[: min(starts)] if starts else text)
        limit = body.max_completion_tokens or body.max_tokens
        if limit is not None and len(pieces) > limit:
            return cls(pieces[:limit], "length")
        return cls(pieces, "stop")


@dataclass(frozen=True, slots=True)
class Completion:
    """All choices of one request, and the fields that they share on the wire."""

    model: str
    prompt_tokens: int
    choices: Sequence[Choice]
    id: str = field(default_factory=lambda: f"chatcmpl-demo-{secrets.token_hex(8)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def usage(self) -> dict[str, int]:
        """Return the usage: prompt tokens once, completion tokens over all choices."""
        completion = sum(len(choice.tokens) for choice in self.choices)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }

    def reply(self) -> dict[str, Any]:
        """Return the whole completion as one JSON object."""
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
        """Return the first chunk of a choice, which holds its role."""
        return self._chunk(index, {"role": "assistant", "content": ""})

    def piece(self, index: int, position: int) -> dict[str, Any]:
        """Return the chunk with one token of a choice."""
        choice = self.choices[index]
        token_logprobs = choice.logprobs and {
            "content": [choice.logprobs["content"][position]],
            "refusal": None,
        }
        return self._chunk(index, {"content": choice.tokens[position]}, logprobs=token_logprobs)

    def ending(self, index: int) -> dict[str, Any]:
        """Return the last chunk of a choice, which says why it ended."""
        return self._chunk(index, {}, finish_reason=self.choices[index].finish_reason)

    def accounts(self) -> dict[str, Any]:
        """Return the chunk after all choices, which carries the usage."""
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
    """Return a model as the models endpoint lists it."""
    return {"id": name, "object": "model", "created": _BORN, "owned_by": OWNER}
