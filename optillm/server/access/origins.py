"""Tell by which name a client reaches this server, and from whose page a request comes."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request

from optillm.errors import InvalidRequest, PermissionDenied
from optillm.server.access.cors import welcome
from optillm.server.state import here


def is_https() -> bool:
    """Whether the client reaches this server over TLS, as a reverse proxy says that ends it.

    Anybody may send that header, but it only decides how their own reply describes the connection to them.
    """
    last_hop = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2]
    return last_hop.strip().lower() == "https"


def own_url(path: str) -> str | None:
    """Return the URL of a path as the client reaches it.

    It is `None` if the client has not said by which name that is.
    """
    return f"{'https' if is_https() else 'http'}://{request.host}{path}" if request.host else None


def same_origin() -> bool:
    """Whether a browser says that a page of this server sends the request."""
    try:
        origin = urlsplit(request.headers.get("Origin", ""))
    except ValueError:  # as for a bracket without its other
        return False
    return bool(request.host) and origin.netloc == request.host


def refuse_forgeries() -> None:
    """Refuse a change that may come of a page that is not of this server.

    The browser of somebody who has signed in adds the cookie, whichever page makes it send a request.
    """
    if not same_origin():
        raise PermissionDenied("Only pages of this server may do this for somebody who has signed in")


def refuse_other_sites() -> None:
    """Refuse what any web page may send to a local server unasked.

    That is forms, and bodies of no type.
    """
    origin = request.headers.get("Origin")
    if origin is None or welcome(origin, here().settings.cors_origins) or same_origin():
        return
    raise InvalidRequest("Requests of other web sites are not accepted here")
