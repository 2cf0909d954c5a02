"""Model servers on the operator's own machines: llama.cpp, Ollama, LM Studio, vLLM and their like.

They differ from hosted ones in what limits them. A hosted upstream refuses excess calls with a 429; a local server
has a few slots, queues every call beyond them, and refuses none. A call whose client has left frees its slot only if
it is a stream: llama.cpp generates a whole reply to its end even when the connection is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import orjson
from yarl import URL

from optillm.engine.proxies import is_private

if TYPE_CHECKING:
    from optillm.engine.upstream import Upstream

SECONDS: Final = 10.0
"""How long a server may take to say how many slots it has: busy ones answer late, and no call waits for this."""
MOST_SLOTS: Final = 10_000

NAMED_LOCALLY: Final = (".local", ".internal", ".lan", ".home.arpa", ".svc.cluster.local")
"""Endings of host names that only a private network resolves."""


def is_local(base_url: str) -> bool:
    """Return whether an address belongs to this machine or to a private network; no name is looked up.

    A name without a dot is taken for one of a private network: a container, or another machine in it.
    """
    host = (URL(base_url).host or "").rstrip(".").lower()
    if not host:
        return False
    return is_private(host) or ("." not in host and ":" not in host) or host.endswith(NAMED_LOCALLY)


def root_of(base_url: str) -> str:
    """Return the address of the server itself, without the `/v1` under which it speaks OpenAI's protocol."""
    return base_url.rstrip("/").removesuffix("/v1")


async def read_slots(upstream: Upstream, authorization: str | None) -> int | None:
    """Return how many replies a server generates at a time, if it says so as llama.cpp does; `None` if not.

    Raises `UpstreamError` or `TimeoutError` if the server does not answer.
    """
    async with asyncio.timeout(SECONDS):
        reply = await upstream.relay(
            "GET", f"{root_of(upstream.base_url)}/props", b"", authorization=authorization
        )
    try:
        slots = orjson.loads(reply.body or b"").get("total_slots") if reply.status == 200 else None
    except (orjson.JSONDecodeError, AttributeError):  # other servers may have anything at this address
        return None
    return slots if isinstance(slots, int) and 0 < slots <= MOST_SLOTS else None
