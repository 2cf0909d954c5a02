"""The layer that waits for a call's turn: no upstream gets more at a time than it takes."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from optillm.engine.call.call import Call, Next, Result
from optillm.errors import UpstreamError

NOTICEABLE: Final = 0.001
"""Seconds beyond which the trace reports a wait for a turn."""


class Limited:
    """Lets the calls of one request take turns with others, and reports what becomes of them.

    No call begins while `attended` is clear, which says that a client waits for the request. The calls have windows
    of their own for the client's `authorization` where that is passed through.
    """

    def __init__(self, authorization: str | None, attended: asyncio.Event | None) -> None:
        self._authorization = authorization
        self._attended = attended

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the result of `next`, made in the call's `turn`."""
        route, traffic = call.route, call.traffic
        credential = route.credential(self._authorization)
        route.look_at_slots(self._authorization)
        clock = asyncio.get_running_loop().time
        since, waiting = clock(), True
        traffic.queued += 1
        try:
            async with route.limiters.slot(traffic, credential, call.body["model"]) as call.turn:
                if self._attended is not None:
                    await self._attended.wait()
                traffic.queued, waiting = traffic.queued - 1, False
                if clock() > since + NOTICEABLE:
                    call.span.attributes["optillm.queued"] = round(clock() - since, 3)
                try:
                    result = await next(call)
                except UpstreamError as error:
                    call.turn.answered(error.status)
                    raise
                call.turn.answered(HTTPStatus.OK)
                return result
        finally:
            traffic.queued -= waiting
