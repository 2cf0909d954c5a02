"""The models a client may ask for."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import orjson

from optillm.chat import Relay
from optillm.engine.upstream import Upstream
from optillm.errors import UpstreamError

OWNER: Final = "optillm"
"""Who owns the names that stand for techniques: a slug, a dash, a model."""
LISTS: Final = 64
"""Model lists remembered for when the upstream is down, one per key that asked."""


class Catalogue:
    """The upstream's models, or its last good list while it is down, and the names in `advertised`."""

    def __init__(self, upstream: Upstream, advertised: Sequence[str]) -> None:
        self._upstream = upstream
        self._own = [{"id": name, "object": "model", "created": 0, "owned_by": OWNER} for name in advertised]
        self._lists: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        """The model objects; raises `UpstreamError` when the key is refused, or nothing is known."""
        key = hashlib.sha256((authorization or "").encode()).hexdigest()
        try:
            reply = await self._upstream.relay("GET", "/models", b"", authorization=authorization)
            if reply.status != 200:
                raise as_error(reply)
            self._lists[key] = _listed(reply)
        except UpstreamError as error:
            if error.status < 500 or key not in self._lists:
                raise
        self._lists.move_to_end(key)
        while len(self._lists) > LISTS:
            self._lists.popitem(last=False)
        return [*self._lists[key], *self._own]


def as_error(relay: Relay) -> UpstreamError:
    """A relayed refusal as an error of ours."""
    try:
        body = orjson.loads(relay.body or b"")
    except orjson.JSONDecodeError:
        body = None
    body = body if isinstance(body, dict) else None
    return UpstreamError(
        f"the upstream answered with status {relay.status}", status=relay.status, upstream_body=body
    )


def _listed(relay: Relay) -> list[dict[str, Any]]:
    try:
        data = orjson.loads(relay.body or b"").get("data")
    except (orjson.JSONDecodeError, AttributeError):
        data = None
    return [model for model in data if isinstance(model, dict)] if isinstance(data, list) else []
