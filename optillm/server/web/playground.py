"""The playground: one question, several techniques side by side.

All of it happens in the browser, by the API.
"""

from __future__ import annotations

from flask import Response

from optillm.server.access.policy import PAGE
from optillm.server.first_request import FirstRequest
from optillm.server.state import here
from optillm.server.web.blueprint import views
from optillm.server.web.rendering import page


@views.get("/playground")
@PAGE
def playground() -> Response:
    """The playground, with the model that the settings name."""
    state = here()
    return page(
        "playground.html",
        model=FirstRequest.of(state.settings, ()).model or "",
        keeps_traces=state.traces is not None,
    )
