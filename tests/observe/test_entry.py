"""What is noted of each request that has ended: once, however it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Grant, RawRequest, Relay, Sender, Stream, Usage
from optillm.config.prices import Price
from optillm.errors import BudgetExhausted, OptillmError, ShuttingDown, UpstreamError
from optillm.observe.record import Record
from tests.fakes import HANG, Sent, Wire, World, failing

ANSWER = "The answer is 42."
PRICE = {"m": Price(input=1.0, output=4.0)}


def only(world: World) -> Record:
    (record,) = world.records
    return record


def test_a_technique_is_noted_with_what_it_took() -> None:
    world = World(lambda sent: ANSWER, prices=PRICE)
    completion = world.complete("bon-m", grant=Grant(client="ann"))
    record = only(world)
    assert (record.request_id, record.endpoint, record.client) == ("test", "/chat/completions", "ann")
    assert (record.technique, record.model, record.status, record.stop) == ("bon", "m", 200, "settled")
    assert record.calls == {"generate": 3}
    assert record.usage == completion.usage == Usage(30, 15)
    assert record.cost == completion.report.cost == pytest.approx(0.00009)
    assert record.rounds == 1
    assert record.seconds == world.seconds
    assert record.trace is not None
    assert len(record.trace.calls) == 3


def test_the_cost_of_a_model_without_a_price_stays_unknown() -> None:
    world = World(lambda sent: ANSWER)
    assert world.complete("bon-m").report.cost is None
    assert only(world).cost is None
    assert "cost" not in world.complete("bon-m").report.wire()


def test_a_stream_is_noted_like_a_whole_reply() -> None:
    world = World(lambda sent: ANSWER)
    world.events("moa-m")
    record = only(world)
    assert (record.stream, record.status, record.technique) == (True, 200, "moa")
    assert record.usage is not None


def test_a_failure_is_noted_with_its_status_and_what_was_paid() -> None:
    def script(sent: Sent) -> str:
        raise failing(503)

    world = World(script, retries=0)
    with pytest.raises(OptillmError):
        world.complete("bon-m")
    record = only(world)
    assert (record.status, record.stop) == (503, None)
    assert record.losses["failed"] == record.calls["generate"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_noted_with_what_it_cost(stream: bool) -> None:
    world = World(lambda sent: HANG)

    async def leave() -> None:
        serving = asyncio.ensure_future(world.serve("bon-m", stream=stream))
        if stream:
            outcome = await serving
            assert isinstance(outcome, Stream)
            reading: Any = asyncio.ensure_future(anext(outcome.events))
        else:
            reading = serving
        await asyncio.sleep(1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    world.run(leave())
    record = only(world)
    assert record.status == 499
    assert record.usage is not None
    assert record.usage.estimated


def test_a_plain_request_that_the_server_ends_is_noted_with_the_status_its_client_gets() -> None:
    world = World(lambda sent: ANSWER)

    async def hang(*_: Any, **__: Any) -> Relay:
        future: asyncio.Future[Relay] = asyncio.get_running_loop().create_future()
        return await future

    world.relay = hang  # type: ignore[method-assign]

    async def shut_down() -> None:
        serving = asyncio.ensure_future(world.serve("m"))
        await asyncio.sleep(1)
        serving.cancel(ShuttingDown("The server is shutting down"))
        await asyncio.gather(serving, return_exceptions=True)

    world.run(shut_down())
    assert only(world).status == 503


def test_a_plain_stream_that_the_server_ends_is_noted_with_the_status_its_client_gets() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        await asyncio.Event().wait()

    world = passing_on(Relay(200, {}, chunks=endless()))

    async def shut_down() -> None:
        relay = await world.serve("m", stream=True)
        assert isinstance(relay, Relay)
        assert relay.chunks is not None
        await anext(relay.chunks)
        reading = asyncio.ensure_future(anext(relay.chunks))
        await asyncio.sleep(1)
        reading.cancel(ShuttingDown("The server is shutting down"))
        await asyncio.gather(reading, return_exceptions=True)

    world.run(shut_down())
    assert only(world).status == 503


def test_a_retry_that_joins_is_noted_once() -> None:
    world = World(lambda sent: ANSWER)
    sender = Sender(client="c", content=b"d", key="k")

    async def both() -> None:
        await asyncio.gather(*(world.serve("bon-m", sender=sender) for _ in range(2)))

    world.run(both())
    assert only(world).status == 200


def passing_on(reply: Relay | OptillmError) -> World:
    """A world whose upstream gives this reply to every relay."""
    world = World(lambda sent: ANSWER, prices=PRICE)
    world.relay = Wire(reply).relay  # type: ignore[method-assign]
    return world


REPLY = b'{"usage": {"prompt_tokens": 10, "completion_tokens": 20}}'


def test_a_plain_request_is_noted_with_the_usage_of_its_reply() -> None:
    world = passing_on(Relay(200, {}, REPLY))
    world.run(world.serve("m"))
    record = only(world)
    assert (record.technique, record.status, record.usage) == ("none", 200, Usage(10, 20))
    assert record.cost == pytest.approx(0.00009)


def test_a_plain_request_that_fails_is_noted_with_its_status() -> None:
    world = passing_on(failing(502))
    with pytest.raises(OptillmError):
        world.run(world.serve("m"))
    assert (only(world).status, only(world).usage) == (502, None)


def test_an_error_that_is_passed_on_is_noted_with_its_status() -> None:
    world = passing_on(Relay(429, {}, b"{}"))
    world.run(world.serve("m"))
    assert only(world).status == 429


def chunks(*parts: bytes | Exception) -> Any:
    async def play() -> Any:
        for part in parts:
            if isinstance(part, Exception):
                raise part
            yield part

    return play()


@pytest.mark.parametrize(
    ("parts", "status"), [((b"data: " + REPLY + b"\n\n",), 200), ((b"data: {}\n\n", failing(502)), 502)]
)
def test_a_relayed_stream_is_noted_when_it_has_passed(parts: Any, status: int) -> None:
    world = passing_on(Relay(200, {}, chunks=chunks(*parts)))

    async def read() -> None:
        relay = await world.serve("m", stream=True)
        assert isinstance(relay, Relay)
        assert relay.chunks is not None
        assert not world.records
        async for _ in relay.chunks:
            assert not world.records

    if status == 200:
        world.run(read())
        assert only(world).usage == Usage(10, 20)
    else:
        with pytest.raises(OptillmError):
            world.run(read())
    assert only(world).status == status


def test_a_relayed_stream_whose_reader_leaves_is_noted_as_left() -> None:
    world = passing_on(Relay(200, {}, chunks=chunks(b"data: {}\n\n", b"data: {}\n\n")))

    async def leave() -> None:
        relay: Any = await world.serve("m", stream=True)
        await anext(relay.chunks)
        await relay.chunks.aclose()

    world.run(leave())
    assert only(world).status == 499


def test_other_endpoints_are_noted_with_their_model_and_without_their_query() -> None:
    world = passing_on(Relay(200, {}, REPLY))
    asked = RawRequest("POST", "/embeddings?key=secret", b'{"model": "m"}', grant=Grant("bob"))
    world.run(world.engine.relay(asked))
    record = only(world)
    assert (record.endpoint, record.model, record.client) == ("/embeddings", "m", "bob")
    assert record.usage == Usage(10, 20)


LONG = b'{"model": "%b"}' % (b"x" * 300)


@pytest.mark.parametrize("content", [b'{"model": ', b'["model"]', b'{"model": null}', b"", LONG])
def test_a_body_that_names_no_model_is_no_reason_to_fail(content: bytes) -> None:
    world = passing_on(Relay(200, {}, b"{}"))
    world.run(world.engine.relay(RawRequest("POST", "/embeddings", content)))
    assert only(world).model == ""


def test_a_fault_of_an_observer_costs_nobody_an_answer() -> None:
    def faulty(_: Record) -> None:
        raise RuntimeError

    world = World(lambda sent: ANSWER, observers=[faulty])
    assert world.text("bon-m") == ANSWER
    assert only(world).status == 200


def test_a_line_of_a_record_is_plain() -> None:
    world = World(lambda sent: ANSWER)
    world.complete("bon-m")
    line = only(world).line()
    assert line["usage"]["total_tokens"] == 45
    assert "trace" not in line


def test_a_senders_ceiling_binds_its_requests() -> None:
    world = World(lambda sent: ANSWER)
    grant = Grant(ceiling=Budget(max_calls=2))
    assert sum(world.complete("bon-m", grant=grant, budget=Budget(max_calls=9)).report.calls.values()) <= 2


def test_a_plain_request_beyond_the_budget_is_refused_before_it_is_sent() -> None:
    world = passing_on(Relay(200, {}, REPLY))
    with pytest.raises(BudgetExhausted, match=r"may take 5\d\d tokens, and 100 of 100 are left"):
        world.run(world.serve("m", max_tokens=500, budget=Budget(max_tokens=100)))
    assert only(world).status == 429
    assert (only(world).reason or "").startswith("the budget of this request allows no further call")


def test_what_an_upstream_says_of_a_failure_is_not_noted() -> None:
    world = World(lambda sent: {"error": {"message": "a secret prompt"}})
    with pytest.raises(UpstreamError, match="secret"):
        world.complete("bon-m", "x")
    assert world.records[0].reason is None


def test_a_plain_request_within_the_budget_goes_up() -> None:
    world = passing_on(Relay(200, {}, REPLY))
    request = ChatRequest(
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 50},
        budget=Budget(max_tokens=100, max_cost=0.01),
    )
    assert isinstance(world.run(world.engine.complete(request)), Relay)
