"""Sign in with a key, and out again."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Response, request

from optillm.errors import OptillmError, RateLimited, Unauthorized
from optillm.server.access.guard import signed_in
from optillm.server.access.origins import is_https, refuse_forgeries
from optillm.server.access.policy import OPEN_PAGE
from optillm.server.access.sessions import COOKIE, SECONDS
from optillm.server.state import here
from optillm.server.web.blueprint import views
from optillm.server.web.rendering import led_to, page

START: Final = "/"
LARGEST_FORM: Final = 2**14  # bytes
ELSEWHERE: Final = ("cross-site", "same-site")
"""What browsers say in `Sec-Fetch-Site` of a link from another site; they then keep a strict cookie back."""

_LOCAL_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path and query, in printable ASCII without backslashes, which browsers take for slashes."""


@views.get("/sign-in")
@OPEN_PAGE
def sign_in() -> Response:
    """The form that takes a key; whoever needs none goes on."""
    target = local_path(request.args.get("next", ""))
    if not here().accounts.keys.clients or signed_in() is not None:
        return led_to(target)
    return _form(target, elsewhere=request.headers.get("Sec-Fetch-Site") in ELSEWHERE)


@views.post("/sign-in")
@OPEN_PAGE
def open_session() -> Response:
    """Take a key from the form and open a session with it."""
    refuse_forgeries()
    state = here()
    request.max_content_length = LARGEST_FORM
    target = local_path(request.form.get("next", ""))
    if not state.accounts.keys.clients:
        return led_to(target)
    try:
        client = state.authenticator.client(request.form.get("key", "").strip().encode())
    except (Unauthorized, RateLimited) as error:
        return _form(target, error)
    response = led_to(target)
    token = state.sessions.begin(client)
    response.set_cookie(COOKIE, token, max_age=SECONDS, secure=is_https(), httponly=True, samesite="Strict")
    return response


@views.post("/sign-out")
@OPEN_PAGE
def sign_out() -> Response:
    """Have the browser forget its session."""
    refuse_forgeries()
    response = led_to("/sign-in")
    response.delete_cookie(COOKIE, secure=is_https(), httponly=True, samesite="Strict")
    return response


def local_path(target: str) -> str:
    """Return where to go after signing in: a path of this server, or its start page."""
    return target if _LOCAL_PATH.fullmatch(target) else START


def _form(target: str, problem: OptillmError | None = None, *, elsewhere: bool = False) -> Response:
    """Return the form.

    `elsewhere`: somebody has followed a link on another site, and may have a session. So their browser tries once more.
    """
    values: dict[str, Any] = {"next": target, "elsewhere": elsewhere, "hours": SECONDS // 3600}
    if problem is None:
        return page("sign_in.html", **values)
    words = "This key is not valid here" if isinstance(problem, Unauthorized) else problem.message
    response = page("sign_in.html", problem.status, problem=words, **values)
    response.headers.update(problem.headers)
    return response
