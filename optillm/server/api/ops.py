"""What operators and their machines ask: is it up, is it ready, what has it done."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Flask, Response, request

from optillm.errors import ShuttingDown, UpstreamError
from optillm.observe.metrics import Metrics
from optillm.server.bridge import aside, run
from optillm.server.state import here

views = Blueprint("ops", __name__)


def count(app: Flask, metrics: Metrics) -> None:
    """Count the requests to the API: those at work, until the last byte has left, and every response."""

    def arrive() -> None:
        if _api():
            metrics.in_flight.inc()

    def leave(response: Response) -> Response:
        if _api():
            metrics.responses.labels(str(response.status_code)).inc()
            response.call_on_close(metrics.in_flight.dec)
        return response

    app.before_request(arrive)
    app.after_request(leave)


def _api() -> bool:
    return request.path.startswith("/v1/") or request.blueprint == "api"


@views.get("/health")
def health() -> Response:
    """Whether the server is up; with `?ready=1`, whether it can serve: it does not drain, its upstream answers."""
    if request.args.get("ready") == "1":
        state = here()
        if state.draining:
            raise ShuttingDown("The server is shutting down")
        if not run(state.readiness.now()):
            raise UpstreamError("The upstream does not answer", status=HTTPStatus.SERVICE_UNAVAILABLE)
    return Response(b'{"status":"ok"}', content_type="application/json")


@views.get("/metrics")
def metrics() -> Response:
    """The metrics of all workers, for Prometheus."""
    state = here()
    content, content_type = aside(state.metrics.exposition, request.headers.get("Accept", ""))
    return Response(content, content_type=content_type)
