"""What to add to an upstream's refusal when the operator or the client has probably mistyped something."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

from optillm.engine.exchange import CHAT
from optillm.errors import UpstreamError

MISSING: Final = (404, 405)
"""What servers answer where they have no such endpoint."""

_ENDPOINT = re.compile(rf"({CHAT}|/models)$")
_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")


def advised(error: UpstreamError, url: URL) -> UpstreamError:
    """The refusal of a request to this URL, with the base URL that was probably meant, if it was another one."""
    base = _ENDPOINT.sub("", url.path)
    meant = _meant(base)
    # Azure's URLs have no version in their path; and who talks of models has looked for one.
    if error.status not in MISSING or base == url.path or meant is None or "api-version" in url.query:
        return error
    own = error.body()["error"]
    if "model" in str(own["message"]).lower():
        return error
    at, right = (
        str(url.with_user(None).with_path(path).with_query(None)).rstrip("/") for path in (base, meant)
    )
    words = (
        f"{own['message']} (the upstream has no {url.path.removeprefix(base)} at {at}: "
        f"its base URL is probably {right})"
    )
    return UpstreamError(
        words, status=error.status, upstream_body={"error": own | {"message": words}}, headers=error.headers
    )


def _meant(base: str) -> str | None:
    """The path of the base URL that was probably meant; `None` when this one is as usual."""
    whole = _ENDPOINT.sub("", base)
    versions = list(_VERSION.finditer(whole))
    if not versions:
        return f"{whole.rstrip('/')}/v1"
    if len(versions) > 1 and versions[-2][0] == versions[-1][0]:
        whole = whole[: versions[-1].start()] + whole[versions[-1].end() :]
    return whole if whole != base else None
