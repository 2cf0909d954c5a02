"""The inside of a local model server on the virtual clock: slots that share one machine, and a queue in front of them.

A call waits, first in first out, until there is a slot for each of its choices; no call is refused because of load.
Each busy slot has an equal share of the machine. Alone, a prompt of p tokens takes p / prompt_rate seconds, and a token
1 / rate(1); among b busy slots, they take b times p / prompt_rate, and b / rate(b). So latency grows with the length of
the prompt and with load, and the machine is never idle while a slot is busy.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple

from optillm.errors import UpstreamError

NOISE: Final = 1e-6
"""The largest rounding error, in tokens."""


def saturating(busy: int) -> float:
    """Return the tokens a second of `busy` slots together: 40 of one, 96 of eight, never more than 120."""
    return 120.0 * busy / (busy + 2)


@dataclass
class Books:
    """What a server has generated, and for whom; tokens are of replies unless they are called prompt tokens.

    `generated` counts all tokens. `abandoned` counts those of calls that were not completed, or whose client had left;
    `zombies` counts those of them that were generated after the client had left. `prompt_tokens` are those of all other
    calls. `idle_at` is when a slot last became free, in virtual seconds of the latest run.
    """

    generated: int = 0
    abandoned: int = 0
    zombies: int = 0
    prompt_tokens: int = 0
    busy_seconds: float = 0.0
    most_busy: int = 0
    idle_at: float = 0.0


class Token(NamedTuple):
    """One token of one choice; `first` and `last` say whether it is the first or last of that choice."""

    choice: int
    text: str
    first: bool
    last: bool


@dataclass(eq=False)
class Choice:
    """The tokens that one slot has to generate, and how many it has; a `silent` one never generates any."""

    tokens: Sequence[str]
    finish_reason: str | None = "stop"
    silent: bool = False
    progress: float = 0.0
    generated: int = 0

    @property
    def finished(self) -> bool:
        """Whether the last token has been generated."""
        return not self.silent and self.generated == len(self.tokens)


@dataclass(eq=False)
class Generation:
    """One call in the server: one prompt, and a slot for each choice once there are enough for all."""

    prompt_tokens: int
    choices: Sequence[Choice]
    streamed: bool = False
    left_at: float | None = None
    failure: UpstreamError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    output: asyncio.Queue[Token | None] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.prompt_left = float(self.prompt_tokens)

    @property
    def generated(self) -> int:
        """Tokens of all choices so far."""
        return sum(choice.generated for choice in self.choices)

    @property
    def unfinished(self) -> list[Choice]:
        """The choices that hold a slot."""
        return [choice for choice in self.choices if not choice.finished]

    @property
    def at_work(self) -> list[Choice]:
        """The choices whose slots have a share of the machine: the first one's while the prompt is read."""
        if self.prompt_left > 0:
            return self.unfinished[:1]
        return [choice for choice in self.unfinished if not choice.silent]

    def distance(self, choice: Choice) -> float:
        """Return how many tokens a slot is away from its next event: the end of the prompt, or a whole token."""
        return self.prompt_left or choice.generated + 1 - choice.progress


