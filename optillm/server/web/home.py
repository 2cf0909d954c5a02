"""The home page: what this is, a first request that works here, what there is to choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from optillm.config.values import is_loopback, masked
from optillm.server.access.guard import owner
from optillm.server.access.origins import own_url
from optillm.server.access.policy import PAGE, VERSION
from optillm.server.api.views import allowed_techniques
from optillm.server.first_request import SOME_MODEL, FirstRequest
from optillm.server.state import here
from optillm.server.web.blueprint import views
from optillm.server.web.negotiation import wants_page
from optillm.server.web.rendering import page


@views.get("/")
@PAGE
def home() -> Response:
    """The home page for browsers; for everybody else there is nothing here."""
    if not wants_page():
        raise NotFound
    settings, techniques = here().settings, allowed_techniques()
    base_url = own_url(VERSION) or VERSION
    first = FirstRequest.of(settings, [technique["slug"] for technique in techniques])
    return page(
        "home.html",
        base_url=base_url,
        programs=[
            ("curl", first.curl(base_url)),
            ("Python", first.python(base_url)),
            ("JavaScript", first.javascript(base_url)),
        ],
        first=first,
        approach=settings.approach,
        some_model=SOME_MODEL,
        demo=settings.demo == "on",
        upstreams=described_upstreams(),
        techniques=techniques,
        example=example(techniques),
    )


def example(techniques: Sequence[Mapping[str, Any]]) -> str | None:
    """Return an expression that sets an option; `None` if no technique has a number to set."""
    for technique in techniques:
        for name, schema in technique["options"].items():
            if schema.get("type") == "integer":
                return f"{technique['slug']}({name}={2 * schema['default']})"
    return None


def described_upstreams() -> list[dict[str, Any]]:
    """Return the upstreams by name; their addresses and keys only for the operator."""
    settings = here().settings
    open_to_all = not (settings.wants_key or is_loopback(settings.host))
    private = owner() is not None or open_to_all
    own = "demo model" if settings.demo == "on" else "local model" if settings.local else None
    keyless = "none needed" if own else "none" if settings.wants_key else "the client’s own"
    return [
        {
            "name": own or upstream.name,
            "models": ", ".join(upstream.models),
            "address": None if private else masked(upstream.base_url),
            "key": None if private else ("set" if upstream.key else keyless),
        }
        for upstream in settings.upstreams()
    ]
