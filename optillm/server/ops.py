"""What operators and their machines ask: is it up, is it ready."""

from __future__ import annotations

from flask import Blueprint, Response, request

from optillm.errors import ShuttingDown, UpstreamError
from optillm.server.state import here

views = Blueprint("ops", __name__)


@views.get("/health")
def health() -> Response:
    """Whether the server is up; with `?ready=1`, whether it can serve: it does not drain, its upstream answers."""
    if request.args.get("ready") == "1":
        state = here()
        if state.draining:
            raise ShuttingDown("The server is shutting down")
        if not state.portal.run(state.readiness.now()):
            raise UpstreamError("The upstream does not answer", status=503)
    return Response(b'{"status":"ok"}', content_type="application/json")
