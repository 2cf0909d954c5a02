"""Render templates: pages, and errors as pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from flask import Response, current_app, redirect, request

from optillm.errors import OptillmError, Unauthorized
from optillm.server.access.guard import SAFE, granted
from optillm.server.bridge import in_thread

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
        if (
            "HX-Request" in request.headers
        ):  # a part of a page: let the browser load the whole, which leads there
            error.headers["HX-Refresh"] = "true"
        elif request.method in SAFE:
            return redirect(sign_in_path(), HTTPStatus.SEE_OTHER)
    response = page("error.html", error.status, code=error.status, message=error.message)
    response.headers.update(error.headers)
    return response


def sign_in_path() -> str:
    """Return where one signs in to come back to the current page."""
    query = request.query_string.decode("ascii", "replace")
    current = quote(request.path) + (f"?{query}" if query else "")
    return f"/sign-in?{urlencode({'next': current})}"
