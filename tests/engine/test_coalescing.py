"""Requests sent twice: who joins whom, who pays, and what happens when everybody leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from optillm.chat import Completion, Sender
from optillm.engine.coalescing import ANSWER_SECONDS, ANSWERS, LINGER, Coalescer
from optillm.errors import DeadlineExceeded, UpstreamError
from tests.fakes import HANG, Say, Sent, World, failing, run

FIRST = Sender(client="c", content=b"d", attempt=0)
RETRY = replace(FIRST, attempt=1)
KEYED = Sender(client="c", content=b"d", key="k")


def disagreeing(sent: Sent) -> str:
    """Two rounds for `bon`: each candidate says something else, each judge ranks them."""
    return '{"ranking": ["A", "B", "C"]}' if sent.role == "judge" else f"The answer is {sent.number}."


def serve(world: World, sender: Sender, model: str = "bon-m") -> Coroutine[Any, Any, Any]:
    return world.serve(model, sender=sender)


def scene(act: Callable[[World], Coroutine[Any, Any, Any]], script: Any = disagreeing) -> World:
    """A world after an act of several requests."""
    world = World(script)
    world.run(act(world))
    return world


def alone() -> int:
    """How many calls one request makes."""
    return len(scene(lambda world: serve(world, FIRST)).sent)


@pytest.mark.parametrize("retry", [RETRY, replace(FIRST, attempt=7)])
def test_an_announced_retry_joins_the_running_request(retry: Sender) -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, FIRST))
        await asyncio.sleep(0.5)
        second = asyncio.create_task(serve(world, retry))
        assert await first is await second

    assert len(scene(act).sent) == alone()


@pytest.mark.parametrize(
    "other",
    [
        FIRST,
        replace(FIRST, attempt=None),
        replace(RETRY, content=b"e"),
        replace(RETRY, client="x"),
        replace(RETRY, key="k"),
    ],
)
def test_another_request_has_work_of_its_own(other: Sender) -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, FIRST))
        await asyncio.sleep(0.5)
        assert await serve(world, other) is not await first

    assert len(scene(act).sent) == 2 * alone()


def test_a_retry_finds_the_work_of_a_client_that_has_just_left() -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, FIRST))
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.sleep(LINGER - 0.1)
        assert isinstance(await serve(world, RETRY), Completion)

    world = scene(act)
    assert len(world.sent) == alone()
    assert {sent.outcome for sent in world.sent} == {"ok"}


def test_each_who_leaves_is_waited_for_in_full() -> None:
    async def act(world: World) -> None:
        for sender in (FIRST, RETRY):
            waiting = asyncio.create_task(serve(world, sender))
            await asyncio.sleep(0.1)
            waiting.cancel()
            await asyncio.sleep(LINGER - 0.2)
        await asyncio.sleep(5)

    world = scene(act, lambda sent: HANG)
    assert {sent.end for sent in world.sent} == {round(0.1 + (LINGER - 0.2) + 0.1 + LINGER, 9)}


def test_no_call_begins_while_nobody_waits() -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, FIRST))
        await asyncio.sleep(0.9)
        first.cancel()
        await asyncio.sleep(5)

    world = scene(act)
    assert {sent.start for sent in world.sent} == {0.0}  # the judges of the second round were never asked


def test_what_nobody_comes_back_for_is_cancelled_within_a_second() -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, FIRST))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.sleep(5)

    world = scene(act, lambda sent: HANG)
    assert {sent.outcome for sent in world.sent} == {"cancelled"}
    assert {sent.end for sent in world.sent} == {round(0.1 + LINGER, 9)}
    assert LINGER < 1


@pytest.mark.parametrize("sender", [replace(FIRST, attempt=None), replace(FIRST, called_off=lambda: True)])
def test_who_will_not_return_is_not_waited_for(sender: Sender) -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, sender))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.wait([first])
        assert {sent.outcome for sent in world.sent} == {"cancelled"}

    scene(act, lambda sent: HANG)


def test_one_of_two_who_leaves_takes_nothing_along() -> None:
    async def act(world: World) -> None:
        first = asyncio.create_task(serve(world, FIRST))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(serve(world, RETRY))
        await asyncio.sleep(0.1)
        first.cancel()
        assert isinstance(await second, Completion)

    assert len(scene(act).sent) == alone()


def test_a_finished_answer_is_given_again_to_its_key_for_a_while() -> None:
    async def act(world: World) -> None:
        first = await serve(world, KEYED)
        await asyncio.sleep(ANSWER_SECONDS - 1)
        assert await serve(world, KEYED) is first
        await asyncio.sleep(2)
        assert await serve(world, KEYED) is not first

    assert len(scene(act).sent) == 2 * alone()


def test_a_finished_answer_without_a_key_is_not_kept() -> None:
    async def act(world: World) -> None:
        assert await serve(world, FIRST) is not await serve(world, RETRY)

    assert len(scene(act).sent) == 2 * alone()


def test_a_failure_is_shared_but_not_kept() -> None:
    def script(sent: Sent) -> str:
        if sent.start < 5:
            raise failing(400)
        return disagreeing(sent)

    async def act(world: World) -> None:
        both = await asyncio.gather(serve(world, KEYED), serve(world, KEYED), return_exceptions=True)
        assert both[0] is both[1]
        assert isinstance(both[0], UpstreamError)
        await asyncio.sleep(10)
        assert isinstance(await serve(world, KEYED), Completion)

    scene(act, script)


def test_answers_kept_are_bounded() -> None:
    async def act(world: World) -> None:
        for number in range(ANSWERS + 20):
            await serve(world, replace(KEYED, content=b"%d" % number), "bon(n=1)-m")
        assert len(world.engine._coalescer) <= ANSWERS + 1

    scene(act)


def test_a_client_with_a_timeout_gets_the_best_answer_so_far_just_before() -> None:
    def script(sent: Sent) -> str | Say:
        return HANG if sent.role == "judge" else disagreeing(sent)

    world = World(script)
    completion = world.run(serve(world, replace(FIRST, patience=4.5)))
    assert world.seconds == 4.5
    assert completion.report.stop_reason == "deadline"
    assert completion.replies[0].text.startswith("The answer is")


def test_a_client_with_a_timeout_is_told_when_there_is_nothing_yet() -> None:
    world = World(lambda sent: HANG)
    with pytest.raises(DeadlineExceeded):
        world.run(serve(world, replace(FIRST, patience=4.5)))


def test_patience_lengthens_no_deadline() -> None:
    world = World(lambda sent: HANG if sent.role == "judge" else disagreeing(sent), retries=0)
    world.run(serve(world, replace(FIRST, patience=1e9)))
    assert world.seconds == 600.0


def test_a_retry_does_not_join_work_that_is_being_cancelled() -> None:
    unwinding = asyncio.Event()

    async def work(_: asyncio.Event) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            unwinding.set()
            await asyncio.sleep(1)
        return "never"

    async def fresh(_: asyncio.Event) -> str:
        return "fresh"

    async def main() -> str:
        coalescer: Coalescer[str] = Coalescer()
        first = asyncio.create_task(coalescer.run(FIRST, work))
        await asyncio.sleep(0.1)
        first.cancel()
        await unwinding.wait()
        return await coalescer.run(RETRY, fresh)

    assert run(main()) == "fresh"
