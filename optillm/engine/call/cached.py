"""The layer that takes replies from the cache, and keeps new ones there.

Whole relays go through the same cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson

from optillm.chat import Relay, Reply, ReplyKind, Usage
from optillm.engine.call.cache import Cache, key_of
from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.negotiation import BundleRefused
from optillm.engine.upstream.replies import read_replies
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.observe.entry import CACHE
from optillm.trace import Trace

HIT: Final = {CACHE: "hit"}

_INCIDENTAL = ("n", "stream", "stream_options")
"""What does not shape a reply, but how many there are and how they come."""
_USEFUL = (ReplyKind.OK, ReplyKind.TRUNCATED)


class Cached:
    """Takes the replies of one request's calls from those kept for `owner` if it can.

    `hits` counts these by role. `address` identifies the upstreams. The first call of a request with some body gets the
    first reply kept for it, the second the second, and so on: samples stay as many and as different as they were.
    """

    def __init__(self, cache: Cache, owner: str | None, address: str, trace: Trace) -> None:
        self.hits = Counter[str]()
        self._cache = cache
        self._owner = owner
        self._address = address
        self._trace = trace
        self._taken = Counter[bytes]()
        self._kept = Counter[bytes]()

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the replies that are kept, and the result of `next` for those that are not.

        A reply that the client watches comes in one piece if it is kept.
        """
        call_key, wanted = self._key_of(call), call.payload.choices
        replies = await self._replies(call, call_key, wanted)
        if len(replies) >= wanted:
            if call.on_text is not None:
                await call.screen(call.show)(replies[0].text)
            return Result(replies, Usage())
        if replies:
            call.payload = call.payload.asking_for(wanted - len(replies))
        try:
            fresh = await next(call)
        except (UpstreamError, BudgetExhausted, BundleRefused):
            if replies:
                return Result(replies, Usage())
            raise
        await self._keep(call_key, fresh.replies)
        return Result([*replies, *fresh.replies], fresh.usage)

    async def _replies(self, call: Call, call_key: bytes, wanted: int) -> list[Reply]:
        first = self._taken[call_key]
        self._taken[call_key] += wanted
        replies: list[Reply] = []
        for index in range(first, first + wanted):
            reply = _read(await self._cache.recall(_numbered(call_key, index)))
            if reply is None:
                break
            replies.append(reply)
        if replies:
            self.hits[call.role] += len(replies)
            self._kept[call_key] = max(self._kept[call_key], first + len(replies))
            with self._trace.call(
                call.role, **{"gen_ai.request.model": call.payload.model, "cached": len(replies)}
            ) as span:
                span.payload, span.judgement, span.replies = call.payload, call.judgement, replies
        return replies

    async def _keep(self, call_key: bytes, replies: Sequence[Reply]) -> None:
        for reply in replies:
            if reply.kind in _USEFUL:
                index = self._kept[call_key]
                self._kept[call_key] += 1
                await self._cache.remember(_numbered(call_key, index), asdict(reply))

    def _key_of(self, call: Call) -> bytes:
        body = call.payload.body
        shaping = {name: value for name, value in body.items() if name not in _INCIDENTAL}
        return key_of(self._address, self._owner, shaping)


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
    """Keep a whole reply that is passed on, if it is a good one.

    Some upstreams say 200 to an error, too.
    """
    if relay.status != 200 or relay.body is None:
        return
    try:
        wire = orjson.loads(relay.body)
        replies = read_replies(wire) if isinstance(wire, Mapping) else []
    except (orjson.JSONDecodeError, UpstreamError):
        return
    if replies and all(reply.kind in _USEFUL for reply in replies):
        await cache.remember(key, relay.body.decode())
