"""Model servers on the operator's machines: llama.cpp, Ollama, LM Studio, vLLM and others.

They differ from hosted ones in what limits them. A hosted upstream refuses excess calls with a 429; a local server
has a few slots, queues every call beyond them, and refuses none. A call whose client has left frees its slot only if
it is a stream: llama.cpp generates a whole reply to its end even when the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from yarl import URL

from optillm.chat import RawRequest
from optillm.engine.upstream.proxies import is_private

if TYPE_CHECKING:
    from optillm.engine.upstream.client import Upstream

SECONDS: Final = 10.0
"""How long a server may take to say how many slots it has: busy ones answer late, and no call waits for this."""
MOST_SLOTS: Final = 10_000

NAMED_LOCALLY: Final = (".local", ".internal", ".lan", ".home.arpa", ".svc.cluster.local")
"""Endings of host names that only a private network resolves."""


def is_local(base_url: str) -> bool:
    """Return whether an address belongs to this machine or to a private network.

    No name is looked up. A name without a dot is taken for one of a private network: a container, or another machine in
    it.
    """
    host = (URL(base_url).host or "").rstrip(".").lower()
    if not host:
        return False
    return is_private(host) or ("." not in host and ":" not in host) or host.endswith(NAMED_LOCALLY)


def root_of(base_url: str) -> str:
    """Return the address of the server itself, without the `/v1` of OpenAI's protocol."""
    return base_url.rstrip("/").removesuffix("/v1")


class Properties(NamedTuple):
    """What a server says about itself: its `slots`, and the `context` of each in tokens."""

    slots: int | None = None
    context: int | None = None


async def read_properties(
    upstream: Upstream, authorization: str | None = None, seconds: float = SECONDS
) -> Properties:
    """Return what a server reports at `/props`, as llama.cpp does.

    That is nothing if it has something else there. Raises `UpstreamError` or `TimeoutError` if it does not answer
    within these seconds.
    """
    async with asyncio.timeout(seconds):
        path = f"{root_of(upstream.base_url)}/props"
        reply = await upstream.relay(RawRequest("GET", path, authorization=authorization))
    try:
        wire = orjson.loads(reply.body or b"") if reply.status == HTTPStatus.OK else {}
    except orjson.JSONDecodeError:
        wire = {}
    properties = wire if isinstance(wire, Mapping) else {}
    generation = properties.get("default_generation_settings")
    slots = _count(properties.get("total_slots"))
    context = _count(generation.get("n_ctx")) if isinstance(generation, Mapping) else None
    return Properties(slots if slots is None or slots <= MOST_SLOTS else None, context)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
