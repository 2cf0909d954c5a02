"""What operators and their machines ask: is it up, is it ready, what has it done."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Flask, Response, request

from optillm.errors import ShuttingDown, UpstreamError
from optillm.observe.metrics import Metrics
from optillm.server.access.policy import Policy, current_policy
from optillm.server.bridge import await_only, in_thread
from optillm.server.state import here

views = Blueprint("ops", __name__)


def count(app: Flask, metrics: Metrics) -> None:
    """Count the requests that are to be measured, and every response.

    A request is at work until its last byte has left.
    """

    def arrive() -> None:
        if current_policy().measured:
            metrics.in_flight.inc()

    def leave(response: Response) -> Response:
        if current_policy().measured:
            metrics.responses.labels(str(response.status_code)).inc()
            response.call_on_close(metrics.in_flight.dec)
        return response

    app.before_request(arrive)
    app.after_request(leave)


@views.get("/health")
@Policy(authenticated=False, counted=False, spending=False, measured=False, vital=True)
def health() -> Response:
    """Whether the server is up.

    With `?ready=1`, whether it can serve: it does not drain, and its upstream answers.
    """
    if request.args.get("ready") == "1":
        state = here()
        if state.draining:
            raise ShuttingDown("The server is shutting down")
        if not await_only(state.readiness.now()):
            raise UpstreamError("The upstream does not answer", status=HTTPStatus.SERVICE_UNAVAILABLE)
    return Response(b'{"status":"ok"}', content_type="application/json")


@views.get("/metrics")
@Policy(counted=False, spending=False, measured=False)
def metrics() -> Response:
    """The metrics of all workers, for Prometheus."""
    state = here()
    content, content_type = in_thread(state.metrics.exposition, request.headers.get("Accept", ""))
    return Response(content, content_type=content_type)
