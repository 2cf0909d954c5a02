"""What a local server says about itself: how many slots it has, the context of each, and the largest `n`.

llama.cpp reports the first two at `/props`, outside `/v1`. The largest `n` is read from the message with which a call
is refused that asks for 128 choices of one token: hardly any local server has as many slots.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from optillm.engine.local_servers import is_local, root_of
from optillm.engine.upstream import Upstream
from optillm.errors import UpstreamError

MANY: Final = 128
"""The largest `n` that OpenAI accepts."""

_INTEGER = re.compile(r"\d+")


class Line(NamedTuple):
    """One line of a diagnosis: what it is about, the result, and what that means."""

    about: str
    result: str
    meaning: str


async def capacity(upstream: Upstream, model: str, limit: str, patience: float) -> list[Line]:
    """Return what a local upstream says; nothing for other upstreams, and for servers that do not say.

    `limit` is the name of the token limit that the upstream understands. Each of the two calls gets `patience` seconds.
    """
    if not is_local(upstream.base_url):
        return []
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "n": MANY, limit: 1}
    properties, refusal = await asyncio.gather(
        _properties(upstream, patience), _refusal(upstream, body, patience)
    )
    return list(_lines(properties, refusal))


def _lines(properties: Mapping[str, Any], refusal: str) -> Iterator[Line]:
    slots = properties.get("total_slots")
    generation = properties.get("default_generation_settings")
    context = generation.get("n_ctx") if isinstance(generation, Mapping) else None
    if isinstance(slots, int):
        yield Line("slots", str(slots), "calls that run at a time; further ones wait in the server's queue")
    if isinstance(context, int):
        yield Line(
            "context per slot", str(context), "tokens that prompt and reply of a call may have together"
        )
    largest = _largest_n(refusal) or ("slots" in refusal and slots)
    if largest:
        yield Line("largest n", str(largest), f"a call for {MANY} choices was refused")


def _largest_n(refusal: str) -> int | None:
    """Return the largest `n` that a refusal names: the largest number in it below the one that was refused."""
    numbers = (int(digits) for digits in _INTEGER.findall(refusal))
    return max((number for number in numbers if 1 < number < MANY), default=None)


async def _properties(upstream: Upstream, patience: float) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(patience):
            reply = await upstream.relay(
                "GET", f"{root_of(upstream.base_url)}/props", b"", authorization=None
            )
        properties = orjson.loads(reply.body or b"") if reply.status == 200 else {}
    except (UpstreamError, TimeoutError, orjson.JSONDecodeError):
        return {}
    return properties if isinstance(properties, Mapping) else {}


async def _refusal(upstream: Upstream, body: Mapping[str, Any], patience: float) -> str:
    """Return the message with which a call is refused; empty if it is not."""
    try:
        async with asyncio.timeout(patience):
            await upstream.chat(body, None)
    except UpstreamError as error:
        return "" if error.retryable else error.message
    except TimeoutError:
        pass
    return ""
