"""Which of the client's parameters reach which call: docs/architecture.md's table in code.

`Bodies` makes the payloads of a request's calls, see `optillm.engine.call.payload`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from optillm.chat import ChatRequest, Message
from optillm.engine.call.payload import Payload

DIVERSITY_FLOOR: Final = 0.3
"""Below this temperature samples hardly differ, so a technique's own temperature takes over."""
TEXT_LIMIT: Final = 4096
"""The token limit of a helper's text, thoughts included, where the model has room: some are whole answers."""

MOST_PARTS: Final = 4
"""Images and other parts of the conversation that a judge is shown; with more of them it sees none."""

OURS: Final = frozenset({"stream", "stream_options", "n", "model", "messages"})
CARRIED_TO_JUDGES: Final = frozenset(
    {"user", "metadata", "service_tier", "store", "prompt_cache_key", "safety_identifier"}
    | {"seed", "reasoning_effort"}
)


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
