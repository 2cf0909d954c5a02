"""Which of the client's parameters reach which call: the table of docs/architecture.md, in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from optillm.chat import ChatRequest, Message

DIVERSITY_FLOOR: Final = 0.3
"""Below this temperature samples hardly differ, so a technique's own temperature takes over."""
JUDGE_LIMIT: Final = 4096
"""Tokens a judging call may write, reasoning included."""

MOST_PARTS: Final = 4
"""Images and other parts of the conversation that a judge is shown; with more of them it sees none."""

OURS: Final = frozenset({"stream", "stream_options", "n", "model", "messages"})
CARRIED_TO_JUDGES: Final = frozenset(
    {"user", "metadata", "service_tier", "store", "prompt_cache_key", "safety_identifier"}
    | {"seed", "reasoning_effort"}
)


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bodies of a request's calls: `messages` first, byte for byte, and what `sampling` holds beside them."""

    messages: Sequence[Message]
    sampling: Mapping[str, Any]
    respect_temperature: bool = False

    @classmethod
    def of(cls, request: ChatRequest, *, respect_temperature: bool) -> Bodies:
        """The bodies for one request; nulls are never sent."""
        sampling = {
            key: value for key, value in request.body.items() if key not in OURS and value is not None
        }
        return cls(request.messages, sampling, respect_temperature)

    def about(self, messages: Sequence[Message]) -> Bodies:
        """The same parameters for another form of the conversation."""
        return replace(self, messages=messages)

    def without_actions(self) -> Bodies:
        """The same, for a turn that is known to answer although tools are offered."""
        choice = "tool_choice" if "tools" in self.sampling else "function_call"
        return replace(self, sampling={**self.sampling, choice: "none"})

    def candidate(
        self, model: str, instruction: str | None = None, *, temperature: float | None = None, seed: int = 0
    ) -> dict[str, Any]:
        """A continuation of the conversation, with an instruction as its last message if there is one.

        `temperature` is the technique's wish, `seed` is added to the client's.
        """
        messages = list(self.messages)
        if instruction is not None:
            messages.append({"role": "user", "content": instruction})
        body = {"model": model, "messages": messages, **self.sampling}
        if isinstance(body.get("seed"), int):
            body["seed"] += seed
        if temperature is not None and not self._keeps_temperature():
            body["temperature"] = temperature
        return body

    def judge(self, model: str, prompt: str, temperature: float | None, *, seed: int = 0) -> dict[str, Any]:
        """A call of its own that the client never sees; `seed` is added to the client's."""
        body = {key: value for key, value in self.sampling.items() if key in CARRIED_TO_JUDGES}
        body |= {"model": model, "messages": [{"role": "user", "content": self._seeing(prompt)}]}
        if isinstance(body.get("seed"), int):
            body["seed"] += seed
        limit = "max_completion_tokens" if "max_completion_tokens" in self.sampling else "max_tokens"
        return body | {limit: JUDGE_LIMIT} | ({} if temperature is None else {"temperature": temperature})

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
