"""A round of calls, run together: stragglers are cut and failures summed up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from math import ceil, inf
from statistics import median
from typing import Any, Final, TypeVar

from optillm.engine.call.calls import Calls
from optillm.engine.call.hedging import PATIENCE
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.trace import Fork

T = TypeVar("T")
H = TypeVar("H")
Lost = UpstreamError | BudgetExhausted

QUORUM: Final = 0.5
"""The share of a round that must be usable before the round goes on without the rest."""
STRAGGLER: Final = 1.5
"""With a quorum in, a call may take this many times the median of the finished ones."""
AT_WORK: Final = 4.0
"""The same for a call whose reply is known to be coming, as a stream is."""

GRAIN: Final = 0.001
"""Seconds that are not waited for: a wait ends a little early or late, and the rest would be waited for in vain."""

CUT: Final = "{cut} of {calls} calls were no longer needed"
PRESSED: Final = "work was cut, so that there is time for the last call"
"""What is recorded of a round."""

FIRST_STEPS: Final = 3
"""Steps of the loop after which the calls of a round have gone out: essential ones go before their helpers,
who get what the budget leaves."""


def quorum(count: int) -> int:
    """Return how many of a round must be usable."""
    return ceil(count * QUORUM)


async def race(
    work: Sequence[Coroutine[Any, Any, T]],
    enough: int,
    calls: Calls,
    last_call: Callable[[], float] = lambda: inf,
    optional: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[T | Lost, None]:
    """Yield results and losses in order of arrival.

    Once `enough` results are in, cut stragglers. Work that is not done by `last_call()`, a time on the loop's clock, is
    also cut, provided that there is a result or the work is `optional()`; optional work does not even begin after that
    time. Leaving the loop cancels the rest. Any other error cancels all and is raised.
    """
    loop = asyncio.get_running_loop()
    if optional() and last_call() <= loop.time():
        calls.ledger.cut_for_time = True
        calls.trace.decide("deadline", PRESSED)
        for part in work:
            part.close()  # or Python warns that it was never awaited
        return
    forks = {fork.task: fork for fork in map(Fork, work)}
    started, elapsed, pending = loop.time(), list[float](), set(forks)
    idle = False
    try:
        while pending:
            patience = inf
            # While calls of ours still queue here, it is not the upstream that is slow.
            if len(elapsed) >= enough and not calls.traffic.queued:
                patience = _patience(median(elapsed), started, calls)
            if elapsed or optional():
                patience = max(0.0, min(patience, last_call() - loop.time()))
            # What is there already counts, however late it is: only a wait in which nothing came ends the round.
            if idle and patience <= GRAIN:
                if last_call() <= loop.time() + GRAIN:
                    calls.ledger.cut_for_time = True
                    calls.trace.decide("deadline", PRESSED)
                return
            timeout = None if patience == inf else patience
            done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            idle = not done
            # In the order begun, since `done` has none: the same replies must give the same answer every time.
            for task in [task for task in forks if task in done]:
                forks[task].join()
                error = task.exception()
                if error is None:
                    if task.result():  # what gives nothing at once must not hurry the others
                        elapsed.append(loop.time() - started)
                    yield task.result()
                elif isinstance(error, Lost):
                    yield error
                else:
                    raise error
    finally:
        if unneeded := sum(not task.done() for task in forks):
            calls.trace.note("%d of %d calls are no longer needed", unneeded, len(forks))
            calls.trace.decide("cut", CUT, calls=len(forks), cut=unneeded)
        await cancelled(forks)


async def beside(
    essential: Coroutine[Any, Any, T], helpers: Sequence[Coroutine[Any, Any, H | None]], calls: Calls
) -> tuple[T, list[H | None]]:
    """Return the essential result, and those of its helpers in the order given.

    A helper that is late or lost gives `None`.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    main = Fork(essential)
    forks = list[Fork[H | None]]()
    try:
        for _ in range(FIRST_STEPS):
            await asyncio.sleep(0)
        forks += map(Fork, helpers)
        result = await main.task
        pending = [fork.task for fork in forks if not fork.task.done()]
        if pending:
            await asyncio.wait(pending, timeout=_patience(loop.time() - started, started, calls))
        in_time = [fork.task.done() for fork in forks]
    finally:
        for part in helpers[len(forks) :]:  # cancelled before its time came
            part.close()
        await cancelled([main.task, *(fork.task for fork in forks)])
    helped: list[H | None] = []
    for fork, came in zip(forks, in_time, strict=True):
        error = fork.task.exception() if came else None
        if error is not None and not isinstance(error, Lost):
            raise error
        if came:
            fork.join()
        helped.append(fork.task.result() if came and error is None else None)
    main.join()
    return result, helped


def _patience(typical: float, started: float, calls: Calls) -> float:
    """Return how many seconds stragglers have left when the others took `typical` seconds.

    They are counted from the last call sent: a call that queued was slow through no fault of its own. While pieces of a
    reply still come, stragglers are given longer, up to `AT_WORK` times as long: what is generated would be wasted.
    """
    limit = max(STRAGGLER * typical, typical + PATIENCE)
    begun = max(started, calls.traffic.last_sent)
    while_generating = min(calls.traffic.last_piece + limit, begun + AT_WORK * typical)
    return max(0.0, max(begun + limit, while_generating) - asyncio.get_running_loop().time())


async def together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results in the order given; a failure cancels the others and is raised."""
    forks = [Fork(part) for part in work]
    tasks = [fork.task for fork in forks]
    try:
        results = await asyncio.gather(*tasks)
    except BaseException:  # also if it is cancelled: no call may outlive the request
        await cancelled(tasks)
        raise
    for fork in forks:
        fork.join()
    return results


async def cancelled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, and wait until all have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def most_telling(errors: Sequence[Exception]) -> Exception:
    """Return the error that says most about a round in which every call failed.

    That is one the client can act on, else one that all agree on, else a 502 for failures that differ.
    """
    upstream = [error for error in errors if isinstance(error, UpstreamError)]
    if not upstream:
        return errors[0] if errors else UpstreamError("no usable reply from the upstream")
    actionable = [error for error in upstream if 400 <= error.status < 500]
    if actionable:
        return actionable[0]
    if len({error.status for error in upstream}) == 1:
        return upstream[0]
    return UpstreamError("the upstream failed every call of this request, in different ways")
