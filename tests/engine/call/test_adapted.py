"""The form in which a call goes down, and what is learned when another one is accepted."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from optillm.engine.call.adapted import Adapted
from optillm.engine.call.call import Call, Result
from optillm.engine.call.negotiation import BundleRefused
from optillm.engine.upstream.capabilities import Capabilities
from optillm.errors import BudgetExhausted, UpstreamError
from tests.engine.call.layers import Next, call, result, route
from tests.fakes import failing, run


class Model(Next):
    """A model that refuses bodies with a parameter."""

    def __init__(self, refuses: str, status: int = 400) -> None:
        super().__init__(self._read)
        self.bodies: list[dict[str, Any]] = []
        self._refuses = refuses
        self._status = status

    async def _read(self, made: Call) -> Result:
        self.bodies.append(dict(made.body))
        if self._refuses in made.body:
            raise failing(self._status, f"unsupported parameter: {self._refuses}")
        return result()


def ours(role: str = "generate", **parameters: Any) -> Call:
    """A call whose parameters are all added by the proxy."""
    made = call(role)
    made.payload = made.payload.adding(**parameters)
    return made


def adapted(made: Call, below: Next, capabilities: Capabilities | None = None) -> Result:
    known_capabilities = capabilities or Capabilities(inf)
    return run(Adapted(lambda route, model: known_capabilities)(made, below))


def test_a_call_goes_down_as_it_is_by_the_upstreams_name_for_its_model() -> None:
    made, below = ours(temperature=0.7), Model("seed")
    made.route = route(rename={"m": "big"})
    adapted(made, below)
    assert below.bodies == [{**made.payload.body, "model": "big"}]


def test_what_is_refused_is_left_out_and_what_helped_is_remembered() -> None:
    below, capabilities = Model("temperature"), Capabilities(inf)
    made = ours(temperature=0.7)
    assert adapted(made, below, capabilities) == result()
    assert ["temperature" in body for body in below.bodies] == [True, False]
    assert made.history.other_forms == 1
    below.bodies.clear()
    adapted(ours(temperature=0.7), below, capabilities)
    assert ["temperature" in body for body in below.bodies] == [False]


def test_what_the_client_sent_is_kept_and_its_refusal_goes_up() -> None:
    below = Model("top_p", status=422)
    with pytest.raises(UpstreamError, match="top_p") as error:
        adapted(call(parameters={"top_p": 9}), below)
    assert error.value.status == 422
    assert len(below.bodies) == 1


def test_a_500_is_a_refusal_only_when_it_comes_again() -> None:
    made, below = ours(temperature=0.7), Model("temperature", status=500)
    layer = Adapted(lambda route, model: Capabilities(inf))
    with pytest.raises(UpstreamError):
        run(layer(made, below))
    assert run(layer(made, below)) == result()
    assert len(below.bodies) == 3


def test_nothing_is_changed_once_the_text_was_shown() -> None:
    made, below = ours(temperature=0.7), Model("temperature")
    made.history.shown = True
    with pytest.raises(UpstreamError):
        adapted(made, below)
    assert len(below.bodies) == 1


def test_a_refused_bundle_is_an_error_of_its_own_that_says_how_many_there_may_be() -> None:
    made = call()
    made.payload = made.payload.asking_for(5)
    made.payload = type(made.payload)(
        made.payload.model, made.payload.messages, {"n": 5}, {"n": None}, bundle=True
    )
    with pytest.raises(BundleRefused) as refused:
        adapted(made, Next(failing(400, "n must be at most 2")))
    assert refused.value.most == 2


def test_a_search_that_failed_is_not_repeated_by_later_calls() -> None:
    below = Next(failing(400, "no"))
    layer = Adapted(lambda route, model: Capabilities(inf))
    counts = []
    for _ in range(2):
        below.calls.clear()
        with pytest.raises(UpstreamError):
            run(layer(ours(temperature=0.7, seed=1), below))
        counts.append(len(below.calls))
    assert counts[0] > counts[1] == 1


def test_a_budget_that_runs_out_on_the_way_raises_the_refusal() -> None:
    with pytest.raises(UpstreamError, match="own words"):
        adapted(ours(temperature=0.7), Next(failing(400, "own words"), BudgetExhausted("no room")))
    with pytest.raises(BudgetExhausted):
        adapted(call(), Next(BudgetExhausted("no room")))


@pytest.mark.parametrize(("role", "models"), [("generate", {"m"}), ("judge", set[str]())])
def test_models_that_refuse_the_clients_own_conversation_are_noted(role: str, models: set[str]) -> None:
    layer = Adapted(lambda route, model: Capabilities(inf))
    with pytest.raises(UpstreamError):
        run(layer(call(role), Next(failing(413))))
    assert layer.refused_models == models
