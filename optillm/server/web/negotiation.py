"""Serve a page or the API at one path, by what the client accepts.

Browsers that navigate say that they want HTML, and nobody else does. Every path of the API is also served without
`/v1`, so `/techniques` is a list for programs and a page for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from flask import Flask, Response, request
from werkzeug.routing import Rule

PAGE: Final = "text/html"
DATA: Final = "application/json"
"""Preferred where a client takes both alike, as curl does with `*/*`."""
HTMX: Final = "HX-Request"
"""The header by which htmx says that it requests a part of a page."""

_VARIABLE = re.compile(r"<[^>]*>")


def wants_page() -> bool:
    """Whether the sender of this request would rather have a page than JSON.

    htmx wants a part of one, whatever it accepts.
    """
    if HTMX in request.headers:
        return True
    return request.accept_mimetypes.best_match([DATA, PAGE], default=DATA) == PAGE


def prefer_data(app: Flask, blueprint: str) -> None:
    """Serve the API at a page's path unless the client wants the page.

    The pages are those of the blueprint with this name. Call it when the application has all its rules, the pages'
    before the API's. Two endpoints of one path must take the same arguments.
    """
    data_rules = _data_rules(app, blueprint)
    paths = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in data_rules}
    paths |= {rule.rule for rule in data_rules.values()}

    def choose() -> None:
        data_rule = data_rules.get(request.endpoint or "")
        if data_rule is not None and not wants_page():
            request.url_rule = data_rule

    def vary(response: Response) -> Response:
        if request.url_rule is not None and request.url_rule.rule in paths:
            response.vary.update(("Accept", HTMX))
        return response

    # Before all others: they ask for the policy of the endpoint that serves.
    app.before_request_funcs.setdefault(None, []).insert(0, choose)
    app.after_request(vary)


def _data_rules(app: Flask, blueprint: str) -> Mapping[str, Rule]:
    """Return the API's rule for each endpoint of a page whose path it shares."""
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    of_pages = {rule.endpoint: _shape(rule) for rule in rules if rule.endpoint.startswith(f"{blueprint}.")}
    of_data = {_shape(rule): rule for rule in rules if rule.endpoint not in of_pages}
    return {endpoint: of_data[shape] for endpoint, shape in of_pages.items() if shape in of_data}


def _shape(rule: Rule) -> str:
    """Return a rule's path without the names of its variable parts."""
    return _VARIABLE.sub("<>", rule.rule)
