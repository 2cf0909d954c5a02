"""A hint to add to an upstream's 404 when the configured base URL is probably wrong."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from yarl import URL

from optillm.chat import CHAT
from optillm.errors import UpstreamError

MISSING: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""Statuses of servers that do not have the endpoint."""

_ENDPOINT = re.compile(rf"({CHAT}|/models)$")
_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")


def advised(error: UpstreamError, url: URL) -> UpstreamError:
    """Return the error of a request to this URL, with a hint if its base URL looks wrong."""
    base = _ENDPOINT.sub("", url.path)
    likely_base = _likely_base(base)
    # Azure's URLs have no version in their path, and an error about a model comes from the right endpoint.
    if error.status not in MISSING or base == url.path or likely_base is None or "api-version" in url.query:
        return error
    details = error.body()["error"]
    if "model" in str(details["message"]).lower():
        return error
    configured, likely = (
        str(url.with_user(None).with_path(path).with_query(None)).rstrip("/") for path in (base, likely_base)
    )
    message = (
        f"{details['message']} (the upstream has no {url.path.removeprefix(base)} at {configured}: "
        f"its base URL is probably {likely})"
    )
    return UpstreamError(
        message,
        status=error.status,
        upstream_body={"error": details | {"message": message}},
        headers=error.headers,
    )


def _likely_base(base: str) -> str | None:
    """Return the path of the base URL that was probably meant; `None` if this one looks right."""
    whole = _ENDPOINT.sub("", base)
    versions = list(_VERSION.finditer(whole))
    if not versions:
        return f"{whole.rstrip('/')}/v1"
    if len(versions) > 1 and versions[-2][0] == versions[-1][0]:
        whole = whole[: versions[-1].start()] + whole[versions[-1].end() :]
    return whole if whole != base else None
