"""A call and its repetitions: a race that the first reply wins."""

from __future__ import annotations

import asyncio
from math import inf

from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.hedging import STALL, Hedging, weight_of
from optillm.engine.upstream.latency import Pace
from optillm.errors import BudgetExhausted, UpstreamError


class Attempts:
    """The attempts at one call; `run` may be awaited several times, one after the other.

    `watch` has the timer that tells when the call is overdue. The call itself runs in the task that makes it, since
    nearly all calls return before they are late; its repetitions run in tasks of their own.
    """

    __slots__ = (
        *("call", "policy", "_watch", "_left", "_stretch", "_guess", "_loop"),
        *("_next", "_scope", "_running", "_chosen", "_failure", "_since", "_weight", "_stalls", "_stalled"),
        *("_rescue", "_repetitions", "_stirred"),
    )

    def __init__(self, call: Call, policy: Hedging, watch: Watch) -> None:
        self.call = call
        self.policy = policy
        self._watch = watch
        self._left = policy.limit
        self._stretch = 1
        self._guess = policy.longest_guess
        self._loop = asyncio.get_running_loop()

    async def run(self, next: Next) -> Result:
        """Return the reply that comes first.

        Raise the failure of the call itself if its repetitions fail, too.
        """
        self._next = next
        self._chosen: Call | None = None
        self._failure: UpstreamError | None = None
        self._since = inf
        self._weight = 1.0
        self._stalls = self._stalled = False
        self._rescue: asyncio.Task[Result] | None = None
        self.call.sent_at = None
        # Never due by itself: `_end_call` moves it to now, which ends the call where it waits, without a task for each.
        self._scope = asyncio.timeout(None)
        try:
            async with self._scope:
                self._running = True
                try:
                    result = await next(self.call)
                finally:
                    self._running = False
        except TimeoutError:
            if self._stalled:
                raise _silent_in_the_middle() from None
            if self._rescue is None:
                raise  # not our timeout
        except UpstreamError as error:
            if self._rescue is None or self._chosen is self.call:
                raise
            self._failure = error  # unless a repetition that is at work succeeds
            self._stirred.set()
        else:
            self._took(self.call)
            return result
        return await self._rescue

    async def end(self) -> None:
        """End what still runs, and let go of what refers back to this.

        Replies then wait for no garbage collector.
        """
        if self._rescue is not None:
            self._rescue.cancel()
            await asyncio.gather(self._rescue, return_exceptions=True)
            self._repetitions.clear()
        self._rescue = self._chosen = self._failure = None

    def _took(self, attempt: Call) -> None:
        if attempt.sent_at is not None:  # what it waited for its turn before says nothing of the upstream
            end = self._loop.time()
            silence = (attempt.first_piece_at or end) - attempt.sent_at
            if self.policy.took(self.call.kind, Pace(silence, self._weight), end - attempt.sent_at):
                self._watch.reconsider()

    # What an attempt tells on its way.

    def sent(self, attempt: Call) -> None:
        """Note that an attempt has been sent."""
        self._weight = weight_of(attempt)
        self._since = self._loop.time()
        if self._rescue is None:
            self._watch.expect(self.due())

    async def piece_arrived(self, attempt: Call) -> None:
        """Note that a piece of a reply has come; the first piece ends the other attempts.

        From then on, the silence between two pieces is measured.
        """
        self._since = self._loop.time()
        if attempt.first_piece_at is None:
            attempt.first_piece_at = self._since
            await self.choose(attempt)
            self._stalls = True
            self._watch.expect(self.due())

    async def choose(self, attempt: Call) -> None:
        """Choose the reply of an attempt and end the others; return only in the chosen one."""
        if self._chosen is None:
            self._chosen = attempt
            if attempt is not self.call:
                for task, other in self._repetitions.items():
                    if other is not attempt:
                        task.cancel()
                self._end_call()
            elif self._rescue is not None:
                self._rescue.cancel()
        if self._chosen is not attempt:
            await self._loop.create_future()  # this task is about to be cancelled

    # The timer.

    def due(self) -> float:
        """Return when the silence will have lasted too long.

        That is never while repetitions are already at work. Once a reply is chosen, only a silence in its middle
        counts.
        """
        if self._stalls and not self._stalled:
            return self._since + STALL
        return inf if self._rescue is not None or self._chosen is not None else self._repeat_at()

    def _repeat_at(self) -> float:
        patience = self.policy.patience(self.call, self._weight, self._guess, last=not self._left)
        return self._since + patience * self._stretch

    def overdue(self) -> None:
        """Repeat a call that was silent for too long, or end a reply that has stopped in its middle."""
        if not self._stalls:
            self._repetitions: dict[asyncio.Task[Result], Call] = {}
            self._stirred = asyncio.Event()
            self._rescue = self._loop.create_task(self._repeat())
            self._rescue.add_done_callback(self._end_call)
            return
        self._stalled = True
        if self._chosen is self.call:
            self._scope.reschedule(self._loop.time())
            return
        for task, attempt in self._repetitions.items():
            if attempt is self._chosen:
                task.cancel()

    def reconsider(self) -> None:
        """Reconsider when the call is due: others have shown how long calls take."""
        if self._rescue is not None:
            self._stirred.set()

    def _end_call(self, _: object = None) -> None:
        if self._running and self._chosen is not self.call:
            self._scope.reschedule(self._loop.time())

    # Repetitions.

    async def _repeat(self) -> Result:
        """Repeat the call, again whenever the silence has lasted too long.

        Return the first reply to a repetition.
        """
        try:
            self._repeat_once()
            while True:
                due = self._repeat_at()
                try:
                    async with asyncio.timeout_at(None if self._chosen else due):
                        await self._stirred.wait()
                except TimeoutError:
                    if self._repeat_at() <= due:  # else other calls have shown that it takes longer
                        self._repeat_once()
                self._stirred.clear()
                for task in [task for task in self._repetitions if task.done()]:
                    if self._succeeded(task, self._repetitions.pop(task)):
                        return task.result()
                if self._failure is not None and not self._repetitions:
                    raise self._failure
        finally:
            for task in self._repetitions:
                task.cancel()
            await asyncio.gather(*self._repetitions, return_exceptions=True)

    def _repeat_once(self) -> None:
        """Make the call once more; if that is not possible now, wait as long again.

        At the end, give it up.
        """
        self._since = self._loop.time()
        if self.policy.gives_up(self.call, last=not self._left):
            raise UpstreamError("the upstream fell silent", status=504)
        if self.policy.admits(self.call):
            # What nothing can replace is waited for until the deadline: a model that thinks for long must not become an
            # error. At even intervals, such a call would be paid for too many times.
            self._stretch *= 1 if self._left else 2
            self._left = max(0, self._left - 1)
            attempt = self.call.repetition()
            attempt.span.attributes["optillm.repetitions"] = 1 + attempt.span.attributes.get(
                "optillm.repetitions", 0
            )
            task = self._loop.create_task(self._next(attempt))
            task.add_done_callback(lambda _: self._stirred.set())
            self._repetitions[task] = attempt

    def _succeeded(self, task: asyncio.Task[Result], attempt: Call) -> bool:
        """Return whether a repetition ended in a reply.

        A failed one is ignored unless its reply was chosen.
        """
        if task.cancelled():
            if self._stalled:
                raise _silent_in_the_middle()
            return False
        failure = task.exception()
        if failure is None:
            self._took(attempt)
        # A repetition that the budget does not allow is no failure either: the call itself still waits.
        elif attempt is self._chosen or not isinstance(failure, UpstreamError | BudgetExhausted):
            raise failure
        return failure is None


