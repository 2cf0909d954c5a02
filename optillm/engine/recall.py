"""Calls that were made before and need not be made again: the cache as one request sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson

from optillm.chat import Relay, Reply, ReplyKind
from optillm.engine.assembly import read_replies
from optillm.engine.bodies import Payload
from optillm.engine.cache import Cache, key_of
from optillm.engine.calls import Calls, Emit
from optillm.errors import BudgetExhausted, UpstreamError

HIT: Final = {"x-optillm-cache": "hit"}

_ASIDE = ("n", "stream", "stream_options")
"""What does not shape a reply, but how many there are and how they come."""
_USEFUL = (ReplyKind.OK, ReplyKind.TRUNCATED)


class CachedCalls(Calls):
    """Calls whose replies are kept for `owner`, and taken from there when they are; `hits` counts these by role.

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

    async def complete(self, role: str, payload: Payload) -> list[Reply]:
        """See `Calls.complete`; only what is not known is asked for."""
        wanted, body = payload.choices, payload.body
        known = await self._known(role, body, wanted)
        if len(known) >= wanted:
            return known
        try:
            fresh = await super().complete(role, payload.asking_for(wanted - len(known)))
        except (UpstreamError, BudgetExhausted):
            if known:
                return known
            raise
        await self._keep(body, fresh)
        return [*known, *fresh]

    async def stream(
        self, role: str, payload: Payload, show: Emit, gate: Callable[[Emit], Emit] = lambda emit: emit
    ) -> Reply:
        """See `Calls.stream`; what is known comes in one piece."""
        body = payload.body
        known = await self._known(role, body, 1)
        if known:
            await gate(show)(known[0].text)
            return known[0]
        reply = await super().stream(role, payload, show, gate)
        await self._keep(body, [reply])
        return reply

    async def _known(self, role: str, body: Mapping[str, Any], wanted: int) -> list[Reply]:
        nature = self._nature(body)
        first = self._taken[nature]
        self._taken[nature] += wanted
        found: list[Reply] = []
        for place in range(first, first + wanted):
            reply = _read(await self._cache.recall(_at(nature, place)))
            if reply is None:
                break
            found.append(reply)
        if found:
            self.hits[role] += len(found)
            self._kept[nature] = max(self._kept[nature], first + len(found))
            with self.trace.call(role, **{"gen_ai.request.model": body["model"], "cached": len(found)}):
                pass
        return found

    async def _keep(self, body: Mapping[str, Any], replies: Sequence[Reply]) -> None:
        nature = self._nature(body)
        for reply in replies:
            if reply.kind in _USEFUL:
                place = self._kept[nature]
                self._kept[nature] += 1
                await self._cache.remember(_at(nature, place), asdict(reply))

    def _nature(self, body: Mapping[str, Any]) -> bytes:
        shaping = {key: value for key, value in body.items() if key not in _ASIDE}
        return key_of(self.routes.address, self._owner, shaping)


def _at(nature: bytes, place: int) -> bytes:
    return nature + place.to_bytes(4, "big")


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
