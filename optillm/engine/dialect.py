"""What each upstream model accepts, learned from its replies and remembered for a while.

OpenAI-compatible servers differ: some ignore `n`, some refuse it, some know only one of the two token limits,
some insist that user and assistant take turns. A lesson is kept only when the call that heeded it succeeded,
and only about parameters with values that any server would take: what one client sends, its error text quoting
it or not, must not change another client's request.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from optillm.errors import UpstreamError

SPARE: Final[Mapping[str, Callable[[Any], bool]]] = {
    "n": lambda value: 1 <= value <= 128,
    "temperature": lambda value: 0 <= value <= 2,
    "top_p": lambda value: 0 < value <= 1,
    "presence_penalty": lambda value: -2 <= value <= 2,
    "frequency_penalty": lambda value: -2 <= value <= 2,
    "seed": lambda value: -(2**63) <= value < 2**63,
    "top_logprobs": lambda value: 0 <= value <= 20,
    "logprobs": lambda value: isinstance(value, bool),
    "stream_options": lambda value: set(value) <= {"include_usage"},
    "user": lambda value: len(value) <= 256,
    "prompt_cache_key": lambda value: len(value) <= 256,
}
"""Parameters a call can do without, and which of their values no server has reason to object to.

A refused `tools` or `response_format` is the client's to know about.
"""

LIMITS: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the token limit, each the other's remedy."""

UNSUPPORTED: Final = (
    "support",
    "unrecognized",
    "unknown",
    "unexpected",
    "extra input",
)
TTL: Final = 3600.0
REMEMBERED: Final = 512


@dataclass(slots=True)
class Dialect:
    """The learned facts about one model of one upstream; `expires` is a time of the loop's clock, seconds."""

    expires: float
    honours_n: bool | None = None
    refused: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    alternating: bool = False

    def adapt(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body as this model accepts it."""
        adapted = {
            self.renamed.get(key, key): value for key, value in body.items() if key not in self.refused
        }
        if self.alternating:
            adapted["messages"] = merge_turns(body["messages"])
        return adapted

    def taught(self, error: UpstreamError, body: Mapping[str, Any]) -> Dialect | None:
        """The dialect in which the refused call, sent as `body`, has a chance; `None` when nothing is learned."""
        if error.status not in (400, 422):
            return None
        detail = error.body()["error"]
        message = str(detail.get("message") or "").lower()
        if "alternat" in message and not self.alternating:
            return replace(self, alternating=True)
        if detail.get("code") not in ("unsupported_parameter", "unsupported_value") and not any(
            word in message for word in UNSUPPORTED
        ):
            return None
        in_order = [str(detail.get("param")), *re.findall(r"[a-z_]+", message)]
        named = set(in_order)
        limits = named & LIMITS.keys() & body.keys() - self.renamed.keys()
        if limits:  # a message that names both speaks of the one sent; the other is its remedy
            return replace(self, renamed={**self.renamed, **{name: LIMITS[name] for name in limits}})
        # One at a time, as the message may quote what a client wrote: only what it took in the end is kept.
        spare = (name for name in in_order if name in SPARE and name in body and _ordinary(name, body[name]))
        name = next(spare, None)
        return None if name is None else replace(self, refused=self.refused | {name})

    def adopt(self, proven: Dialect, refused: Dialect) -> None:
        """Keep what made the difference between a dialect in which a call succeeded and the one refused before."""
        if proven is refused:
            return
        self.refused |= proven.refused - refused.refused
        self.renamed = {**self.renamed, **dict(proven.renamed.items() - refused.renamed.items())}
        self.alternating |= proven.alternating and not refused.alternating
        self.honours_n = False if "n" in self.refused else self.honours_n

    def counted(self, asked: int, got: int) -> None:
        """Take in how many choices came back for `n` asked."""
        if asked > 1:
            self.honours_n = got >= asked


def _ordinary(name: str, value: Any) -> bool:
    try:
        return SPARE[name](value)
    except TypeError:
        return False


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
