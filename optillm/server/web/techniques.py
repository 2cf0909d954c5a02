"""The page of techniques: what each does and takes, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from optillm.config.values import allowed
from optillm.server.access.policy import PAGE
from optillm.server.api.views import allowed_techniques
from optillm.server.state import here
from optillm.server.web.blueprint import views
from optillm.server.web.home import example
from optillm.server.web.rendering import page


@views.get("/techniques")
@PAGE
def techniques() -> Response:
    """Every technique that the reader may use, in full."""
    settings, allowed_here = here().settings, allowed_techniques()
    described = [
        {
            **technique,
            "options": option_rows(technique["options"], settings.technique_options(technique["slug"])),
        }
        for technique in allowed_here
    ]
    return page("techniques.html", techniques=described, example=example(allowed_here))


def option_rows(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the options of a technique in words, with the defaults that hold on this server."""
    return [
        {
            "name": name,
            "default": default_words(defaults.get(name, schema.get("default"))),
            "values": allowed(schema),
            "description": schema.get("description", ""),
        }
        for name, schema in options.items()
    ]


def default_words(default: object) -> str:
    """Return a default as an expression would have it; a dash if there is none."""
    if default is None:
        return "–"
    return str(default).lower() if isinstance(default, bool) else str(default)
