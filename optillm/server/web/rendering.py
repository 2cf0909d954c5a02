"""Render templates: pages, and errors as pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from flask import Response, current_app, request

from optillm.errors import OptillmError, Unauthorized
from optillm.server.access.guard import SAFE, granted
from optillm.server.bridge import in_thread
from optillm.server.web.negotiation import HTMX

HTML: Final = "text/html; charset=utf-8"


def page(template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """Return a page, rendered in a thread, where templates are read from files.

    So a template has `values`, `asset` and `signed_in`, the name of the client's key, but no request of Flask's.
    """
    environment = current_app.jinja_env
    values["signed_in"] = granted().client

    def render() -> str:
        return environment.get_template(template).render(values)

    return Response(in_thread(render), status, {"Cache-Control": "no-store"}, content_type=HTML)


def error_page(error: OptillmError) -> Response:
    """Return an error as a page; who has no key is led to where they can sign in."""
    if isinstance(error, Unauthorized):
        if HTMX in request.headers:
            error.headers["HX-Refresh"] = "true"  # loads the whole page anew, which leads there
        elif request.method in SAFE:
            return led_to(sign_in_path())
    response = page("error.html", error.status, code=error.status, message=error.message)
    response.headers.update(error.headers)
    return response


def led_to(path: str) -> Response:
    """Return what leads a browser to another page."""
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path, "Cache-Control": "no-store"})


def sign_in_path() -> str:
    """Return where one signs in to come back to the current page."""
    query = request.query_string.decode("ascii", "replace")
    current = quote(request.path) + (f"?{query}" if query else "")
    return f"/sign-in?{urlencode({'next': current})}"