class Watch:
    """The calls of one request that are waited for, and one timer for all of them."""

    def __init__(self) -> None:
        # One timer, not one for each call: nearly all calls end before they are late.
        self._attempts: set[Attempts] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._at = inf

    def begin(self, attempts: Attempts) -> None:
        """Add a call that waits for its reply."""
        self._attempts.add(attempts)

    def end(self, attempts: Attempts) -> None:
        """Remove a call that no longer waits."""
        self._attempts.discard(attempts)
        if not self._attempts:
            self._stop()

    def expect(self, due: float) -> None:
        """Set the timer to this time of the loop's clock, unless it is set to an earlier one."""
        if due < self._at:
            self._stop()
            self._at = due
            self._timer = asyncio.get_running_loop().call_at(due, self._look, due)

    def reconsider(self) -> None:
        """Reconsider when all calls are due: one has shown how long they may take."""
        for attempts in self._attempts:
            attempts.reconsider()
        self.expect(min((attempts.due() for attempts in self._attempts), default=inf))

    def _look(self, now: float) -> None:
        self._stop()
        dues = {attempts: attempts.due() for attempts in self._attempts}
        for attempts in [attempts for attempts, due in dues.items() if due <= now]:
            attempts.overdue()
        self.expect(min((due for due in dues.values() if due > now), default=inf))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._at = inf


def _silent_in_the_middle() -> UpstreamError:
    return UpstreamError("the upstream fell silent in the middle of its reply", status=504, retryable=True)
