"""Responses that an upstream keeps are for the client key that made them; any other is told that there are none.

All keys share the upstream's account, which does not tell them apart. `/v1/responses` is the only endpoint passed on
whose results stay there. Their ids are noted as they come by, with the key they belong to, in the store of counters,
and so are those of their output, to which later requests may refer. An id that was never noted belongs to nobody.
A server with one key, or none, has nobody to keep apart.
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
from optillm.engine.portal import aside
from optillm.errors import NotCounted, NotFound
from optillm.server.accounts import StoreDown
from optillm.server.wire import read_object
from optillm.values import masked

if TYPE_CHECKING:
    from optillm.config import Settings
    from optillm.server.counters import Store

RESPONSES: Final = "responses"
TASKS: Final = frozenset({"compact", "input_tokens"})
"""What stands in the place of an id and is none."""
LONGEST_LINE: Final = 2**22
"""Bytes of one event of a stream in which ids are looked for."""
HOLDER: Final = b'"response"'
"""What the events say that hold a response."""

_FIRST_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([^"\\]+)"')

log = logging.getLogger(__name__)


class Owners:
    """Which client key has made what; `store` opens the place where that is kept, when first needed."""

    def __init__(self, store: Callable[[], Store], *, keys: int) -> None:
        self._open = store
        self._apart = keys > 1
        self._lock = threading.Lock()
        self._opened: Store | None = None

    @classmethod
    def of(cls, settings: Settings) -> Owners:
        """The owners that the settings' keys are."""
        return cls(lambda: _store(settings), keys=len(settings.client_keys.clients))

    def check(self, request: RawRequest) -> None:
        """Raise `NotFound` for an id in a request that its key has not made; is for a `Visit`."""
        owner = self._owner(request)
        if owner:
            aside(self._check, owner, request)

    def noted(self, request: RawRequest, relay: Relay) -> Relay:
        """The reply to a request, its ids noted before they reach the client; is for a `Visit`."""
        owner = self._owner(request)
        if not owner or request.method != "POST" or not 200 <= relay.status < 300:
            return relay
        if relay.chunks is not None:
            return replace(relay, chunks=self._noting(relay.chunks, owner))
        names = list(_made(_json(relay.body or b"")))
        if names:
            aside(self._note, owner, names)
        return relay

    def _owner(self, request: RawRequest) -> str:
        """The key whose ids count in this request; empty where none do."""
        kept = self._apart and _segments(request)[0] == RESPONSES
        return request.grant.key_digest if kept else ""

    @property
    def _store(self) -> Store:
        with self._lock:
            self._opened = self._opened or self._open()
            return self._opened

    def _check(self, owner: str, request: RawRequest) -> None:
        # Strictly read: of two equal fields the upstream may take the other one.
        body = read_object(request.content) if request.content else {}
        try:
            for name in dict.fromkeys([*_in_path(request), *_in_body(body)]):
                if not self._store.value(_counter(owner, name)):
                    raise NotFound(f"There is no {name!r} here", code="not_found")
        except StoreDown as error:
            log.warning("Whose response it is cannot be told: %s", error)
            raise NotCounted(
                "Whose response this is cannot be told at the moment", headers={"Retry-After": "1"}
            ) from None

    def _note(self, owner: str, names: list[str]) -> None:
        try:
            for name in names:
                self._store.keep(_counter(owner, name))
        except StoreDown as error:
            log.warning("A response was made and cannot be asked for again: %s", error)

    async def _noting(self, chunks: AsyncIterator[bytes], owner: str) -> AsyncGenerator[bytes, None]:
        """The parts of a stream, each after its ids have been noted."""
        rest, first = b"", True
        async with aclosing(_closable(chunks)) as parts:
            async for part in parts:
                *lines, rest = (rest + part).split(b"\n")
                rest = rest if len(rest) <= LONGEST_LINE else b""
                names = [name for line in lines for name in _made(_event(line))]
                if first and (match := _FIRST_ID.match(part)):  # a whole reply that is too long for one piece
                    names.append(match[1].decode(errors="replace"))
                first = False
                if names:
                    await asyncio.to_thread(self._note, owner, names)
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


def _in_path(request: RawRequest) -> Iterator[str]:
    _, *rest = _segments(request)
    if rest and not (request.method == "POST" and rest[0] in TASKS and len(rest) == 1):
        yield rest[0]


def _in_body(body: Mapping[str, Any]) -> Iterator[str]:
    """The ids in a request's body that stand for something kept, which the upstream would put in their place."""
    yield from _texts(body.get("previous_response_id"))
    conversation = body.get("conversation")
    yield from _texts(conversation.get("id") if isinstance(conversation, Mapping) else conversation)
    for tool in _objects(body.get("tools")):
        yield from _texts(tool.get("container"))
    for item in _objects(body.get("input")):
        # A message says what it is about, and so does a call of a function; anything else is known by its id alone.
        says_all = item.get("type") != "item_reference" and ("role" in item or "call_id" in item)
        if not says_all:
            yield from _texts(item.get("id"))


def _made(response: Mapping[str, Any]) -> Iterator[str]:
    """The ids of a response and of what it holds: all that the upstream has given, and no client could have chosen."""
    yield from _texts(response.get("id"))
    for item in _objects(response.get("output")):
        yield from _texts(item.get("id"))
        yield from _texts(item.get("container_id"))


def _event(line: bytes) -> Mapping[str, Any]:
    """The response that an event of a stream tells of; empty for most."""
    if not line.startswith(b"data:") or HOLDER not in line:
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


def _counter(owner: str, name: str) -> str:
    return f"made/{hashlib.sha256(f'{owner}/{name}'.encode()).hexdigest()}"


def _store(settings: Settings) -> Store:
    from optillm.server.counters import (  # not paid for by those who keep nothing
        FileStorage,
        Store,
        open_storage,
    )

    try:
        place = settings.counters
    except ValueError as error:
        log.warning("Only this process knows which key has made which response: %s", masked(str(error)))
        return Store(lambda: FileStorage(None))
    return Store(lambda: open_storage(place))
