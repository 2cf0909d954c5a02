"""What a server on this machine or network says about itself: its slots, the context of each, its bound of `n`.

llama.cpp tells the first two at `/props`, beside the API and not below it. The bound is read in the words of a refusal:
of one call that asks for more choices than any such server has slots, and for one token of each.
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
"""OpenAI's bound of `n`."""

_INTEGER = re.compile(r"\d+")


class Line(NamedTuple):
    """One line of a diagnosis: what it is about, the result, and what that means."""

    about: str
    result: str
    meaning: str


async def capacity(upstream: Upstream, model: str, limit: str, patience: float) -> list[Line]:
    """Return what a local upstream says; nothing from another, or from a server that does not say.

    `limit` is the name of the token limit that it understands. Each of the two calls gets `patience` seconds.
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
        yield Line(
            "slots", str(slots), "so many calls run at a time, further ones wait in the server's queue"
        )
    if isinstance(context, int):
        yield Line(
            "context per slot", str(context), "tokens that the prompt and the reply of a call may have"
        )
    bound = _bound(refusal) or ("slots" in refusal and slots)
    if bound:
        yield Line("largest n", str(bound), f"a call for {MANY} choices was refused")


def _bound(refusal: str) -> int | None:
    """Return the bound of `n` in the words of a refusal: the largest number that is less than what was refused."""
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
    """Return the words in which a call is refused; empty if it is not."""
    try:
        async with asyncio.timeout(patience):
            await upstream.chat(body, None)
    except UpstreamError as error:
        return "" if error.retryable else error.message
    except TimeoutError:
        pass
    return ""
