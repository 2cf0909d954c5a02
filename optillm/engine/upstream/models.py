"""The models a client may ask for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson

from optillm.chat import RawRequest, Relay
from optillm.engine.upstream.errors import refused
from optillm.engine.upstream.routes import Route, Routes
from optillm.errors import UpstreamError
from optillm.toolkit.bounded import BoundedMap

OWNER: Final = "optillm"
"""Who owns the names that stand for techniques: a slug, a dash, a model."""
LISTS: Final = 64
"""Model lists remembered of each upstream for when it is down, one per key that asked."""
PATIENCE: Final = 10.0
"""Seconds one of several upstreams has to list its models; the others' are not to wait for it longer."""

UNLISTED: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
"""Statuses of an upstream that keeps no list of its models."""


class Catalogue:
    """The models of all upstreams, and the names in `advertised`.

    Upstreams that are down are there with their last good lists.
    """

    def __init__(self, routes: Routes, advertised: Sequence[str]) -> None:
        self._routes = routes.all
        self._own = [_model(name, OWNER) for name in advertised]
        self._lists = BoundedMap[tuple[str, str], list[dict[str, Any]]](LISTS * len(self._routes))

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        """Return the model objects, each name once.

        Raises `UpstreamError` when no upstream gives or has given any. One that has been refused the key gives none.
        """
        key = hashlib.sha256((authorization or "").encode()).hexdigest()
        lists = await asyncio.gather(
            *(self._of(route, key, authorization) for route in self._routes), return_exceptions=True
        )
        by_id: dict[str, dict[str, Any]] = {}
        failures = list[UpstreamError]()
        for listed in lists:
            if isinstance(listed, UpstreamError):
                failures.append(listed)
                continue
            if isinstance(listed, BaseException):
                raise listed
            for model in listed:
                by_id.setdefault(str(model.get("id")), model)
        if len(failures) == len(lists):
            raise failures[0]
        return [*by_id.values(), *self._own]

    async def _of(self, route: Route, key: str, authorization: str | None) -> list[dict[str, Any]]:
        """The models to ask one upstream for, by the names that clients use."""
        source = route.name, key
        try:
            async with asyncio.timeout(PATIENCE if len(self._routes) > 1 else None):
                reply = await route.relay(RawRequest("GET", "/models", authorization=authorization))
            if reply.status not in (HTTPStatus.OK, *UNLISTED):
                raise as_error(reply)
            self._lists[source] = _offered(route, listed(reply) if reply.status == HTTPStatus.OK else [])
        except TimeoutError:
            if source not in self._lists:
                raise UpstreamError("the upstream did not list its models in time") from None
        except UpstreamError as error:
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR or source not in self._lists:
                raise
        self._lists.move_to_end(source)
        return self._lists[source]


def as_error(relay: Relay) -> UpstreamError:
    """A relayed refusal, redacted already, as an error of ours."""
    return refused(relay.status, relay.headers, relay.body or b"", lambda content: content)


def listed(relay: Relay) -> list[dict[str, Any]]:
    """Return the model objects of a list of models, in the usual object or bare.

    Whatever has no name is left out.
    """
    try:
        data = orjson.loads(relay.body or b"")
    except orjson.JSONDecodeError:
        return []
    if isinstance(data, dict):
        data = data.get("data") or data.get("models")
    return [model for model in map(_named, data if isinstance(data, list) else ()) if model]


def _named(item: Any) -> dict[str, Any] | None:
    """An item of a list as a model object."""
    if isinstance(item, str):
        return _model(item, "")
    if not isinstance(item, dict):
        return None
    name = item.get("id") or item.get("name") or item.get("model")
    return (
        item if item.get("id") else {**item, "id": name, "object": "model"} if isinstance(name, str) else None
    )


def _offered(route: Route, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if route.transparent:
        return listed
    served = [model for model in listed if route.serves(str(model.get("id")))]
    return [*(_model(name, route.name) for name in route.rename), *served]


def _model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
