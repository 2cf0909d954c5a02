"""What a local server says about itself: its slots, the context of each, the largest `n`.

llama.cpp reports the first two at `/props`, outside `/v1`. The largest `n` is read from the message with which a call
is refused that asks for 128 choices of one token: hardly any local server has as many slots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from optillm.commands.doctor.report import Finding
from optillm.engine.call.remedies import most_choices
from optillm.engine.upstream.client import Upstream
from optillm.engine.upstream.local_servers import Properties, is_local, read_properties
from optillm.errors import UpstreamError

MANY: Final = 128
"""The largest `n` that OpenAI accepts."""


async def capacity(upstream: Upstream, model: str, limit: str, patience: float) -> list[Finding]:
    """Return what a local upstream says of itself.

    That is nothing for other upstreams, and for servers that do not say. `limit` is the name of the token limit that
    the upstream understands. Each of the two calls gets `patience` seconds.
    """
    if not is_local(upstream.base_url):
        return []
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "n": MANY, limit: 1}
    properties, refusal = await asyncio.gather(
        _properties(upstream, patience), _refusal(upstream, body, patience)
    )
    return list(_lines(properties, refusal))


def _lines(properties: Properties, refusal: UpstreamError | None) -> Iterator[Finding]:
    if properties.slots:
        meaning = "calls that run at a time; further ones wait in the server's queue"
        yield Finding("slots", str(properties.slots), meaning)
    if properties.context:
        meaning = "tokens that prompt and reply of a call may have together"
        yield Finding("context per slot", str(properties.context), meaning)
    if refusal is None:
        return
    largest = most_choices(refusal, MANY) or ("slots" in refusal.message and properties.slots) or 0
    if largest > 1:
        yield Finding("largest n", str(largest), f"a call for {MANY} choices was refused")


async def _properties(upstream: Upstream, patience: float) -> Properties:
    try:
        return await read_properties(upstream, seconds=patience)
    except (UpstreamError, TimeoutError):
        return Properties()


async def _refusal(upstream: Upstream, body: Mapping[str, Any], patience: float) -> UpstreamError | None:
    """Return the error with which a call is refused.

    Returns `None` if it is not, or fails for a passing reason.
    """
    try:
        async with asyncio.timeout(patience):
            await upstream.chat(body, None)
    except UpstreamError as error:
        return None if error.retryable else error
    except TimeoutError:
        pass
    return None
