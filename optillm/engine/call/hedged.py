"""The layer that makes a silent call again beside itself, so that no slow one is waited for."""

from __future__ import annotations

from optillm.engine.call.attempts import Attempts, Watch
from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.hedging import Hedging


class Hedged:
    """Repeats the calls of one request as its policy says."""

    def __init__(self, policy: Hedging) -> None:
        self.policy = policy
        self._watch = Watch()

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the first result of `next` for the call or a repetition.

        Raise its own failure if all fail.
        """
        attempts = call.race  # of the last try, when this is a retry
        if not isinstance(attempts, Attempts):
            attempts = call.race = Attempts(call, self.policy, self._watch)
        self._watch.begin(attempts)
        try:
            return await attempts.run(next)
        finally:
            self._watch.end(attempts)
            self.policy.ended(call)
            await attempts.end()
