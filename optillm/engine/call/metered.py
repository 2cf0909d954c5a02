"""The layer that reserves the most a call may take, and settles what it took at its end."""

from __future__ import annotations

from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.ledger import Ledger, estimate
from optillm.errors import UpstreamError


class Metered:
    """Books every call of a request in its ledger, failed, cancelled and repeated ones too."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the result of `next`.

        Raises `BudgetExhausted` where the ledger has no room for the call. A call to a server that restarts has reached
        no model: the ledger does not count it.
        """
        model = call.body["model"]
        price = self._ledger.prices.of(model, call.route.clients_name(model))
        reservation = self._ledger.reserve(
            call.role, self._ledger.worst_case(call.body, price), optional=call.is_repetition
        )
        call.mark_sent()
        call.span.price = price
        try:
            result = await next(call)
        except UpstreamError as error:
            if error.restarting:
                self._ledger.withdraw(reservation)
            else:
                self._ledger.settle(reservation, call.usage, "failed")
            raise
        except BaseException:  # cancelled, by the client or because another attempt has won
            self._ledger.settle(reservation, call.usage or estimate(call.body), "cancelled")
            raise
        self._ledger.settle(reservation, result.usage)
        return result
