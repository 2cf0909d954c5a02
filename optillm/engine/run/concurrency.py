"""A round of calls: run together, taken in order of arrival, its stragglers cut, its failures summed up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from contextvars import copy_context
from math import ceil, inf
from statistics import median
from typing import Any, Final, TypeVar

from optillm.engine.call.calls import Calls
from optillm.engine.call.hedging import PATIENCE
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.trace import Trace

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
    """Yield results and losses in order of arrival; once `enough` results are in, cut stragglers.

    Work that is not done by `last_call()`, a time on the loop's clock, is also cut, provided that there is a result or
    the work is `optional()`; optional work does not even begin after that time. Leaving the loop cancels the rest.
    Any other error cancels all and is raised.
    """
    loop = asyncio.get_running_loop()
    if optional() and last_call() <= loop.time():
        calls.ledger.pressed = True
        for part in work:
            part.close()
        return
    branches = {}
    for part in work:
        variables = copy_context()
        branches[loop.create_task(part, context=variables)] = variables
    started, elapsed, pending = loop.time(), list[float](), set(branches)
    idle = False
    try:
        while pending:
            patience = inf
            if len(elapsed) >= enough and not calls.queued:
                patience = _patience(median(elapsed), started, calls)
            if elapsed or optional():
                patience = max(0.0, min(patience, last_call() - loop.time()))
            if idle and patience <= GRAIN:
                calls.ledger.pressed |= last_call() <= loop.time() + GRAIN
                return
            timeout = None if patience == inf else patience
            done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            idle = not done
            for task in [task for task in branches if task in done]:
                Trace.join(branches[task])
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
        if unneeded := sum(not task.done() for task in branches):
            calls.trace.note("%d of %d calls are no longer needed", unneeded, len(branches))
        await cancelled(branches)


async def beside(
    essential: Coroutine[Any, Any, T], helpers: Sequence[Coroutine[Any, Any, H | None]], calls: Calls
) -> tuple[T, list[H | None]]:
    """Return the essential result, and those of its helpers in the order given, `None` for a late or lost one."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    variables = [copy_context() for _ in (essential, *helpers)]
    main = loop.create_task(essential, context=variables[0])
    tasks: list[asyncio.Task[H | None]] = []
    try:
        for _ in range(FIRST_STEPS):
            await asyncio.sleep(0)
        tasks += [loop.create_task(part, context=v) for part, v in zip(helpers, variables[1:], strict=True)]
        result = await main
        pending = [task for task in tasks if not task.done()]
        if pending:
            await asyncio.wait(pending, timeout=_patience(loop.time() - started, started, calls))
        done = [task.done() for task in tasks]
    finally:
        for part in helpers[len(tasks) :]:  # cancelled before its time came
            part.close()
        await cancelled([main, *tasks])
    helped: list[H | None] = []
    for task, came, branch in zip(tasks, done, variables[1:], strict=True):
        error = task.exception() if came else None
        if error is not None and not isinstance(error, Lost):
            raise error
        if came:
            Trace.join(branch)
        helped.append(task.result() if came and error is None else None)
    Trace.join(variables[0])
    return result, helped


def _patience(typical: float, started: float, calls: Calls) -> float:
    """Return how many seconds stragglers have left when the others took `typical` seconds.

    They are counted from the last call sent: a call that queued was slow through no fault of its own. While pieces of a
    reply still come, stragglers are given longer, up to `AT_WORK` times as long: what is generated would be wasted.
    """
    limit = max(STRAGGLER * typical, typical + PATIENCE)
    begun = max(started, calls.last_sent)
    while_generating = min(calls.last_heard + limit, begun + AT_WORK * typical)
    return max(0.0, max(begun + limit, while_generating) - asyncio.get_running_loop().time())


async def together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results in the order given; a failure cancels the others and is raised."""
    variables = [copy_context() for _ in work]
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(part, context=v) for part, v in zip(work, variables, strict=True)]
    try:
        results = await asyncio.gather(*tasks)
    except BaseException:
        await cancelled(tasks)
        raise
    for branch in variables:
        Trace.join(branch)
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
