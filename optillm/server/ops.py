"""What operators and their machines ask: is it up, is it ready."""

from __future__ import annotations

import asyncio
from typing import Final

from flask import Blueprint, Response, request

from optillm.errors import ShuttingDown, UpstreamError
from optillm.server.state import Engine, here

PATIENCE: Final = 5.0  # seconds the upstream has to show that it is there

views = Blueprint("ops", __name__)


@views.get("/health")
def health() -> Response:
    """Whether the server is up; with `?ready=1`, whether it can serve: it does not drain, its upstream answers."""
    if request.args.get("ready") == "1":
        state = here()
        if state.draining:
            raise ShuttingDown("The server is shutting down")
        if not state.portal.run(reachable(state.engine)):
            raise UpstreamError("The upstream does not answer", status=503)
    return Response(b'{"status":"ok"}', content_type="application/json")


async def reachable(engine: Engine) -> bool:
    """Whether the upstream answers soon."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await engine.reachable()
    except TimeoutError:
        return False
