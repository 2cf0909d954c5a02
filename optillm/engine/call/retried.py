"""The layer that makes a failed call again while that can help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

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

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the first result of `next`; raise its failure if a retry cannot help.

        This loop is not tenacity's, which makes 280 function calls for a call that succeeds at once: more than all
        other layers together, and nearly all calls do.
        """
        while True:
            try:
                return await next(call)
            except (UpstreamError, BudgetExhausted) as error:
                pause = self._pause(call, error)
                if pause is None:
                    if call.history.blank is None or call.history.shown:
                        raise
                    return call.history.blank
            await asyncio.sleep(pause)

    def _pause(self, call: Call, error: UpstreamError | BudgetExhausted) -> float | None:
        """Return the seconds until the next attempt, recorded in the call's span.

        Returns `None` if a retry cannot help.
        """
        if call.history.shown or isinstance(error, BudgetExhausted):
            return None
        circumstances = Circumstances(
            self._ledger.seconds_left, self._typical(call.kind), dispensable=self._ledger.best is not None
        )
        pause = self._retries.pause(error, circumstances, call.history)
        if pause is not None:
            call.span.attributes["optillm.retries"] = call.span.attributes.get("optillm.retries", 0) + 1
            self._trace.note("call %d: status %s, retrying in %.2f s", call.span.id, error.status, pause)
        return pause
