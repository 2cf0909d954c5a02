"""Calls that were made before and need not be made again: the cache as one request sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson

from optillm.chat import Relay, Reply, ReplyKind
from optillm.engine.call.cache import Cache, key_of
from optillm.engine.call.calls import Calls, Condition, Emit
from optillm.engine.run.payloads import Payload
from optillm.engine.upstream.replies import read_replies
from optillm.errors import BudgetExhausted, UpstreamError

HIT: Final = {"x-optillm-cache": "hit"}

_ASIDE = ("n", "stream", "stream_options")
"""What does not shape a reply, but how many there are and how they come."""
_USEFUL = (ReplyKind.OK, ReplyKind.TRUNCATED)


class CachedCalls(Calls):
    """Calls that take their replies from the cache of `owner` if they can.

    New replies are kept there; `hits` counts the cached replies by role.

    The first call of a request with some body gets the first reply kept for it, the second the second, and so on:
    samples stay as many and as different as they were.
    """

    def __init__(self, cache: Cache, owner: str | None, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._owner = owner
        self.hits: Counter[str] = Counter()
        self._cache = cache
        self._taken: Counter[bytes] = Counter()
        self._kept: Counter[bytes] = Counter()

    async def complete(self, role: str, payload: Payload, until: Condition | None = None) -> list[Reply]:
        """See `Calls.complete`; only replies that are not in the cache are requested."""
        wanted, body = payload.choices, payload.body
        cached = await self._cached(role, body, wanted)
        if len(cached) >= wanted:
            return cached
        try:
            fresh = await super().complete(role, payload.asking_for(wanted - len(cached)), until)
        except (UpstreamError, BudgetExhausted):
            if cached:
                return cached
            raise
        await self._keep(body, fresh)
        return [*cached, *fresh]

    async def stream(
        self, role: str, payload: Payload, show: Emit, gate: Callable[[Emit], Emit] = lambda emit: emit
    ) -> Reply:
        """See `Calls.stream`; a cached reply comes in one piece."""
        body = payload.body
        cached = await self._cached(role, body, 1)
        if cached:
            await gate(show)(cached[0].text)
            return cached[0]
        reply = await super().stream(role, payload, show, gate)
        await self._keep(body, [reply])
        return reply

    async def _cached(self, role: str, body: Mapping[str, Any], wanted: int) -> list[Reply]:
        call_key = self._call_key(body)
        first = self._taken[call_key]
        self._taken[call_key] += wanted
        replies: list[Reply] = []
        for index in range(first, first + wanted):
            reply = _read(await self._cache.recall(_numbered(call_key, index)))
            if reply is None:
                break
            replies.append(reply)
        if replies:
            self.hits[role] += len(replies)
            self._kept[call_key] = max(self._kept[call_key], first + len(replies))
            with self.trace.call(role, **{"gen_ai.request.model": body["model"], "cached": len(replies)}):
                pass
        return replies

    async def _keep(self, body: Mapping[str, Any], replies: Sequence[Reply]) -> None:
        call_key = self._call_key(body)
        for reply in replies:
            if reply.kind in _USEFUL:
                index = self._kept[call_key]
                self._kept[call_key] += 1
                await self._cache.remember(_numbered(call_key, index), asdict(reply))

    def _call_key(self, body: Mapping[str, Any]) -> bytes:
        shaping = {key: value for key, value in body.items() if key not in _ASIDE}
        return key_of(self.routes.address, self._owner, shaping)


def _numbered(call_key: bytes, index: int) -> bytes:
    return call_key + index.to_bytes(4, "big")


def _read(kept: Any) -> Reply | None:
    """A reply as it was kept, `None` when that was done by a release with another idea of one."""
    try:
        return Reply(**kept)
    except TypeError:
        return None


async def recalled(cache: Cache, key: bytes) -> Relay | None:
    """A whole reply that was passed on before."""
    kept = await cache.recall(key)
    return (
        None
        if not isinstance(kept, str)
        else Relay(200, {"content-type": "application/json", **HIT}, kept.encode())
    )


async def remembered(cache: Cache, key: bytes, relay: Relay) -> None:
    """Keep a whole reply that is passed on, if it is a good one: some upstreams say 200 to an error, too."""
    if relay.status != 200 or relay.body is None:
        return
    try:
        wire = orjson.loads(relay.body)
        replies = read_replies(wire) if isinstance(wire, Mapping) else []
    except (orjson.JSONDecodeError, UpstreamError):
        return
    if replies and all(reply.kind in _USEFUL for reply in replies):
        await cache.remember(key, relay.body.decode())
