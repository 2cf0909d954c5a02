"""The layer that makes a failed call again while that can help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from tenacity import AsyncRetrying, RetryCallState

from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.ledger import Ledger
from optillm.engine.call.retries import Circumstances, Retries
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.trace import Trace


class Retried:
    """Makes a failed call again, but never one whose text the client has seen.

    `typical` returns how many seconds calls of a kind take if that is known. If no attempt succeeds, a reply that says
    nothing is the result, where one came.
    """

    def __init__(
        self,
        retries: Retries,
        ledger: Ledger,
        trace: Trace,
        typical: Callable[[Hashable], float | None],
    ) -> None:
        self._retries = retries
        self._ledger = ledger
        self._trace = trace
        self._typical = typical
        self._retrying = AsyncRetrying(
            retry=self._may_help,
            wait=lambda state: state.args[0].history.pause,
            before_sleep=self._note,
            sleep=asyncio.sleep,
            reraise=True,
        )

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the first result of `next`; raise its failure if a retry cannot help."""
        try:
            return await self._retrying(next, call)
        except (UpstreamError, BudgetExhausted):
            if call.history.blank is None or call.history.shown:
                raise
            return call.history.blank

    def _may_help(self, state: RetryCallState) -> bool:
        call: Call = state.args[0]
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, UpstreamError) or call.history.shown:
            return False
        circumstances = Circumstances(
            self._ledger.seconds_left, self._typical(call.kind), dispensable=self._ledger.best is not None
        )
        call.history.pause = self._retries.pause(error, circumstances, call.history)
        return call.history.pause is not None

    def _note(self, state: RetryCallState) -> None:
        span = state.args[0].span
        span.attributes["optillm.retries"] = state.attempt_number
        error = state.outcome.exception() if state.outcome else None
        status = getattr(error, "status", None)
        self._trace.note("call %d: status %s, retrying in %.2f s", span.id, status, state.upcoming_sleep)