class SlotServer:
    """A server whose busy slots generate `rate(busy)` tokens a second together, and read `prompt_rate` of one prompt.

    A stream whose client leaves frees its slots at once. A whole reply whose client leaves is still generated to its
    end, even if it is in the queue, unless no client receives anything for `quiet` seconds.
    """

    def __init__(self, slots: int, rate: Callable[[int], float], prompt_rate: float, quiet: float) -> None:
        self.slots = slots
        self.rate = rate
        self.prompt_rate = prompt_rate
        self.quiet = quiet
        self.books = Books()
        self.waiting: deque[Generation] = deque()
        self.running: list[Generation] = []
        self._now = 0.0
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return sum(len(generation.unfinished) for generation in self.running)

    @property
    def ideal_seconds(self) -> float:
        """Seconds that the calls which were not abandoned would need with all slots always busy."""
        tokens = self.books.generated - self.books.abandoned
        return tokens / self.rate(self.slots) + self.books.prompt_tokens / self.prompt_rate

    # What clients do.

    async def whole(self, generation: Generation) -> None:
        """Wait for a whole reply; raises `UpstreamError` if the server is shut down."""
        self._enqueue(generation)
        try:
            await generation.ended.wait()
        except asyncio.CancelledError:
            self._leave(generation)
            raise
        if generation.failure is not None:
            raise generation.failure

    async def stream(self, generation: Generation) -> AsyncGenerator[Token, None]:
        """Yield the tokens as they come; raises `UpstreamError` if the server is shut down."""
        generation.streamed = True
        self._enqueue(generation)
        try:
            while (token := await generation.output.get()) is not None:
                yield token
        finally:
            self._leave(generation)
        if generation.failure is not None:
            raise generation.failure

    # What its operator does.

    def shut_down(self, failure: Callable[[], UpstreamError]) -> None:
        """Break off all calls, each with a new failure."""
        self._advance()
        for generation in [*self.running, *self.waiting]:
            generation.failure = failure()
            self._end(generation)
        self._schedule()

    def start(self) -> None:
        """Begin with free slots on a clock that stands at 0."""
        self.running.clear()
        self.waiting.clear()
        self._now = self._heard_at = self.books.idle_at = 0.0
        self._timer = None

    async def idle(self) -> None:
        """Wait until no slot generates anything."""
        while talking := [one for one in self.running if not any(choice.silent for choice in one.choices)]:
            await talking[0].ended.wait()

    # What happens inside.

    def _enqueue(self, generation: Generation) -> None:
        self._advance()
        self.waiting.append(generation)
        self._schedule()

    def _leave(self, generation: Generation) -> None:
        """Note that the client has left; the server sees that at once only if it is a stream."""
        self._advance()
        generation.left_at = self._now
        if generation.streamed and not generation.ended.is_set():
            self._end(generation)
        self._schedule()

    def _advance(self) -> None:
        """Advance all slots to the current time."""
        now = asyncio.get_running_loop().time()
        elapsed, self._now = now - self._now, now
        shares = sum(len(generation.at_work) for generation in self.running)
        self.books.busy_seconds += elapsed * self.busy
        for generation in list(self.running) if shares else ():
            if generation.prompt_left > 0:
                left = generation.prompt_left - elapsed * self.prompt_rate / shares
                generation.prompt_left = left if left > NOISE else 0.0
            else:
                self._generate(generation, elapsed * self.rate(shares) / shares)
        self._stop_zombies()

    def _generate(self, generation: Generation, tokens: float) -> None:
        for choice in generation.at_work:
            choice.progress += tokens
            if choice.progress + NOISE < choice.generated + 1:
                continue
            choice.generated += 1
            self.books.generated += 1
            self.books.zombies += generation.left_at is not None
            if generation.streamed:
                index, position = generation.choices.index(choice), choice.generated
                text = choice.tokens[position - 1]
                generation.output.put_nowait(Token(index, text, position == 1, choice.finished))
                self._heard_at = self._now
        if not generation.unfinished:
            self._end(generation)

    def _end(self, generation: Generation) -> None:
        """Free the slots of a generation, or its place in the queue."""
        (self.running if generation in self.running else self.waiting).remove(generation)
        if generation.failure is None and generation.left_at is None:
            self.books.prompt_tokens += generation.prompt_tokens
            self._heard_at = self._now
        else:
            self.books.abandoned += generation.generated
        self.books.idle_at = self._now
        generation.ended.set()
        generation.output.put_nowait(None)

    def _stop_zombies(self) -> None:
        for generation in [*self.running, *self.waiting]:
            if self._noticed_at(generation) <= self._now:
                self._end(generation)

    def _noticed_at(self, generation: Generation) -> float:
        """Return when the server will notice that the client of a reply has left."""
        return inf if generation.left_at is None else max(generation.left_at, self._heard_at) + self.quiet

    def _schedule(self) -> None:
        """Fill the free slots from the queue, and set the timer to when the next token is due."""
        while self.waiting and self.busy + len(self.waiting[0].choices) <= self.slots:
            self.running.append(self.waiting.popleft())
        self.books.most_busy = max(self.books.most_busy, self.busy)
        if self._timer is not None:
            self._timer.cancel()
        due = min(self._dues(), default=inf)
        self._timer = None if due == inf else asyncio.get_running_loop().call_at(due, self._look)

    def _dues(self) -> list[float]:
        shares = sum(len(generation.at_work) for generation in self.running)
        dues = [self._noticed_at(generation) for generation in [*self.running, *self.waiting]]
        for generation in self.running:
            for choice in generation.at_work:
                speed = self.prompt_rate if generation.prompt_left else self.rate(shares)
                dues.append(self._now + generation.distance(choice) * shares / speed)
        return dues

    def _look(self) -> None:
        self._advance()
        self._schedule()
