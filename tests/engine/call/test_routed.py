"""Which upstreams a call goes to, one after the other."""

from __future__ import annotations

from random import Random

import pytest

from optillm.engine.call.call import Call, Result
from optillm.engine.call.routed import Routed
from optillm.engine.upstream.routes import Route, Routes
from optillm.errors import UpstreamError
from tests.engine.call.layers import Next, call, result, route
from tests.fakes import failing, run

DOWN = UpstreamError("connection refused", retryable=True, restarting=True)


class At(Next):
    """Layers below that note at which upstream they are."""

    def __init__(self, **outcomes: Result | UpstreamError) -> None:
        super().__init__(self._at)
        self.names: list[str] = []
        self._by_name = outcomes

    async def _at(self, made: Call) -> Result:
        self.names.append(made.route.name)
        outcome = self._by_name[made.route.name]
        if isinstance(outcome, UpstreamError):
            raise outcome
        return outcome


def routed(made: Call, below: Next, *routes: Route) -> Result:
    return run(Routed(Routes(routes), Random(1))(made, below))


def test_the_only_upstream_is_where_every_call_goes() -> None:
    only = route("only")
    made = call()
    routed(made, Next(), only)
    assert made.route is only
    assert "gen_ai.provider.name" not in made.span.attributes


def test_another_upstream_is_called_when_one_fails_and_the_span_names_the_one_that_answered() -> None:
    made, below = call(), At(a=failing(503), b=result())
    assert routed(made, below, route("a"), route("b", order=1)) == result()
    assert below.names == ["a", "b"]
    assert made.span.attributes["gen_ai.provider.name"] == "b"
    assert not made.history.waiting_for


def test_a_refusal_is_not_taken_to_another_upstream() -> None:
    below = At(a=failing(400), b=result())
    with pytest.raises(UpstreamError):
        routed(call(), below, route("a"), route("b", order=1))
    assert below.names == ["a"]


def test_a_call_whose_text_was_shown_goes_nowhere_else() -> None:
    made, below = call(), At(a=failing(503), b=result())
    made.history.shown = True
    with pytest.raises(UpstreamError):
        routed(made, below, route("a"), route("b", order=1))
    assert below.names == ["a"]


def test_a_repetition_goes_where_the_call_does_not_wait_already() -> None:
    first, second = route("a"), route("b", order=1)
    made, below = call(), At(a=result(), b=result())
    made.history.waiting_for.append(first)
    routed(made, below, first, second)
    assert below.names == ["b"]


@pytest.mark.parametrize("others", [0, 1])
def test_an_upstream_that_restarts_is_noted_until_it_answers(others: int) -> None:
    routes = Routes([route("a"), *[route("b", order=1)] * others])
    layer = Routed(routes, Random(1))
    with pytest.raises(UpstreamError) as error:
        run(layer(call(), At(a=DOWN, b=failing(500))))
    assert error.value.restarting
    assert routes.outages.lasts("a")
    run(layer(call(), At(a=result(), b=failing(500))))
    assert not routes.outages.lasts("a")
