"""Which of the client's parameters reach which call: docs/architecture.md's table in code.

A `Payload` records which parts of a call the proxy added, so that those which a model refuses can be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from optillm.chat import ChatRequest, Message, content_text

DIVERSITY_FLOOR: Final = 0.3
"""Below this temperature samples hardly differ, so a technique's own temperature takes over."""
TEXT_LIMIT: Final = 4096
"""The token limit of a helper's text, thoughts included, where the model has room: some are whole answers."""

REPEATED: Final = 1_000_003
"""What is added to the seed of a repeated call: more than the number of samples of any request."""
MOST_PARTS: Final = 4
"""Images and other parts of the conversation that a judge is shown; with more of them it sees none."""

OURS: Final = frozenset({"stream", "stream_options", "n", "model", "messages"})
CARRIED_TO_JUDGES: Final = frozenset(
    {"user", "metadata", "service_tier", "store", "prompt_cache_key", "safety_identifier"}
    | {"seed", "reasoning_effort"}
)


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


@dataclass(frozen=True, slots=True)
class Bodies:
    """Makes the payloads of a request's calls.

    Each begins with `messages`, byte for byte, and holds the parameters in `sampling`. `changed` holds the client's
    values of parameters that differ in `sampling`; `original` is the client's own conversation if `messages` is
    another form of it.
    """

    messages: Sequence[Message]
    sampling: Mapping[str, Any]
    respect_temperature: bool = False
    changed: Mapping[str, Any] = field(default_factory=dict)
    original: Sequence[Message] | None = None

    @classmethod
    def of(cls, request: ChatRequest, *, respect_temperature: bool) -> Bodies:
        """The payloads for one request; nulls are never sent."""
        sampling = {
            key: value for key, value in request.body.items() if key not in OURS and value is not None
        }
        return cls(request.messages, sampling, respect_temperature)

    @property
    def limited(self) -> bool:
        """Whether the client limits the length of a reply."""
        return "max_tokens" in self.sampling or "max_completion_tokens" in self.sampling

    def about(self, messages: Sequence[Message]) -> Bodies:
        """The same parameters for another form of the conversation."""
        return replace(self, messages=messages, original=self.original or self.messages)

    def without_actions(self) -> Bodies:
        """Return these payloads with tool calls ruled out.

        This is for a turn in which the model has answered although tools were offered.
        """
        choice = "tool_choice" if "tools" in self.sampling else "function_call"
        changed = {choice: self.sampling.get(choice)}
        return replace(self, sampling={**self.sampling, choice: "none"}, changed=changed)

    def candidate(
        self, model: str, instruction: str | None = None, *, temperature: float | None = None, seed: int = 0
    ) -> Payload:
        """A continuation of the conversation, with an instruction after it if there is one.

        `temperature` is the technique's wish, `seed` is added to the client's.
        """
        ours = dict(self.changed)
        parameters = self._seeded(self.sampling, seed, ours)
        if temperature is not None and not self._keeps_temperature():
            ours["temperature"] = self.sampling.get("temperature")
            parameters["temperature"] = temperature
        return Payload(model, self.messages, parameters, ours, instruction, self.original)

    def judge(
        self,
        model: str,
        prompt: str,
        temperature: float | None = None,
        *,
        seed: int = 0,
        limit: int | None = None,
        response_format: Mapping[str, Any] | None = None,
    ) -> Payload:
        """Return a call of its own that the client never sees; `seed` is added to the client's.

        Its reply may have `limit` tokens, by default `TEXT_LIMIT`.
        """
        carried = {key: value for key, value in self.sampling.items() if key in CARRIED_TO_JUDGES}
        name = "max_completion_tokens" if "max_completion_tokens" in self.sampling else "max_tokens"
        ours: dict[str, Any] = {name: None}
        parameters = self._seeded(carried, seed, ours) | {name: limit or TEXT_LIMIT}
        if response_format is not None:
            ours["response_format"] = None
            parameters["response_format"] = response_format
        if temperature is not None:
            ours["temperature"] = None
            parameters["temperature"] = temperature
        messages = [{"role": "user", "content": self._seeing(prompt)}]
        return Payload(model, messages, parameters, ours, plainer=[{"role": "user", "content": prompt}])

    @staticmethod
    def _seeded(sampling: Mapping[str, Any], offset: int, ours: dict[str, Any]) -> dict[str, Any]:
        """The parameters with an offset added to the seed.

        If the model refuses it, the seed is left out: with the client's own seed, all samples would be the same.
        """
        parameters = dict(sampling)
        if offset and isinstance(parameters.get("seed"), int):
            parameters["seed"] += offset
            ours["seed"] = None
        return parameters

    def _seeing(self, prompt: str) -> str | list[Any]:
        """The prompt with what the conversation holds beside text, as long as that is not too much."""
        contents = (message.get("content") for message in self.messages)
        parts = [part for content in contents if isinstance(content, list) for part in content]
        others = [part for part in parts if isinstance(part, Mapping) and part.get("type") != "text"]
        return [{"type": "text", "text": prompt}, *others] if 0 < len(others) <= MOST_PARTS else prompt

    def _keeps_temperature(self) -> bool:
        sent = self.sampling.get("temperature")
        if not isinstance(sent, int | float):
            return False
        return self.respect_temperature or sent >= DIVERSITY_FLOOR
