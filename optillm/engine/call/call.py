"""The call: what it is to ask for, what has become of it, what its layers tell each other.

A call goes down the layers that `optillm.engine.call.calls` lists, each of which passes it on to the `next`. A stream
is a call with `on_text`. A call that is made again beside itself is a copy that shares the history of the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from copy import copy
from typing import Any, NamedTuple, Protocol

from optillm.chat import Reply, ReplyKind, Usage
from optillm.engine.call.payload import Payload
from optillm.engine.upstream.limiter import Turn
from optillm.engine.upstream.routes import Route
from optillm.errors import UpstreamError
from optillm.trace import CallSpan, Judgement

Emit = Callable[[str], Awaitable[None]]
Condition = Callable[[str], bool]
"""Takes the text of a reply so far, and says whether that is enough."""


class Result(NamedTuple):
    """The choices of a completion, at least one, and what they took."""

    replies: list[Reply]
    usage: Usage


Next = Callable[["Call"], Coroutine[Any, Any, Result]]


class Layer(Protocol):
    """One thing that is done about every call; raises `UpstreamError` or `BudgetExhausted`."""

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the result of `next`, having done what the layer is for before, after or instead."""


class Blank(UpstreamError):
    """All choices of a reply say nothing.

    The call keeps them as its `blank` result, should no attempt say more.
    """

    def __init__(self) -> None:
        super().__init__("the upstream's reply says nothing", retryable=True)


def is_blank(reply: Reply) -> bool:
    """Return whether a reply says nothing and may say more if the call is repeated.

    One that spent its tokens on thoughts would do so again.
    """
    return reply.kind is ReplyKind.EMPTY and not (reply.finish_reason == "length" or reply.thought)


class Race(Protocol):
    """The attempts at one call that are made beside each other, of which one is chosen."""

    def sent(self, call: Call) -> None:
        """Note that an attempt has been sent."""

    async def piece_arrived(self, call: Call) -> None:
        """Note that a piece of an attempt's reply has come; return only in the chosen attempt."""

    async def choose(self, call: Call) -> None:
        """Choose an attempt unless another one is chosen; return only in the chosen attempt."""


class Traffic:
    """What a request's calls are doing, on the loop's clock.

    `queued` counts the calls that wait for their turn. `last_sent` is when the latest call was sent, and `last_piece`
    when the latest piece of a streamed reply came.
    """

    __slots__ = ("last_piece", "last_sent", "queued")

    def __init__(self) -> None:
        self.queued = 0
        self.last_sent = self.last_piece = 0.0


class History:
    """What has become of a call so far, all attempts at it included.

    `shown` says that the client has been shown some text. `blank` is the latest reply that said nothing. The attempts
    that are under way wait for the upstreams in `waiting_for`; those in `failed_at` have failed the call. `other_forms`
    counts the forms of it that were tried after the first, `failures` its failures without those, `blanks` the ones of
    them that were blank replies, and `waits` how often it waited for a server to restart.
    """

    __slots__ = (
        *("shown", "blank", "waiting_for", "failed_at"),
        *("other_forms", "failures", "blanks", "waits"),
    )

    def __init__(self) -> None:
        self.shown = False
        self.blank: Result | None = None
        self.waiting_for = list[Route]()
        self.failed_at = set[str]()
        self.other_forms = self.failures = self.blanks = self.waits = 0


def unscreened(emit: Emit) -> Emit:
    """Return the function itself: all text is shown."""
    return emit


class Call:
    """One upstream call for the `payload`, or one attempt at it beside others.

    Calls of a `kind` take about as long. The client is shown the text of the reply through `on_text` as it comes. For
    each attempt, `screen` wraps that and decides what of the text is shown. Without `on_text`, a reply that comes as a
    stream and goes on after its text has met the condition `until` is ended.

    The layers add, each for those below it, the `span` that records the call, the `race` with its repetitions, the
    `route` to the upstream, the `body` to send and the `turn` to send it in. `usage` is what a reply is known to have
    taken even if the call fails. `sent_at` and `first_piece_at` are times of the loop's clock, `None` until then.
    """

    __slots__ = (
        *("role", "payload", "kind", "on_text", "screen", "until", "traffic", "history", "is_repetition"),
        *("judgement",),
        *("span", "race", "route", "body", "turn", "usage", "sent_at", "first_piece_at"),
    )

    span: CallSpan
    route: Route
    body: Mapping[str, Any]

    def __init__(
        self,
        role: str,
        payload: Payload,
        *,
        on_text: Emit | None = None,
        screen: Callable[[Emit], Emit] = unscreened,
        until: Condition | None = None,
        traffic: Traffic | None = None,
        judgement: Judgement | None = None,
    ) -> None:
        self.role = role
        self.payload = payload
        self.kind = role, payload.model
        self.on_text = on_text
        self.screen = screen
        self.until = until
        self.traffic = traffic or Traffic()
        self.judgement = judgement
        self.history = History()
        self.is_repetition = False
        self.race: Race | None = None
        self.turn: Turn | None = None
        self.usage: Usage | None = None
        self.sent_at: float | None = None
        self.first_piece_at: float | None = None

    def repetition(self) -> Call:
        """Return a copy to be made beside this call; it must not sample the same reply."""
        call = copy(self)
        call.is_repetition = True
        call.payload = self.payload.repeated()
        call.sent_at = call.first_piece_at = None
        return call

    # What layers tell each other.

    def mark_sent(self) -> None:
        """Note that the call leaves: what it waited for before was not the upstream."""
        self.usage = None
        self.sent_at = self.traffic.last_sent = asyncio.get_running_loop().time()
        self.first_piece_at = None  # of an attempt at another upstream, which has failed
        span = self.span
        span.body = self.body
        if span.sent is None:
            span.sent = self.sent_at
        if not self.is_repetition:
            span.first_piece = None
        if self.race is not None:
            self.race.sent(self)

    async def piece_arrived(self) -> None:
        """Note that a piece of the reply has come; only one of several attempts goes on after that.

        For an attempt whose text is shown, the first text that passes the screen decides instead.
        """
        self.traffic.last_piece = asyncio.get_running_loop().time()
        if self.span.first_piece is None:
            self.span.first_piece = self.traffic.last_piece
        if self.turn is not None:
            self.turn.heard()
        if self.on_text is None and self.race is not None:
            await self.race.piece_arrived(self)

    async def show(self, text: str) -> None:
        """Show the client a piece of text; only one of several attempts comes to do that.

        The time that the client takes to read does not count as the upstream's.
        """
        if self.race is not None:
            await self.race.choose(self)
        self.history.shown = True
        if self.on_text is not None:
            clock = asyncio.get_running_loop().time
            begun = clock()
            await self.on_text(text)
            if self.sent_at is not None:
                self.sent_at += clock() - begun
