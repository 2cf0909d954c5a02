"""The noun, and the order of the layers that it goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from optillm.chat import Budget
from optillm.engine.call.cache import Cache
from optillm.engine.call.cached import Cached
from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.calls import Calls, composed
from optillm.engine.call.ledger import Ledger
from optillm.engine.upstream.routes import Routes
from optillm.trace import Trace
from tests.engine.call import layers
from tests.engine.call.test_cached import Memory
from tests.fakes import World, run

ORDER = ["Cached", "Traced", "Retried", "Hedged", "Routed", "Adapted", "Limited", "Metered"]


def clock() -> float:
    return 0.0


@pytest.mark.parametrize("caching", [True, False])
def test_a_call_goes_through_its_layers_in_this_order(caching: bool) -> None:
    trace = Trace(clock)
    cached = Cached(Cache(Memory()), None, "", trace) if caching else None
    routes = Routes.to(World(lambda sent: ""))
    calls = Calls(routes, Ledger(Budget(), clock), trace, Random(1), cached=cached)
    assert [type(layer).__name__ for layer in calls.layers] == ORDER[not caching :]


class Layer:
    """A layer that notes when a call comes and when its result comes back."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name = name
        self._notes = notes

    async def __call__(self, call: Call, next: Next) -> Result:
        self._notes.append(f"into {self._name}")
        result = await next(call)
        self._notes.append(f"out of {self._name}")
        return result


def test_the_first_layer_is_the_outermost() -> None:
    notes: list[str] = []
    made: Sequence[Layer] = [Layer("first", notes), Layer("second", notes)]
    assert run(composed(made, layers.Next())(layers.call())) == layers.result()
    assert notes == ["into first", "into second", "out of second", "out of first"]


def test_a_repetition_is_a_call_of_its_own_with_the_same_history() -> None:
    made = layers.call(parameters={"seed": 7})

    async def main() -> Call:
        made.mark_sent()
        return made.repetition()

    again = run(main())
    assert (made.is_repetition, again.is_repetition) == (False, True)
    assert (made.payload.parameters["seed"], again.payload.parameters["seed"] != 7) == (7, True)
    assert again.sent_at is None
    again.history.shown = True
    assert made.history.shown
    assert made.kind == again.kind == ("generate", "m")


def test_the_time_that_a_client_takes_to_read_is_not_the_upstreams() -> None:
    async def main() -> tuple[float | None, float]:
        made = layers.call(on_text=read_slowly)
        made.mark_sent()
        await made.show("slow")
        return made.sent_at, made.traffic.last_sent

    async def read_slowly(text: str) -> None:
        await asyncio.sleep(3)

    assert run(main()) == (3.0, 0.0)


def test_the_span_of_a_call_keeps_when_it_first_left_and_when_its_reply_began() -> None:
    async def main() -> None:
        made = layers.call()
        made.mark_sent()
        await asyncio.sleep(1)
        await made.piece_arrived()
        await asyncio.sleep(1)
        await made.piece_arrived()
        assert (made.span.sent, made.span.first_piece) == (0.0, 1.0)
        made.mark_sent()  # again, after that attempt has failed
        assert (made.span.sent, made.span.first_piece) == (0.0, None)

    run(main())


def test_a_repetition_takes_nothing_from_the_span_that_it_shares() -> None:
    async def main() -> None:
        made = layers.call()
        made.mark_sent()
        await made.piece_arrived()
        await asyncio.sleep(1)
        made.repetition().mark_sent()
        assert (made.span.sent, made.span.first_piece) == (0.0, 0.0)

    run(main())
