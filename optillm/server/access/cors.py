"""Tell browsers which web pages may use this server.

Replies also say what they may do if one is shown as a page.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request

from optillm.server.access.policy import NO_PAGE, current_policy

ANY: Final = "*"
PREFLIGHT_SECONDS: Final = 600  # that a browser keeps the answer to a preflight
METHODS: Final = "GET, POST, DELETE"


def page_headers(content_security: str = NO_PAGE) -> dict[str, str]:
    """Return the headers that say what a reply may do as a page, by default nothing."""
    return {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": content_security}


def welcome(origin: str | None, origins: Collection[str]) -> bool:
    """Whether pages of this origin may use the server: exactly those listed."""
    return origin is not None and (origin in origins or ANY in origins)


def tell_browsers(app: Flask, origins: Collection[str]) -> None:
    """Answer preflights of welcome pages before a key is demanded, and put headers on replies.

    Credentials are never allowed: a page of another site sends its key in a header of its own, and the cookie of those
    who have signed in is for the pages of this server alone.
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
        # Beside what an upstream may have sent along with HTML: here it would run as a page of this server.
        for name, value in page_headers(current_policy().content_security).items():
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
