"""The page of techniques: what each does and takes, and its options."""

from __future__ import annotations

from typing import Any

from flask import Response

from optillm.config.values import allowed
from optillm.server.access.policy import PAGE
from optillm.server.api.views import allowed_techniques
from optillm.server.web.blueprint import views
from optillm.server.web.rendering import page


@views.get("/techniques")
@PAGE
def techniques() -> Response:
    """Every technique that the reader may use, in full."""
    described = [
        {**technique, "options": option_rows(technique["options"])} for technique in allowed_techniques()
    ]
    return page("techniques.html", techniques=described)


def option_rows(options: dict[str, Any]) -> list[dict[str, str]]:
    """Return the options of a technique as words: name, default, values, meaning."""
    return [
        {
            "name": name,
            "default": default_words(schema.get("default")),
            "values": allowed(schema),
            "description": schema.get("description", ""),
        }
        for name, schema in options.items()
    ]


def default_words(default: object) -> str:
    """Return a default as an expression would have it; a dash if there is none."""
    return "–" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
