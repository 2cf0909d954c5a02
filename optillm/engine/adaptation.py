"""How a payload becomes a body that a model takes, and what to change next when the model refuses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from optillm.chat import Message
from optillm.engine.bodies import Payload, Placement, extended

LIMITS: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the token limit, each the other's remedy."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A token limit that may fit.

    `window` are the tokens that prompt and reply may have together, where the model has said so; a limit is `guessed`
    where it has said nothing.
    """

    limit: int
    window: int | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What is changed of a payload; by default nothing.

    `withheld` are parameters of ours that are left out, `refused` those that are left out whoever sent them, `renamed`
    are token limits. `alternating` joins neighbouring user turns, `plainer` takes the plainer form of the messages.
    `fit` bounds a token limit of ours. `streamed` has a whole reply come as a stream.
    """

    withheld: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = Placement.OWN_TURN
    alternating: bool = False
    plainer: bool = False
    fit: Fit | None = None
    streamed: bool = False

    def body(self, payload: Payload) -> dict[str, Any]:
        """The JSON of the call, as the model is to get it."""
        messages = payload.conversation(self.placement, plainer=self.plainer)
        body: dict[str, Any] = {
            "model": payload.model,
            "messages": merge_turns(messages) if self.alternating else messages,
        }
        for name, value in payload.parameters.items():
            sent = self._sent(payload, name, value)
            if sent is not None and name not in self.refused:
                body[self.renamed.get(name, name)] = sent
        if self.streamed:
            body["stream"] = True
        return body

    def _sent(self, payload: Payload, name: str, value: Any) -> Any:
        if name not in payload.ours:
            return value
        if name in self.withheld:
            return payload.ours[name]
        return min(value, self.fit.limit) if self.fit is not None and name in LIMITS else value

    def withholding(self, *names: str) -> Adaptation:
        """The same without these parameters of ours."""
        return replace(self, withheld=self.withheld | set(names))

    def refusing(self, name: str) -> Adaptation:
        """The same without this parameter, whoever sent it."""
        return replace(self, refused=self.refused | {name})

    def renaming(self, limit: str) -> Adaptation:
        """The same with the other name of a token limit."""
        return replace(self, renamed={**self.renamed, limit: LIMITS[limit]})


def merge_turns(messages: Sequence[Message]) -> list[Message]:
    """The conversation with neighbouring user turns joined into one, their parts kept in order."""
    merged: list[Message] = []
    for message in messages:
        if merged and message["role"] == merged[-1]["role"] == "user":
            merged[-1] = extended(merged[-1], message.get("content"))
        else:
            merged.append(message)
    return merged
