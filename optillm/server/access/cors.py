"""What browsers are told: which web pages may use this server, and that no reply is a page of its own."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request

ANY: Final = "*"
PREFLIGHT_SECONDS: Final = 600  # that a browser keeps the answer to a preflight
METHODS: Final = "GET, POST, DELETE"
NO_PAGE: Final = {
    "X-Content-Type-Options": "nosniff",
    # Also over what an upstream may send as HTML: here it would run as a page of this server.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


def welcome(origin: str | None, origins: Collection[str]) -> bool:
    """Whether pages of this origin may use the server: exactly those listed."""
    return origin is not None and (origin in origins or ANY in origins)


def tell_browsers(app: Flask, origins: Collection[str]) -> None:
    """Answer the preflights of welcome pages before anybody asks for a key, and put headers on every reply.

    Credentials are never allowed: a page sends its key in a header of its own, and there are no cookies.
    """

    def preflight() -> Response | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not (is_preflight and welcome(request.headers.get("Origin"), origins)):
            return None
        reply = Response(status=HTTPStatus.NO_CONTENT)
        reply.headers["Access-Control-Allow-Methods"] = METHODS
        # Named one by one: a wildcard does not stand for Authorization.
        reply.headers["Access-Control-Allow-Headers"] = request.headers.get(
            "Access-Control-Request-Headers", ""
        )
        reply.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return reply

    def mark(reply: Response) -> Response:
        for name, value in NO_PAGE.items():
            reply.headers.add(name, value)
        origin = request.headers.get("Origin")
        if origins:
            reply.vary.add("Origin")  # caches must not hand one page's reply to another
        if origin is not None and welcome(origin, origins):
            reply.headers["Access-Control-Allow-Origin"] = origin
            reply.headers["Access-Control-Expose-Headers"] = ANY
        return reply

    app.before_request(preflight)
    app.after_request(mark)
