"""The payload: the content of one call, and which parts of it the proxy added.

Those which a model refuses can then be left out, see `optillm.engine.call.remedies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from optillm.chat import Message, content_text

REPEATED: Final = 1_000_003
"""What is added to the seed of a repeated call: more than the number of samples of any request."""


class Placement(Enum):
    """Where in a conversation a technique's instruction goes."""

    OWN_TURN = "a user turn of its own, after all others"
    JOINED = "the end of the last user turn"
    BEFORE = "the beginning of the last user turn"
    SYSTEM = "the end of the system turn that the conversation begins with"


PLACEMENTS: Final[Mapping[str, Placement]] = {
    "after": Placement.OWN_TURN,
    "before": Placement.BEFORE,
    "system": Placement.SYSTEM,
}
"""The placements that a setting can name."""
ON_BEHALF: Final = "The user says about the last message of this conversation:"
"""The line in a system turn that says who is speaking in the instruction below it."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of one call, and which parts of it the client did not send.

    `parameters` are all fields except model and messages. `ours` maps each that the proxy added or changed to the
    client's own value, `None` if it sent none. `instruction` is added to `messages`, at `placement` unless the model
    refuses it there; `plainer` is a form of `messages` with fewer changes of ours, if there is one. If a `bundle`
    of several choices is refused, they are requested one by one instead of changing the call.
    """

    model: str
    messages: Sequence[Message]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    plainer: Sequence[Message] | None = None
    bundle: bool = False
    placement: Placement = Placement.OWN_TURN

    @property
    def body(self) -> dict[str, Any]:
        """Return the JSON of the call for a model that accepts everything."""
        return {"model": self.model, "messages": self.conversation(), **self.parameters}

    @property
    def clients(self) -> frozenset[str]:
        """Return the names of the parameters that are as the client sent them."""
        return frozenset(self.parameters.keys() - self.ours.keys())

    @property
    def choices(self) -> int:
        """Return how many choices the call requests."""
        return int(self.parameters.get("n") or 1)

    def adding(self, **parameters: Any) -> Payload:
        """Return this payload with more parameters of ours."""
        ours = {**self.ours, **dict.fromkeys(parameters)}
        return replace(self, parameters={**self.parameters, **parameters}, ours=ours)

    def repeated(self) -> Payload:
        """Return this payload for a hedge, which must not sample the same reply as the call itself.

        At temperature 0 or with the same seed it would, and would be as slow.
        """
        seed = self.parameters.get("seed")
        if seed is None and self.parameters.get("temperature") != 0:
            return self
        return self.adding(seed=(seed if isinstance(seed, int) else 0) + REPEATED)

    def asking_for(self, choices: int) -> Payload:
        """Return this payload, requesting so many choices."""
        if choices > 1:
            return self.adding(n=choices)
        return replace(self, parameters={name: v for name, v in self.parameters.items() if name != "n"})

    def conversation(self, placement: Placement | None = None, *, plainer: bool = False) -> list[Message]:
        """Return the messages with the instruction at `placement`, by default the payload's own.

        Without a user turn to join, it is a turn of its own.
        """
        messages = list(self.plainer if plainer and self.plainer is not None else self.messages)
        if self.instruction is None:
            return messages
        return instructed(messages, self.instruction, placement or self.placement)


def instructed(messages: Sequence[Message], instruction: str, placement: Placement) -> list[Message]:
    """Return a conversation with an instruction in its place, its other turns unchanged."""
    first, *others = messages
    if placement is Placement.SYSTEM:
        attributed = f"{ON_BEHALF}\n\n{instruction}"
        if first["role"] in ("system", "developer"):
            return [extended(first, attributed), *others]
        return [{"role": "system", "content": attributed}, *messages]
    last = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=None)
    if last is None or placement is Placement.OWN_TURN:
        return [*messages, {"role": "user", "content": instruction}]
    turn = messages[last]
    if placement is Placement.JOINED:
        turn = extended(turn, instruction)
    else:
        turn = {**turn, "content": _joined(instruction.rstrip(), turn.get("content"))}
    return [*messages[:last], turn, *messages[last + 1 :]]


def extended(message: Message, content: Any) -> Message:
    """Return a message with more content at its end, the parts in order."""
    return {**message, "content": _joined(message.get("content"), content)}


def _joined(first: Any, second: Any) -> Any:
    """Return two contents as one: text if both are text, else the parts of both in order."""
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def prompt_tokens(messages: Sequence[Message]) -> int:
    """Estimate the tokens of a prompt, at about four characters each."""
    return sum(len(content_text(message)) // 4 + 4 for message in messages)


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
