"""The owners of stored responses: only the client key that created one may use it.

All keys share one upstream account, which does not tell them apart. `/v1/responses` is the only endpoint passed
through whose results the upstream stores. As a response passes, its id and those of its output items, to which later
requests may refer, are recorded with their key in the store of counters. An id that was never recorded belongs to
nobody. With fewer than two keys nothing is recorded or checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from optillm.chat import RawRequest, Relay
from optillm.config.values import masked
from optillm.errors import NotCounted, NotFound
from optillm.server.api.wire import read_object
from optillm.server.bridge import in_thread
from optillm.stores import StoreDown

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.server.access.store import Store

RESPONSES: Final = "responses"
TASKS: Final = frozenset({"compact", "input_tokens"})
"""Path segments that stand where an id would, but are not ids."""
LONGEST_LINE: Final = 2**22
"""The most bytes of one stream event that are searched for ids."""
RESPONSE_FIELD: Final = b'"response"'
"""The field by which an event that holds a response is recognised."""

_FIRST_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([^"\\]+)"')

log = logging.getLogger(__name__)


class Owners:
    """The record of which key created what; `store` opens it when first needed."""

    def __init__(self, store: Callable[[], Store], *, keys: int) -> None:
        self._open = store
        self._several_keys = keys > 1
        self._lock = threading.Lock()
        self._opened: Store | None = None

    @classmethod
    def of(cls, settings: Settings) -> Owners:
        """Return the record for the keys in the settings."""
        return cls(lambda: _store(settings), keys=len(settings.client_keys.clients))

    def check(self, request: RawRequest) -> None:
        """Raise `NotFound` if a request names an id that its key did not create.

        Call it within a `GreenletTask`, as it waits for the store.
        """
        owner = self._owner(request)
        if owner:
            in_thread(self._check, owner, request)

    def record(self, request: RawRequest, relay: Relay) -> Relay:
        """Return the reply, whose ids are recorded before they reach the client.

        Call it within a `GreenletTask`, as it waits for the store.
        """
        owner = self._owner(request)
        if not owner or request.method != "POST" or not 200 <= relay.status < 300:
            return relay
        if relay.chunks is not None:
            return replace(relay, chunks=self._recording(relay.chunks, owner))
        ids = list(_created_ids(_json(relay.body or b"")))
        if ids:
            in_thread(self._record, owner, ids)
        return relay

    def _owner(self, request: RawRequest) -> str:
        """Return the digest of the key that must own the request's ids; empty: none is checked."""
        checked = self._several_keys and _segments(request)[0] == RESPONSES
        return request.grant.key_digest if checked else ""

    @property
    def _store(self) -> Store:
        with self._lock:
            self._opened = self._opened or self._open()
            return self._opened

    def _check(self, owner: str, request: RawRequest) -> None:
        # Read strictly: of two fields with the same name, the upstream might use the other one.
        body = read_object(request.content) if request.content else {}
        try:
            for object_id in dict.fromkeys([*_ids_in_path(request), *_ids_in_body(body)]):
                if not self._store.value(_counter(owner, object_id)):
                    raise NotFound(f"There is no object with the id {object_id!r}", code="not_found")
        except StoreDown as error:
            log.warning("Cannot check which key created a response: %s", error)
            raise NotCounted(
                "Which key created this response cannot be checked at the moment; try again",
                headers={"Retry-After": "1"},
            ) from None

    def _record(self, owner: str, ids: list[str]) -> None:
        try:
            for object_id in ids:
                self._store.keep(_counter(owner, object_id))
        except StoreDown as error:
            log.warning("The id of a new response was not recorded, so nobody can use it again: %s", error)

    async def _recording(self, chunks: AsyncIterator[bytes], owner: str) -> AsyncGenerator[bytes, None]:
        """Yield the parts of a stream, each after its ids have been recorded."""
        rest, first = b"", True
        async with aclosing(_closable(chunks)) as parts:
            async for part in parts:
                *lines, rest = (rest + part).split(b"\n")
                rest = rest if len(rest) <= LONGEST_LINE else b""
                ids = [object_id for line in lines for object_id in _created_ids(_event(line))]
                if first and (match := _FIRST_ID.match(part)):  # a whole reply, too long for one piece
                    ids.append(match[1].decode(errors="replace"))
                first = False
                if ids:
                    await asyncio.to_thread(self._record, owner, ids)
                yield part


async def _closable(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        async for part in chunks:
            yield part
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _segments(request: RawRequest) -> list[str]:
    return request.path.partition("?")[0].strip("/").split("/")


def _ids_in_path(request: RawRequest) -> Iterator[str]:
    _, *rest = _segments(request)
    if rest and not (request.method == "POST" and rest[0] in TASKS and len(rest) == 1):
        yield rest[0]


def _ids_in_body(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids in a request's body that refer to objects stored upstream."""
    yield from _texts(body.get("previous_response_id"))
    conversation = body.get("conversation")
    yield from _texts(conversation.get("id") if isinstance(conversation, Mapping) else conversation)
    for tool in _objects(body.get("tools")):
        yield from _texts(tool.get("container"))
    for item in _objects(body.get("input")):
        # Messages and function calls carry their own content; any other item may be a mere reference by its id.
        self_contained = item.get("type") != "item_reference" and ("role" in item or "call_id" in item)
        if not self_contained:
            yield from _texts(item.get("id"))


def _created_ids(response: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids that the upstream, and no client, chose for a response and its output."""
    yield from _texts(response.get("id"))
    for item in _objects(response.get("output")):
        yield from _texts(item.get("id"))
        yield from _texts(item.get("container_id"))


def _event(line: bytes) -> Mapping[str, Any]:
    """Return the response that a stream event holds; empty if it holds none."""
    if not line.startswith(b"data:") or RESPONSE_FIELD not in line:
        return {}
    response = _json(line.removeprefix(b"data:")).get("response")
    return response if isinstance(response, Mapping) else {}


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else iter(())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value


def _counter(owner: str, object_id: str) -> str:
    return f"made/{hashlib.sha256(f'{owner}/{object_id}'.encode()).hexdigest()}"


def _store(settings: Settings) -> Store:
    from optillm.server.access.store import (  # not paid for by those who keep nothing
        FileStorage,
        Store,
        open_storage,
    )

    try:
        location = settings.counters
    except ValueError as error:
        log.warning(
            "The store is unusable, so only this process knows which key created which response: %s",
            masked(str(error)),
        )
        return Store(lambda: FileStorage(None))
    return Store(lambda: open_storage(location))
