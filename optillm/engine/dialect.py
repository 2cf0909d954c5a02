"""What each upstream model accepts, learned from its replies and remembered for a while.

OpenAI-compatible servers differ: some ignore `n`, some refuse it, some know only one of the two token limits,
some insist that user and assistant take turns. A dialect is learned from what the upstream says about a
parameter, never from a value it disliked: one client's bad value must not change another client's request.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from optillm.errors import UpstreamError

SPARE: Final = frozenset(
    {"n", "temperature", "top_p", "seed", "stream_options", "presence_penalty", "frequency_penalty"}
    | {"logprobs", "top_logprobs", "user", "prompt_cache_key"}
)
"""Parameters a call can do without. A refused `tools` or `response_format` is the client's to know about."""

LIMITS: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the token limit, each the other's remedy."""

UNSUPPORTED: Final = (
    "support",
    "unrecognized",
    "unknown",
    "unexpected",
    "extra input",
    "not permitted",
    "not allowed",
)
TTL: Final = 3600.0
REMEMBERED: Final = 512


@dataclass(slots=True)
class Dialect:
    """The learned facts about one model of one upstream; `expires` is a time of the loop's clock, seconds."""

    expires: float
    honours_n: bool | None = None
    refused: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    alternating: bool = False

    def adapt(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body as this model accepts it."""
        adapted = {
            self.renamed.get(key, key): value for key, value in body.items() if key not in self.refused
        }
        if self.alternating:
            adapted["messages"] = merge_turns(body["messages"])
        return adapted

    def learn(self, error: UpstreamError, body: Mapping[str, Any]) -> bool:
        """Take in a refusal; true when the same call, adapted, has a chance now."""
        if error.status not in (400, 422):
            return False
        detail = error.body()["error"]
        message = str(detail.get("message") or "").lower()
        if "alternat" in message and not self.alternating:
            self.alternating = True
            return True
        if detail.get("code") not in ("unsupported_parameter", "unsupported_value") and not any(
            word in message for word in UNSUPPORTED
        ):
            return False
        named = {str(detail.get("param"))} | set(re.findall(r"[a-z_]+", message))
        limits = named & LIMITS.keys() & body.keys() - self.renamed.keys()
        if limits:  # a message that names both speaks of the one sent; the other is its remedy
            self.renamed |= {name: LIMITS[name] for name in limits}
            return True
        fresh = (named & SPARE & body.keys()) - self.refused
        if "n" in fresh:
            self.honours_n = False
        self.refused |= fresh
        return bool(fresh)

    def counted(self, asked: int, got: int) -> None:
        """Take in how many choices came back for `n` asked."""
        if asked > 1:
            self.honours_n = got >= asked


def merge_turns(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The conversation with neighbouring user turns joined into one, their parts kept in order."""
    merged: list[Mapping[str, Any]] = []
    for message in messages:
        if merged and message["role"] == merged[-1]["role"] == "user":
            merged[-1] = {**merged[-1], "content": _joined(merged[-1]["content"], message["content"])}
        else:
            merged.append(message)
    return merged


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


class Dialects:
    """The dialects of one process, bounded, each forgotten after an hour so that upgrades are noticed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], Dialect] = OrderedDict()

    def of(self, base_url: str, model: str) -> Dialect:
        """The dialect of `model` at `base_url`, a blank one when nothing is known."""
        key, now = (base_url, model), self._clock()
        known = self._known.get(key)
        if known is None or known.expires < now:
            known = self._known[key] = Dialect(expires=now + TTL)
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known
