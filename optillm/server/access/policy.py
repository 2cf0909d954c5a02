"""What each endpoint needs: declared at its registration, closed where nothing is declared.

    @views.get("/v1/things")
    @Policy(spending=False)
    def things() -> Response: ...

Authentication, budgets, metrics, the HTTP server and the browsers' headers all ask here. Every URL of an endpoint
shares its policy, so that no way of writing a path leads around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from flask import Flask, current_app, request

VERSION: Final = "/v1"
"""What the paths of the API begin with."""
NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""The Content-Security-Policy of what is no page, even if it should come as HTML."""
OWN_PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a page of this server: its own files, and nothing that the page itself contains."""
DECLARED: Final = "optillm_policy"
"""The attribute of a view function that holds its policy."""

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an endpoint needs.

    An instance decorates its view function, below the decorator that registers it. `authenticated`: a client key is
    needed, if the server has any. `counted`: a request counts against the rate of its key. `spending`: it may cost
    something upstream, so it is bounded by its key's daily budget and holds a part of it. `measured`: the metrics of
    requests and responses include it. `vital`: it is served however busy the server is. `page`: people look
    at it, so that whoever has no key is led to where they can sign in, and errors are pages, too. `content_security`
    is the Content-Security-Policy of its replies.

    Raises `ValueError` for an endpoint that asks for no key and yet counts or spends: there is no key to charge.
    """

    authenticated: bool = True
    counted: bool = True
    spending: bool = True
    measured: bool = True
    vital: bool = False
    page: bool = False
    content_security: str = NO_PAGE

    def __post_init__(self) -> None:
        if not self.authenticated and (self.counted or self.spending):
            raise ValueError("an endpoint that asks for no key has none to count by or to spend from")
        if self.spending and not self.counted:
            raise ValueError("an endpoint that spends is counted")

    def __call__(self, view: View) -> View:
        """Declare this policy for a view function."""
        setattr(view, DECLARED, self)
        return view


CLOSED: Final = Policy()
"""The policy of an endpoint that declares none."""
UNMATCHED: Final = Policy(counted=False, spending=False)
"""The policy of a request to a path of the API that leads to no endpoint, or not with this method."""
ASTRAY: Final = Policy(counted=False, spending=False, measured=False)
"""The same for any other path: metrics are of the API, and not of what scanners try."""
READING: Final = Policy(counted=False, spending=False, measured=False)
"""The policy of what only deals with what is kept here: it takes nothing from a key's limits."""
PAGE: Final = replace(READING, page=True, content_security=OWN_PAGE)
"""The policy of a page."""
OPEN_PAGE: Final = replace(PAGE, authenticated=False)
"""The policy of a page that needs no key."""


def declared_policy(app: Flask, endpoint: str) -> Policy | None:
    """Return the policy that an endpoint declares; `None` if it declares none."""
    policy: Policy | None = getattr(app.view_functions.get(endpoint), DECLARED, None)
    return policy


def current_policy() -> Policy:
    """Return the policy for the request being served."""
    if request.endpoint is not None:
        return declared_policy(current_app, request.endpoint) or CLOSED
    return UNMATCHED if request.path.startswith(f"{VERSION}/") else ASTRAY


def vital_paths(app: Flask) -> frozenset[str]:
    """Return the paths of all vital endpoints, to tell them before a request is routed.

    Raises `ValueError` if such a path has variable parts.
    """
    rules = [
        rule for rule in app.url_map.iter_rules() if (declared_policy(app, rule.endpoint) or CLOSED).vital
    ]
    for rule in rules:
        if rule.arguments:
            raise ValueError(f"{rule.rule} is vital, so it cannot have variable parts")
    return frozenset(rule.rule for rule in rules)
