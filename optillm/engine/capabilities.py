"""What each upstream model takes, learned from its replies and remembered for a while.

OpenAI-compatible servers differ: some refuse `n`, some any temperature, some a user turn after a tool's. A lesson
is kept only when the call that heeded it succeeded. What is ours is left out beside the client's parameters that
it was refused beside; what the client itself sends is left out only where the upstream said plainly that it does
not know it, see `optillm.engine.remedies`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from optillm.engine.adaptation import LIMITS, Adaptation, Fit
from optillm.engine.bodies import Payload, Placement, prompt_tokens

TTL: Final = 3600.0
REMEMBERED: Final = 512
"""Models remembered."""
LESSONS: Final = 64
"""Values and shapes remembered for each model; clients shape some of them."""
SMALLEST: Final = 512
"""Tokens below which a limit that had to be guessed says more about one prompt than about the model."""
CAUTION: Final = 1.5
"""An estimated prompt is taken to be so many times as long where a window is to hold it."""


@dataclass(slots=True)
class Capabilities:
    """What one model of one upstream takes; `expires` is a time of the loop's clock, seconds.

    `refused` and `renamed` hold for parameters whoever sends them. `unwelcome` are values of ours, each with those
    of the client's parameters beside which it was refused. `placements` says by the role of a conversation's last
    turn where an instruction goes. `window` bounds the tokens of prompt and reply, `longest_reply` those of a reply.
    `streamed` says that replies must come as streams.
    """

    expires: float
    honours_n: bool | None = None
    refused: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    alternating: bool = False
    streamed: bool = False
    unwelcome: OrderedDict[str, frozenset[str]] = field(default_factory=OrderedDict)
    placements: dict[str, Placement] = field(default_factory=dict)
    window: int | None = None
    longest_reply: int | None = None
    _taken: OrderedDict[Hashable, None] = field(default_factory=OrderedDict)

    def adaptation(self, payload: Payload) -> Adaptation:
        """How a payload is sent, after all that is known."""
        return Adaptation(
            withheld=frozenset(name for name in payload.ours if self._unwelcome(payload, name)),
            refused=self.refused,
            renamed=self.renamed,
            placement=self.placements.get(_last_role(payload), Placement.OWN_TURN),
            alternating=self.alternating,
            fit=self._fit(payload),
            streamed=self.streamed,
        )

    def learn(self, payload: Payload, known: Adaptation, helped: Adaptation) -> None:
        """Keep what a call needed to succeed, beside what other calls have taught meanwhile.

        `known` is how it was first sent, and refused; `helped` how it was taken.
        """
        self.refused |= helped.refused
        self.renamed = {**self.renamed, **helped.renamed}
        self.alternating |= helped.alternating
        self.streamed |= helped.streamed
        for name in helped.withheld - known.withheld - {"seed"}:  # a seed of ours is the client's, counted up
            value, beside = _value(payload, name), payload.clients
            _remember(self.unwelcome, value, self.unwelcome.get(value, beside) & beside)
        if helped.placement is not known.placement:
            self.placements[_last_role(payload)] = helped.placement
        if helped.fit is not None and helped.fit is not known.fit:
            self._learn_fit(helped.fit, prompt_tokens(payload.messages))

    def counted(self, requested: int, received: int) -> None:
        """Take in how many choices came back for `n` requested."""
        if requested > 1:
            self.honours_n = received >= requested

    def took(self, body: Mapping[str, Any]) -> None:
        """Note that a body was taken as it is."""
        _remember(self._taken, shape(body), None)

    def has_taken(self, body: Mapping[str, Any]) -> bool:
        """Whether a body with the same parameters, and turns that end in the same way, was taken before."""
        return shape(body) in self._taken

    def _unwelcome(self, payload: Payload, name: str) -> bool:
        beside = self.unwelcome.get(_value(payload, name))
        return beside is not None and beside <= payload.clients

    def _fit(self, payload: Payload) -> Fit | None:
        if (self.window is None and self.longest_reply is None) or not payload.ours.keys() & LIMITS.keys():
            return None
        bounds = [] if self.longest_reply is None else [self.longest_reply]
        if self.window is not None:
            prompt = int(CAUTION * prompt_tokens(payload.messages))
            bounds.append(max(self.window - prompt, self.window // 8))
        return Fit(min(bounds))

    def _learn_fit(self, fit: Fit, prompt: int) -> None:
        window = fit.window
        if window is None and prompt > fit.limit:  # the prompt takes most of the room
            window = prompt + fit.limit
        if window is not None:
            self.window = _least(self.window, max(window, SMALLEST))
        else:
            self.longest_reply = _least(
                self.longest_reply, max(fit.limit, SMALLEST) if fit.guessed else fit.limit
            )


def shape(body: Mapping[str, Any]) -> Hashable:
    """What calls of one kind have in common: their parameters, and the roles of their last turns."""
    return frozenset(body), tuple(message["role"] for message in body["messages"][-2:])


def _least(bound: int | None, other: int) -> int:
    return other if bound is None else min(bound, other)


def _value(payload: Payload, name: str) -> str:
    return f"{name}={payload.parameters[name]!r}"


def _last_role(payload: Payload) -> str:
    return str(payload.messages[-1]["role"])


def _remember(lessons: OrderedDict[Any, Any], key: Hashable, value: Any) -> None:
    lessons[key] = value
    lessons.move_to_end(key)
    while len(lessons) > LESSONS:
        lessons.popitem(last=False)


class CapabilityTable:
    """The capabilities known to one process, bounded, each forgotten after an hour so that upgrades are noticed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models: OrderedDict[tuple[str, str], Capabilities] = OrderedDict()

    def of(self, base_url: str, model: str) -> Capabilities:
        """What is known of `model` at `base_url`, blank when that is nothing."""
        key, now = (base_url, model), self._clock()
        capabilities = self._models.get(key)
        if capabilities is None or capabilities.expires < now:
            capabilities = self._models[key] = Capabilities(expires=now + TTL)
        self._models.move_to_end(key)
        while len(self._models) > REMEMBERED:
            self._models.popitem(last=False)
        return capabilities
