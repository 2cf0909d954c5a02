"""What replies may take of a worker's memory, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import wraps
from threading import Event
from typing import Any

import pytest

from optillm.config.settings import Settings
from optillm.engine.memory import LARGE, MB, PAUSE, USUAL, Memory
from optillm.engine.upstream.client import connect
from optillm.errors import Overloaded, UpstreamError
from tests.fakes import Sent, World, run
from tests.stub import Call, Stub, completion

MESSAGES = [{"role": "user", "content": "Hi"}]
BODY = {"model": "m", "messages": MESSAGES}


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def wrapped(*args: Any, **named: Any) -> None:
        asyncio.run(test(*args, **named))

    return wrapped


@on_a_loop
async def test_counts_what_is_beyond_the_first_megabyte_of_a_reply() -> None:
    memory = Memory(10 * MB)
    with memory.of_reply() as one, memory.of_reply() as other:
        one.take(USUAL // 2)
        one.take(USUAL)
        other.take(USUAL)
        assert memory.held == USUAL // 2
    assert memory.held == 0


@on_a_loop
async def test_what_does_not_fit_fails_one_reply_and_takes_nothing() -> None:
    memory = Memory(4 * MB)
    with memory.of_reply() as one, memory.of_reply() as other:
        one.take(4 * MB)
        other.take(2 * MB)
        with pytest.raises(
            UpstreamError, match=r"larger than 4 MB together \(--reply-memory-mb\)"
        ) as refused:
            other.take(1)
        assert (refused.value.status, refused.value.retryable) == (503, True)
        assert memory.held == 4 * MB
        with memory.of_reply() as usual:
            usual.take(USUAL)  # is not affected


@on_a_loop
async def test_one_request_may_hold_half_of_it() -> None:
    memory = Memory(8 * MB)
    request = memory.of_request()
    for _ in range(100):
        request.keep(USUAL)
    request.keep(4 * MB)
    with pytest.raises(UpstreamError, match="the replies to this request are larger than 4 MB") as refused:
        request.keep(3 * MB)
    assert not refused.value.retryable
    assert memory.held == 3 * MB
    request.release()
    request.release()
    assert memory.held == 0


@on_a_loop
async def test_a_body_for_which_there_is_no_room_is_refused_and_may_come_again() -> None:
    memory = Memory(4 * MB)
    one, other = memory.of_body(), memory.of_body()
    one.take(USUAL)
    one.take(3 * MB)
    other.check(2 * MB)
    other.take(USUAL)
    other.check(MB)
    for refused in (other.check, other.take):
        with pytest.raises(Overloaded, match="take 4 MB together") as error:
            refused(MB + 1)
        assert (error.value.status, error.value.headers) == (503, {"Retry-After": "1"})
    one.release()
    other.take(4 * MB)
    other.release()
    assert memory.held == 0


def test_only_the_memory_of_large_bodies_is_given_back_at_once() -> None:
    moments: list[float] = []

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        memory = Memory(32 * MB, reclaim=lambda: moments.append(clock()))
        for size in (USUAL, LARGE, LARGE + USUAL):
            body = memory.of_body()
            body.take(size)
            body.release()
            await asyncio.sleep(10)

    run(main())
    assert moments == [20 + PAUSE]


def test_memory_is_given_back_once_for_all_that_ended_in_a_while() -> None:
    moments: list[float] = []

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        memory = Memory(8 * MB, reclaim=lambda: moments.append(clock()))
        for size in (2 * MB, 2 * MB, USUAL):
            with memory.of_reply() as holding:
                holding.take(size)
        await asyncio.sleep(10)
        with memory.of_reply() as holding:
            holding.take(USUAL)
        await asyncio.sleep(10)
        with memory.of_reply() as holding:
            holding.take(2 * MB)
        await asyncio.sleep(10)

    run(main())
    assert moments == [PAUSE, 20 + PAUSE]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("end", ["whole", "broken", "refused"])
@on_a_loop
async def test_what_a_reply_took_is_given_back_however_it_ends(stream: bool, end: str) -> None:
    text = "x" * (3 * MB)

    def respond(call: Call) -> None:
        if end == "refused":
            return call.json({"error": {"message": text}}, 400)
        content = json.dumps(completion(text)).encode()
        content = b"data: " + content + b"\n\n" if stream else content
        call.begin(content_type="text/event-stream" if stream else "application/json")
        call.write(content[: MB * 2] if end == "broken" else content)
        return call.hang_up() if end == "broken" else None

    memory = Memory(8 * MB)
    with Stub(respond) as stub:
        upstream = connect(Settings(base_url=stub.base_url), memory=memory)
        try:
            if stream:
                async for _ in upstream.stream(BODY, None):
                    assert memory.held > 0
            else:
                await upstream.chat(BODY, None)
        except UpstreamError:
            assert end != "whole"
        finally:
            await upstream.close()
    assert memory.held == 0


@on_a_loop
async def test_of_two_large_replies_at_once_one_fails_and_the_other_goes_on() -> None:
    text, go = "x" * (3 * MB), Event()

    def respond(call: Call) -> None:
        content = json.dumps(completion(text)).encode()
        if call.sent["model"] == "first":
            call.begin(content_length=str(len(content)), content_type="application/json")
            call.write(content[:-2])
            go.wait(30)
            return call.write(content[-2:])
        return call.raw(content, content_type="application/json")

    memory = Memory(3 * MB)
    with Stub(respond) as stub:
        upstream = connect(Settings(base_url=stub.base_url), memory=memory)
        first = asyncio.create_task(upstream.chat({**BODY, "model": "first"}, None))
        async with asyncio.timeout(30):
            while memory.held < 2 * MB - 2:  # noqa: ASYNC110 - what it waits for are packets
                await asyncio.sleep(0)
        with pytest.raises(UpstreamError, match="larger than 3 MB together"):
            await upstream.chat({**BODY, "model": "second"}, None)
        go.set()
        assert (await first)["choices"][0]["message"]["content"] == text
        assert (await upstream.chat({**BODY, "model": "second"}, None))["id"] == "c1"
        await upstream.close()
    assert memory.held == 0


def test_a_request_whose_replies_are_too_large_together_gets_what_fits() -> None:
    world = World(lambda sent: f"{sent.number}" + "x" * (3 * MB))
    world.engine.routes.memory.limit = 8 * MB
    completed = world.complete("bon(n=4)-m")
    assert completed.replies[0].text.endswith("xxx")
    assert completed.report.losses["failed"] > 0
    assert completed.report.stop_reason == "degraded"
    assert world.engine.routes.memory.held == 0


def test_a_connection_keeps_nothing_of_the_call_that_opened_it() -> None:
    contexts = []

    def script(sent: Sent) -> str:
        contexts.append(copy_context())
        return "The answer is 4."

    World(script).complete("re2-m")
    values = [value for context in contexts for value in context.values()]
    assert values
    assert not [value for value in values if type(value).__module__.startswith("optillm")]
