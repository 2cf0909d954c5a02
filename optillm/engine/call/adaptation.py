"""Changes to a payload that make it a body which its model accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from optillm.chat import Message
from optillm.engine.call.payload import Payload, Placement, extended

LIMITS: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the token limit, each with the other to try instead."""
USAGE: Final = {"include_usage": True}
"""The `stream_options` with which a stream reports its usage, as a whole reply does."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A token limit that the model may accept.

    `window` is the context window (tokens of prompt and reply together), if the refusal stated it. A limit is
    `guessed` if no number in the refusal gave it.
    """

    limit: int
    window: int | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The changes to make to a payload; by default none.

    `withheld` are parameters of ours to leave out, `refused` parameters to leave out whoever sent them. `renamed` maps
    token limits to their other names, and `fit` bounds a token limit of ours. `alternating` merges neighbouring user
    turns, `plainer` uses the plainer form of the messages. `streamed` says whether the call is made as a stream; `None`
    leaves that to the caller.
    """

    withheld: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = Placement.OWN_TURN
    alternating: bool = False
    plainer: bool = False
    fit: Fit | None = None
    streamed: bool | None = None

    def body(self, payload: Payload) -> dict[str, Any]:
        """Return the JSON of the call with these changes."""
        messages = payload.conversation(self.placement, plainer=self.plainer)
        body: dict[str, Any] = {
            "model": payload.model,
            "messages": merge_turns(messages) if self.alternating else messages,
        }
        for name, value in payload.parameters.items():
            sent = self._sent(payload, name, value)
            if sent is not None and name not in self.refused:
                body[self.renamed.get(name, name)] = sent
        if self.streamed is not None:
            body["stream"] = self.streamed
        if self.streamed and "stream_options" not in self.refused:
            body.setdefault("stream_options", dict(USAGE))
        elif self.streamed is False:
            body.pop("stream_options", None)
        return body

    def _sent(self, payload: Payload, name: str, value: Any) -> Any:
        if name not in payload.ours:
            return value
        if name in self.withheld:
            return payload.ours[name]
        return min(value, self.fit.limit) if self.fit is not None and name in LIMITS else value

    def withholding(self, *names: str) -> Adaptation:
        """Return this adaptation, extended to leave out these parameters of ours."""
        return replace(self, withheld=self.withheld | set(names))

    def refusing(self, name: str) -> Adaptation:
        """Return this adaptation, extended to leave out a parameter whoever sent it."""
        return replace(self, refused=self.refused | {name})

    def renaming(self, limit: str) -> Adaptation:
        """Return this adaptation, extended to send a token limit under its other name."""
        return replace(self, renamed={**self.renamed, limit: LIMITS[limit]})


def merge_turns(messages: Sequence[Message]) -> list[Message]:
    """Return the conversation with neighbouring user turns merged, their parts in order."""
    merged: list[Message] = []
    for message in messages:
        if merged and message["role"] == merged[-1]["role"] == "user":
            merged[-1] = extended(merged[-1], message.get("content"))
        else:
            merged.append(message)
    return merged
