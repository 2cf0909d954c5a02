"""What is particular to one part of a request's work, and the time that part has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from optillm.engine.call.calls import Calls
from optillm.engine.run.payloads import Bodies
from optillm.engine.run.single_flight import SingleFlight
from optillm.technique import Answer, Candidate

if TYPE_CHECKING:
    from optillm.engine.run.context import RequestContext

SLACK: Final = 1.1
"""Calls vary: so many times what is usual is kept for the last one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one part of a composition has for itself.

    Calls, ledger and trace are shared by the whole request. `bodies` makes the payloads of its calls and `choices` is
    how many answers it gives. What it writes is `streaming` to the client. `following` is what `proceed` goes on with,
    `draws` are the samples that parallel branches share. With `keeps_time`, the part ends by a writing call that time
    is kept for; `executes` admits running programs.
    """

    bodies: Bodies
    choices: int
    streaming: bool
    following: Callable[[RequestContext], Awaitable[Answer]] | None = None
    draws: SingleFlight[list[Candidate]] | None = None
    keeps_time: bool = False
    executes: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the last call of a part has to begin, if there is one to keep time for (`kept`)."""

    calls: Calls
    model: str
    kept: bool

    @property
    def late(self) -> bool:
        """Whether another round as long as a writing call would be too long.

        If so, the ledger is told.
        """
        late = asyncio.get_running_loop().time() + self._writing > self.last_call()
        self.calls.ledger.cut_for_time |= late
        return late

    def last_call(self) -> float:
        """Return when the last call has to begin, on the loop's clock.

        That is infinity if nothing is kept for it.
        """
        deadline = self.calls.ledger.deadline
        if not self.kept or deadline is None or not self._writing:
            return inf
        return deadline - self._writing

    @property
    def _writing(self) -> float:
        """Seconds to allow for a writing call; 0 if none was ever made."""
        return SLACK * (self.calls.typical("write", self.model) or 0.0)
