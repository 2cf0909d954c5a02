"""What each upstream model accepts, learned from its replies and remembered for an hour.

OpenAI-compatible servers differ: some refuse `n`, some any temperature, some a user turn after a tool's. A change
is remembered only if the call succeeded with it. A parameter of ours is then left out of calls that hold the same
parameters of the client's as the refused call. A parameter of the client's is left out only if the upstream plainly
said that it does not know it, see `optillm.engine.call.remedies`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from optillm.chat import Reply, ReplyKind, Usage
from optillm.engine.call.adaptation import LIMITS, Adaptation, Fit
from optillm.engine.call.payload import Payload, Placement, prompt_tokens
from optillm.toolkit.bounded import BoundedMap

TTL: Final = 3600.0
MODELS: Final = 512
"""The most models whose capabilities are remembered."""
LESSONS: Final = 64
"""The most values and shapes remembered for each model, as clients determine some of them."""
SMALLEST: Final = 512
"""The least tokens that a guessed limit is remembered as: a smaller one reflects one prompt, not the model."""
SECOND_CHANCE: Final = 100
"""Direct verdicts after which a model is asked for reasons again."""
TRIALS: Final = 6
"""How many reasoned verdicts it takes before a model may be found to reason in vain."""
CAUTION: Final = 1.5
"""The factor on an estimated prompt length when prompt and reply have to fit into a window."""


@dataclass(slots=True)
class Capabilities:
    """What one model of one upstream accepts; `expires` is in seconds of the loop's clock.

    `most_choices` bounds `n`, where it is honoured. `refused` and `renamed` apply to parameters whoever sends them.
    `unwelcome` maps a value of ours to the client's parameters in the calls that were refused because of it.
    `placements` maps the role of a conversation's last turn and the place where an instruction was refused to the place
    where it was accepted. `window` bounds the tokens of prompt and reply, `longest_reply` those of a reply. `streamed`
    says whether calls are made as streams; `None` leaves that to the caller. `thinks` says that it thinks before it
    answers; `reasoned` counts the verdicts requested with reasons first, `unread` those of them that could not be read.
    """

    expires: float
    honours_n: bool | None = None
    most_choices: int | None = None
    refused: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    alternating: bool = False
    streamed: bool | None = None
    unwelcome: BoundedMap[str, frozenset[str]] = field(default_factory=lambda: BoundedMap(LESSONS))
    placements: dict[tuple[str, Placement], Placement] = field(default_factory=dict)
    window: int | None = None
    longest_reply: int | None = None
    thinks: bool = False
    reasoned: int = 0
    unread: int = 0
    direct: int = 0
    _taken: BoundedMap[Hashable, None] = field(default_factory=lambda: BoundedMap(LESSONS))

    def adaptation(self, payload: Payload) -> Adaptation:
        """Return the changes to a payload that its model needs, as far as is known."""
        return Adaptation(
            withheld=frozenset(name for name in payload.ours if self._unwelcome(payload, name)),
            refused=self.refused,
            renamed=self.renamed,
            placement=self.placements.get(_placement_key(payload), payload.placement),
            alternating=self.alternating,
            fit=self._fit(payload),
            streamed=self.streamed,
        )

    def learn(self, payload: Payload, first: Adaptation, accepted: Adaptation) -> None:
        """Remember what a call needed to succeed, on top of what other calls have taught meanwhile.

        `first` is the form in which the call was sent first, `accepted` the form that succeeded.
        """
        self.refused |= accepted.refused
        self.renamed = {**self.renamed, **accepted.renamed}
        self.alternating |= accepted.alternating
        if accepted.streamed is not first.streamed:
            self.streamed = accepted.streamed
        for name in accepted.withheld - first.withheld - {"seed"}:  # our seed is the client's, counted up
            # Refused beside both sets of the client's parameters: what they share is enough.
            value, beside = _value(payload, name), payload.clients
            self.unwelcome[value] = self.unwelcome.get(value, beside) & beside
        if accepted.placement is not first.placement:
            self.placements[_placement_key(payload)] = accepted.placement
        if accepted.fit is not None and accepted.fit is not first.fit:
            self._learn_fit(accepted.fit, prompt_tokens(payload.messages))

    def counted(self, requested: int, received: int) -> None:
        """Learn from a reply whether the model honours `n`."""
        if requested > 1:
            self.honours_n = received >= requested

    def notice(self, replies: Sequence[Reply], usage: Usage, *, judging: bool) -> None:
        """Learn from replies whether the model thinks.

        One cut before its first word was spent on hidden thoughts. Replies to the client's own words show that only by
        reported tokens: a client can have any limit and any tags.
        """
        self.thinks |= bool(usage.reasoning_tokens)
        if judging:
            hidden = any(reply.cut and reply.kind is ReplyKind.EMPTY for reply in replies)
            self.thinks |= hidden or any(reply.thought for reply in replies)

    def judged(self, *, reasoned: bool, read: bool) -> None:
        """Record whether a verdict could be read that was requested with reasons first, or alone.

        After so many direct ones, reasons get another chance: what could not be read may have been one client's task.
        """
        if reasoned:
            self.reasoned += 1
            self.unread += not read
        else:
            self.direct += 1
        if self.direct >= SECOND_CHANCE:
            self.direct = self.reasoned = self.unread = 0

    @property
    def reasons_in_vain(self) -> bool:
        """Whether most of its reasoned verdicts cannot be read."""
        return self.reasoned >= TRIALS and 2 * self.unread > self.reasoned

    def bound_n(self, most: int | None) -> None:
        """Note that the model gives at most `most` choices at a time; `None`: request single ones."""
        if most is None or most < 2:
            self.honours_n = False
        else:
            self.most_choices = most

    def took(self, body: Mapping[str, Any]) -> None:
        """Record that a body was accepted as it is."""
        self._taken[shape(body)] = None

    def has_taken(self, body: Mapping[str, Any]) -> bool:
        """Return whether a body of the same kind (see `shape`) was accepted before."""
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
            # The estimate may be much too high, so that some room is always left to try.
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
    """Return the kind of a call.

    That is the names of its parameters, its last two roles, and the schema of its reply.
    """
    roles = tuple(message["role"] for message in body["messages"][-2:])
    return frozenset(body), roles, _schema_name(body.get("response_format"))


def _schema_name(response_format: Any) -> str:
    """Return the name of the schema that a reply is to match; empty if there is none."""
    schema = response_format.get("json_schema") if isinstance(response_format, Mapping) else None
    return str(schema.get("name", "")) if isinstance(schema, Mapping) else ""


def _least(bound: int | None, other: int) -> int:
    return other if bound is None else min(bound, other)


def _value(payload: Payload, name: str) -> str:
    value = payload.parameters[name]
    if name == "response_format":
        value = value.get("type"), _schema_name(value), _has_media(payload)
    return f"{name}={value!r}"


def _has_media(payload: Payload) -> bool:
    """Return whether the last turn has images or the like.

    Some models take no schema beside them.
    """
    content = payload.messages[-1].get("content")
    return isinstance(content, list) and any(part.get("type") != "text" for part in content)


def _placement_key(payload: Payload) -> tuple[str, Placement]:
    """Return what decides whether an instruction is accepted: the last turn's role and place."""
    return str(payload.messages[-1]["role"]), payload.placement


class CapabilityTable:
    """The capabilities known to this process, at most `MODELS`.

    Each expires after an hour, so that upgrades are noticed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models = BoundedMap[tuple[str, str], Capabilities](MODELS)

    def of(self, base_url: str, model: str, *, streamed: bool | None = None) -> Capabilities:
        """Return what is known of `model` at `base_url`.

        `streamed` is its initial value if nothing is known yet.
        """
        key, now = (base_url, model), self._clock()
        capabilities = self._models.get(key)
        if capabilities is None or capabilities.expires < now:
            capabilities = Capabilities(now + TTL, streamed=streamed)
        self._models[key] = capabilities  # also if it was there: what is used last is forgotten last
        return capabilities
