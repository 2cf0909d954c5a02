"""Several upstreams: who is asked first, what moves a call on, and what stays with the client."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Completion, Delta, RawRequest, Relay
from optillm.config.prices import Price, Prices
from optillm.engine.call.retries import BACKOFF
from optillm.engine.engine import Engine, Limits
from optillm.engine.plan.planner import Planner
from optillm.engine.upstream.breaker import PAUSE, TOLERATED
from optillm.engine.upstream.errors import refused
from optillm.engine.upstream.limiter import Limiters
from optillm.engine.upstream.models import PATIENCE
from optillm.engine.upstream.routes import Route, Routes
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.observe.record import Record
from optillm.techniques import registry
from tests.engine.run.test_estimate import quarrelsome
from tests.engine.test_engine import MESSAGES
from tests.fakes import HANG, Say, Script, Sent, Wire, World, failing, reply, run

ONE = "bon(n=1)-m"
NAMES = "abcdef"


class Fleet(World):
    """Scripted upstreams `a`, `b`, … behind one engine; `sent` of each member is what reached it."""

    def __init__(
        self,
        *scripts: Script,
        routes: Sequence[dict[str, Any]] = (),
        retries: int = 3,
        prices: Mapping[str, Price] | None = None,
    ) -> None:
        self.members = [World(script) for script in scripts]
        routes = routes or [{"order": order} for order in range(len(scripts))]
        made = []
        for member, name, options in zip(self.members, NAMES, routes, strict=False):
            member.base_url = f"http://{name}/v1"
            made.append(Route(member, Limiters(256), name=name, **options))
        super().__init__(scripts[0], routes=Routes(made, retries), prices=prices)

    @property
    def reached(self) -> list[int]:
        """How many calls reached each member."""
        return [len(member.sent) for member in self.members]

    async def serve(self, model: str, messages: Any = "What is 2 + 2?", **fields: Any) -> Any:
        for member in self.members:
            member._client_messages = [{"role": "user", "content": messages}]
        return await super().serve(model, messages, **fields)

    async def ask(self, times: int = 1) -> None:
        """As many requests of one call each, one after the other."""
        for _ in range(times):
            assert isinstance(await self.serve(ONE), Completion)


def four(sent: Sent) -> str:
    return "The answer is 4."


def various(sent: Sent) -> str:
    """Answers that no vote settles early."""
    return f"The answer is {sent.number}."


def down(status: int = 503, **circumstances: Any) -> Script:
    def script(sent: Sent) -> str:
        raise failing(status, **circumstances)

    return script


def recovering(failures: int) -> Script:
    def script(sent: Sent) -> str:
        if sent.number < failures:
            raise failing(503)
        return "The answer is 4."

    return script


EQUAL: Sequence[dict[str, Any]] = [{}, {}]


# Fail-over.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_the_next_upstream_is_asked_at_once(status: int) -> None:
    fleet = Fleet(down(status, retry_after=30.0), four)
    completion = fleet.complete(ONE)
    assert completion.replies[0].text == "The answer is 4."
    assert fleet.seconds == 1.0
    assert completion.report.calls == {"generate": 2}
    assert completion.report.losses == {"failed": 1}


def out_of_credit(sent: Sent) -> str:
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    raise refused(429, {}, json.dumps({"error": error}).encode(), bytes)


@pytest.mark.parametrize("keyed", [True, False])
def test_an_upstream_without_credit_is_asked_once_and_then_the_next_one(keyed: bool) -> None:
    fleet = Fleet(out_of_credit, four, routes=[{"order": 0, "keyed": keyed}, {"order": 1}])
    assert fleet.complete(ONE).replies[0].text == "The answer is 4."
    assert fleet.reached == [1, 1]


def test_without_any_credit_no_call_is_repeated() -> None:
    fleet = Fleet(out_of_credit, out_of_credit)
    with pytest.raises(UpstreamError, match="current quota") as error:
        fleet.complete(ONE)
    assert error.value.status == 429
    assert fleet.reached == [1, 1]
    assert fleet.seconds == 0.0


def test_an_upstream_that_lacks_a_feature_is_tried_without_it_before_the_next_upstream() -> None:
    fleet = Fleet(down(501), four)
    assert fleet.complete(ONE).replies[0].text == "The answer is 4."
    assert [sent.body.get("temperature") for sent in fleet.members[0].sent] == [0.7, None]
    assert fleet.seconds == 1.0


def test_the_lower_order_is_asked_while_it_answers() -> None:
    fleet = Fleet(four, four, routes=[{"order": 2}, {"order": 1}])
    fleet.run(fleet.ask(4))
    assert fleet.reached == [0, 4]


def test_the_back_off_begins_when_all_have_failed() -> None:
    fleet = Fleet(recovering(1), down())
    fleet.complete(ONE)
    assert 1.0 < fleet.seconds <= 1.0 + BACKOFF
    assert fleet.reached == [2, 1]


def test_retries_are_laps_over_all_upstreams() -> None:
    fleet = Fleet(down(), down(), retries=1)
    with pytest.raises(UpstreamError):
        fleet.complete(ONE)
    assert fleet.reached == [2, 2]


def test_the_soonest_retry_after_of_all_is_waited_for() -> None:
    def throttled_once(seconds: float) -> Script:
        def script(sent: Sent) -> str:
            if sent.number == 0:
                raise failing(429, retry_after=seconds)
            return "The answer is 4."

        return script

    fleet = Fleet(throttled_once(9.0), throttled_once(4.0))
    fleet.complete(ONE)
    assert 5.0 <= fleet.seconds <= 5.0 + BACKOFF / 4


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
def test_what_is_the_clients_fault_stays_with_the_first_upstream(status: int) -> None:
    fleet = Fleet(down(status), four)
    with pytest.raises(UpstreamError) as error:
        fleet.complete("re2-m", "")  # nothing of ours in it
    assert error.value.status == status
    assert fleet.reached == [1, 0]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_of_ours_moves_calls_on_and_is_warned_of_once(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = Fleet(down(status), four, routes=[{"keyed": True}, {"order": 1}])
    fleet.run(fleet.ask(3))
    assert fleet.reached == [3, 3]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"Upstream a refuses its key with status {status}"]


def test_a_technique_with_one_dead_upstream_of_two_gives_its_full_answer() -> None:
    fleet, sound = Fleet(down(), quarrelsome, routes=EQUAL), World(quarrelsome)
    for model in ("bon-m", "self_consistency-m", "moa-m", "mcts-m", "rto-m", "rstar-m", "pvg-m"):
        completion, expected = fleet.complete(model), sound.complete(model)
        assert completion.report.stop_reason == expected.report.stop_reason != "degraded"
        assert completion.report.rounds == expected.report.rounds
        assert fleet.seconds == sound.seconds


def test_the_calls_of_a_hanging_upstream_are_cut_as_stragglers() -> None:
    fleet = Fleet(lambda sent: HANG, four, routes=[{}, {"weight": 3.0}])
    completion = fleet.complete("self_consistency(mode=fixed)-m")
    assert completion.replies[0].text == "The answer is 4."
    assert {sent.outcome for sent in fleet.members[0].sent} == {"cancelled"}
    assert fleet.seconds < 3.0


@pytest.mark.parametrize("routes", [(), EQUAL])
@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_call_is_repeated_at_another_upstream(routes: Any, stream: bool) -> None:
    fleet = Fleet(lambda sent: HANG, four, routes=routes)
    for seed in range(4):  # which of equal ones is asked first
        completion = fleet.events("re2-m", seed=seed)[-1][1] if stream else fleet.complete("re2-m", seed=seed)
        assert isinstance(completion, Completion)
        assert completion.replies[0].text == "The answer is 4."
        assert completion.report.losses.get("cancelled", 0) <= 1
    assert {sent.outcome for sent in fleet.members[0].sent} == {"cancelled"}


def test_a_stream_moves_on_before_its_first_word() -> None:
    fleet = Fleet(down(), lambda sent: "Rome." if sent.role == "write" else f"City {sent.number}, I say.")
    events = [event for _, event in fleet.events("moa-m")]
    assert [event.content for event in events if isinstance(event, Delta)] == ["Rome."]


def test_a_stream_that_has_begun_stays_where_it_is() -> None:
    def script(sent: Sent) -> str | Say:
        return Say("Ro", breaks_off=True) if sent.role == "write" else f"City {sent.number}, I say."

    fleet = Fleet(script, four)
    with pytest.raises(UpstreamError):
        fleet.events("moa-m")
    assert fleet.reached[1] == 0


# Shares.


def shares(weights: Sequence[float], seed: int) -> list[int]:
    fleet = Fleet(various, various, routes=[{"weight": weight} for weight in weights])
    fleet.complete("self_consistency(mode=fixed,tie=shortest,samples=64)-m", seed=seed)
    return fleet.reached


def test_the_calls_of_one_request_are_shared_by_weight() -> None:
    first, second = shares([3.0, 1.0], seed=1)
    assert first + second == 64
    assert 36 <= first <= 60  # 48 expected, 3.5 the standard deviation


def test_the_same_request_is_shared_the_same_way() -> None:
    seeds = range(4)
    assert [shares([1, 1], seed) for seed in seeds] == [shares([1, 1], seed) for seed in seeds]
    assert len({tuple(shares([1, 1], seed)) for seed in seeds}) > 1


# Breakers.


def test_an_upstream_that_keeps_failing_is_left_alone_then_tried_by_one_call() -> None:
    fleet = Fleet(lambda sent: {"choices": []}, four)  # a failure that takes its second

    async def main() -> list[int]:
        reached = []
        await fleet.ask(TOLERATED + 3)
        reached.append(fleet.reached[0])
        for pause in (PAUSE, 2 * PAUSE):
            await asyncio.sleep(pause)
            await asyncio.gather(*(fleet.ask() for _ in range(4)))
            await fleet.ask(2)
            reached.append(fleet.reached[0])
        return reached

    assert fleet.run(main()) == [TOLERATED, TOLERATED + 1, TOLERATED + 2]


def test_an_upstream_that_answers_again_gets_its_calls_back(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(recovering(TOLERATED), four)

    async def main() -> None:
        await fleet.ask(TOLERATED)
        await asyncio.sleep(PAUSE)
        await fleet.ask(3)

    with caplog.at_level(logging.INFO):
        fleet.run(main())
    assert fleet.reached == [TOLERATED + 3, TOLERATED]
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Upstream")]
    assert said == ["Upstream a keeps failing with m: avoided for 5 s", "Upstream a answers again with m"]


def test_a_trial_that_is_cancelled_leaves_the_next_one_to_another_call() -> None:
    def script(sent: Sent) -> str:
        if sent.number < TOLERATED:
            raise failing(500)
        return HANG if sent.number == TOLERATED else "The answer is 4."

    fleet = Fleet(script, four)

    async def main() -> None:
        await fleet.ask(TOLERATED)
        await asyncio.sleep(PAUSE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fleet.ask(), 1.0)
        await fleet.ask()

    fleet.run(main())
    assert fleet.reached == [TOLERATED + 2, TOLERATED]


def test_a_refusal_of_a_request_shows_that_the_upstream_is_well() -> None:
    fleet = Fleet(lambda sent: down(413 if sent.number % 2 else 500)(sent), four)

    async def main() -> None:
        for _ in range(4 * TOLERATED):
            with suppress(UpstreamError):  # the 413 of every other call
                await fleet.serve(ONE)

    fleet.run(main())
    assert fleet.reached[0] == 4 * TOLERATED


@pytest.mark.parametrize(("keyed", "asked"), [(True, TOLERATED), (False, 2 * TOLERATED)])
def test_a_client_whose_own_key_is_throttled_turns_nobody_else_away(keyed: bool, asked: int) -> None:
    fleet = Fleet(down(429), four, routes=[{"keyed": keyed}, {"order": 1}])

    async def main() -> None:
        await fleet.ask(TOLERATED)
        await asyncio.gather(*(fleet.ask() for _ in range(TOLERATED)))

    fleet.run(main())
    assert fleet.reached == [asked, 2 * TOLERATED]


def test_one_model_that_fails_does_not_stand_for_the_others() -> None:
    def script(sent: Sent) -> str:
        if sent.body["model"] == "ill":
            raise failing(500)
        return "The answer is 4."

    fleet = Fleet(script, four)

    async def main() -> None:
        await asyncio.gather(*(fleet.serve("bon(n=1)-ill") for _ in range(TOLERATED)))
        await fleet.serve("bon(n=1)-ill")
        await fleet.ask()

    fleet.run(main())
    assert [sent.body["model"] for sent in fleet.members[0].sent] == ["ill"] * TOLERATED + ["m"]


def test_when_all_breakers_are_open_calls_are_tried_all_the_same() -> None:
    fleet = Fleet(recovering(TOLERATED), down(), retries=0)

    async def main() -> None:
        for _ in range(TOLERATED):
            with pytest.raises(UpstreamError):
                await fleet.serve(ONE)
        await fleet.ask()

    fleet.run(main())
    assert fleet.reached == [TOLERATED + 1, TOLERATED]


def test_when_all_breakers_are_open_the_one_due_first_is_asked() -> None:
    routes = Routes(
        [Route(Wire(reply()), Limiters(8), name="a"), Route(Wire(reply()), Limiters(8), name="b")]
    )

    async def main() -> str:
        for route in reversed(routes.all):
            for _ in range(TOLERATED):
                with suppress(UpstreamError), route.watched("m"):
                    raise failing(503)
            await asyncio.sleep(1.0)
        return next(iter(routes.lap("m", Random(1)))).name

    assert run(main()) == "b"


def test_a_single_upstream_is_always_tried() -> None:
    world = World(recovering(4 * TOLERATED), retries=0)

    async def main() -> None:
        for _ in range(4 * TOLERATED):
            with pytest.raises(UpstreamError):
                await world.serve(ONE)
        assert isinstance(await world.serve(ONE), Completion)

    world.run(main())


def test_failing_models_that_nobody_asks_for_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optillm.engine.upstream.routes.FAILING_MODELS", 8)
    fleet = Fleet(down(), four)

    async def main() -> None:
        for number in range(50):
            await fleet.serve(f"bon(n=1)-m{number}")

    fleet.run(main())
    assert len(fleet.engine.routes.all[0]._breakers) == 8


# What each upstream is told.


def test_only_upstreams_that_serve_the_model_are_asked_by_their_name_for_it() -> None:
    routes: list[dict[str, Any]] = [
        {"models": ["gpt-*"]},
        {"order": 1, "models": ["claude-*"], "rename": {"m": "vendor/m-large"}},
    ]
    fleet = Fleet(four, four, routes=routes)
    completion = fleet.complete(ONE)
    assert [sent.body["model"] for sent in fleet.members[1].sent] == ["vendor/m-large"]
    assert completion.report.calls == {"generate": 1}
    fleet.complete("bon(n=1)-gpt-4o")
    assert [sent.body["model"] for sent in fleet.members[0].sent] == ["gpt-4o"]


def test_a_model_that_nobody_serves_is_not_found() -> None:
    fleet = Fleet(four, four, routes=[{"models": ["gpt-*"]}, {"models": []}])
    with pytest.raises(UpstreamError) as error:
        fleet.complete(ONE)
    assert error.value.status == 404
    assert error.value.body()["error"]["code"] == "model_not_found"
    assert fleet.reached == [0, 0]


def test_a_clients_key_goes_only_where_there_is_no_other() -> None:
    fleet = Fleet(down(), four, routes=[{"keyed": True}, {"order": 1}])
    request = ChatRequest({"model": ONE, "messages": MESSAGES}, authorization="Bearer of-the-client")
    fleet.run(fleet.engine.complete(request))
    assert [member.sent[0].authorization for member in fleet.members] == [None, "Bearer of-the-client"]


@pytest.mark.parametrize(("keyed", "windows"), [(True, 1), (False, 3)])
def test_clients_share_the_window_of_a_key_that_is_not_theirs(keyed: bool, windows: int) -> None:
    fleet = Fleet(four, four, routes=[{"keyed": keyed}, {"order": 1}])

    async def main() -> None:
        for client in ("a", "b", "c"):
            asked = ChatRequest({"model": ONE, "messages": MESSAGES}, authorization=f"Bearer {client}")
            await fleet.engine.complete(asked)

    fleet.run(main())
    assert len(fleet.engine.routes.all[0].limiters) == windows


def test_what_one_upstream_refuses_the_other_still_gets() -> None:
    fleet = Fleet(four, four, routes=EQUAL)
    fleet.members[0].refuses = ("seed",)
    fleet.complete("self_consistency(mode=fixed)-m", seed=1)
    fleet.complete("self_consistency(mode=fixed)-m", seed=2)
    assert all("seed" in sent.body for sent in fleet.members[1].sent)
    assert [sent.outcome for sent in fleet.members[0].sent][-1] == "ok"


def test_several_choices_are_asked_for_at_once_only_where_all_honour_it() -> None:
    fleet = Fleet(various, various, routes=EQUAL)
    routes = fleet.engine.routes
    seen = []

    async def main() -> None:
        seen.append(routes.honours_n("m"))
        for route, honours in zip([*routes.all, routes.all[1]], [True, True, False], strict=True):
            routes.capabilities(route, "m").honours_n = honours
            seen.append(routes.honours_n("m"))

    fleet.run(main())
    assert seen == [None, None, True, False]


def test_the_trace_names_the_upstream_that_served_each_call() -> None:
    completion = Fleet(down(), four).complete(ONE, trace=True)
    (call,) = completion.report.wire()["trace"]["calls"]
    assert call["gen_ai.provider.name"] == "b"
    (call,) = World(four).complete(ONE, trace=True).report.wire()["trace"]["calls"]
    assert "gen_ai.provider.name" not in call


# Plain relays.


def relaying(*wires: Wire, routes: Sequence[dict[str, Any]] = (), **limits: Any) -> Engine:
    routes = routes or [{"order": order} for order in range(len(wires))]
    made = [
        Route(wire, Limiters(8), name=name, **options)
        for wire, name, options in zip(wires, NAMES, routes, strict=False)
    ]
    return Engine(Routes(made, rng=Random(1)), Planner(registry(), {}, "auto"), Limits(**limits))


def plain(engine: Engine, model: str = "gpt-4o", **more: Any) -> Relay:
    relay = run(engine.complete(ChatRequest({"model": model, "messages": MESSAGES}, **more)))
    assert isinstance(relay, Relay)
    return relay


UNREACHABLE = UpstreamError("the upstream cannot be reached", retryable=True)


@pytest.mark.parametrize("failure", [reply(503), reply(500), reply(429), UNREACHABLE])
def test_a_relay_goes_to_the_next_upstream_when_one_fails_it(failure: Relay | UpstreamError) -> None:
    wires = Wire(failure), Wire(reply(id="b"))
    assert plain(relaying(*wires)).body == reply(id="b").body
    assert [len(wire.seen) for wire in wires] == [1, 1]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_a_relay_brings_back_what_is_the_clients_to_know(status: int) -> None:
    wires = Wire(reply(status, error="as it came")), Wire(reply())
    relay = plain(relaying(*wires))
    assert (relay.status, relay.body) == (status, reply(error="as it came").body)
    assert [len(wire.seen) for wire in wires] == [1, 0]


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((reply(503), reply(429)), 503),
        ((UNREACHABLE, reply(429)), 429),
        ((reply(401), reply(500)), 500),
        ((reply(401), reply(403)), 401),
    ],
)
def test_when_all_fail_a_relay_brings_back_what_says_most(
    answers: Sequence[Relay | UpstreamError], status: int
) -> None:
    wires = [Wire(answer) for answer in answers]
    served = relaying(*wires, routes=[{"keyed": True}, {"keyed": True, "order": 1}])
    assert plain(served).status == status
    assert [len(wire.seen) for wire in wires] == [1, 1]


def test_an_unreachable_fleet_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="cannot be reached"):
        plain(relaying(Wire(UNREACHABLE), Wire(UNREACHABLE)))


def test_a_relay_to_the_only_upstream_is_never_repeated() -> None:
    refusing, unreachable = Wire(reply(503)), Wire(UNREACHABLE)
    assert plain(Engine(Routes.to(refusing), Planner(registry(), {}, "auto"))).status == 503
    with pytest.raises(UpstreamError, match="cannot be reached"):
        plain(Engine(Routes.to(unreachable), Planner(registry(), {}, "auto")))
    assert len(refusing.seen) == len(unreachable.seen) == 1


def test_a_relay_passes_over_an_upstream_that_keeps_failing() -> None:
    wires = Wire(reply(500)), Wire(reply())
    served = relaying(*wires)

    async def main() -> None:
        for _ in range(TOLERATED + 4):
            await served.complete(ChatRequest({"model": "m", "messages": MESSAGES}))

    run(main())
    assert [len(wire.seen) for wire in wires] == [TOLERATED, TOLERATED + 4]


def test_a_relay_changes_the_name_of_the_model_and_nothing_else() -> None:
    raw = json.dumps({"model": "m", "messages": MESSAGES, "odd": None}).encode()
    wires = Wire(reply(503)), Wire(reply())
    plain(relaying(*wires, routes=[{}, {"order": 1, "rename": {"m": "dep-1"}}]), "m", raw=raw)
    assert wires[0].seen[0][2] == raw
    assert json.loads(wires[1].seen[0][2]) == json.loads(raw) | {"model": "dep-1"}


# What another name costs.

RENAMING: Sequence[dict[str, Any]] = [{"rename": {"m": "big"}}, {"order": 1, "rename": {"m": "small"}}]
USAGE = {"prompt_tokens": 1_000_000, "completion_tokens": 0}


def priced(table: dict[str, float], *wires: Wire, records: list[Record]) -> Engine:
    prices = Prices({name: Price(input=price, output=price) for name, price in table.items()})
    routes = [
        Route(wire, Limiters(256), name=name, **options)
        for wire, name, options in zip(wires, NAMES, RENAMING, strict=False)
    ]
    planner = Planner(registry(), {}, "auto")
    return Engine(Routes(routes), planner, Limits(), prices=prices, observers=[records.append])


@pytest.mark.parametrize(
    ("table", "cost"),
    [
        ({"big": 3, "small": 2}, 3.0),
        ({"m": 5, "small": 2}, 5.0),
        ({"big": 3, "m": 5}, 3.0),
        ({"small": 2}, None),
    ],
)
def test_a_relay_costs_what_the_upstream_that_served_it_asks(
    table: dict[str, float], cost: float | None
) -> None:
    records: list[Record] = []
    engine = priced(table, Wire(reply(usage=USAGE)), Wire(), records=records)
    plain(engine, "m")
    assert [record.cost for record in records] == [cost]


@pytest.mark.parametrize(
    ("table", "foreseen"), [({"big": 3, "small": 9}, 9), ({"big": 3, "m": 5}, 5), ({"m": 1}, 1)]
)
def test_a_bound_on_cost_counts_with_the_dearest_upstream(table: dict[str, float], foreseen: float) -> None:
    engine = priced(table, Wire(reply()), Wire(), records=[])
    least = foreseen * 1.001  # a prompt, too

    def asking(bound: float) -> ChatRequest:
        body = {"model": "m", "messages": MESSAGES, "max_tokens": 10**6}
        return ChatRequest(body, budget=Budget(max_cost=bound))

    assert isinstance(run(engine.complete(asking(least))), Relay)
    with pytest.raises(BudgetExhausted, match="may cost"):
        run(engine.complete(asking(foreseen)))
    assert foreseen < engine.plan(asking(least))["worst_case"]["cost"] < least


def test_a_bound_on_cost_refuses_a_model_that_one_of_its_upstreams_has_no_price_for() -> None:
    with pytest.raises(BudgetExhausted, match="no price"):
        plain(priced({"big": 3}, Wire(), Wire(), records=[]), "m", budget=Budget(max_cost=100.0))


def test_a_technique_within_a_bound_on_cost_may_call_a_model_by_another_name() -> None:
    fleet = Fleet(four, routes=[{"rename": {"m": "big"}}], prices={"big": Price(input=1, output=1)})
    completion = fleet.complete("self_consistency-m", budget=Budget(max_cost=1.0))
    assert completion.report.stop_reason == "settled"
    assert completion.report.cost


def test_a_full_window_is_known_by_the_name_that_calls_go_by() -> None:
    async def main() -> None:
        route = Route(Wire(), Limiters(1), rename={"m": "big"})
        routes = Routes([route])
        async with route.limiters.slot(object(), None, "big"):
            route.limiters.total.cap = route.limiters.total.window = 2
            assert not routes.free(None, "m")
        assert routes.free(None, "m")

    run(main())


def test_another_name_for_a_model_is_another_place() -> None:
    def address(**options: Any) -> str:
        return Routes([Route(Wire(), Limiters(1), **options)]).address

    places = [address(), address(rename={"m": "big"}), address(rename={"m": "small"})]
    assert len(set(places)) == len(places)


def test_a_relay_of_a_model_that_nobody_serves_is_not_found() -> None:
    with pytest.raises(UpstreamError) as error:
        plain(relaying(Wire(reply()), Wire(reply()), routes=[{"models": ["a*"]}, {"models": ["b*"]}]))
    assert (error.value.status, error.value.code) == (404, None)


def test_other_endpoints_are_routed_by_the_model_in_their_body() -> None:
    wires = Wire(reply()), Wire(reply())
    served = relaying(*wires, routes=[{}, {"order": -1, "models": ["embed-*"], "rename": {"e": "embed-3"}}])

    async def main() -> None:
        for body in (b'{"model": "gpt-4o"}', b'{"model": "e", "input": "x"}', b"[]", b"{"):
            await served.relay(RawRequest("POST", "/embeddings", body))
        await served.relay(
            RawRequest("POST", "/audio/transcriptions", b'{"model": "e"}', "multipart/form-data")
        )

    run(main())
    assert [seen[2] for seen in wires[0].seen] == [b'{"model": "gpt-4o"}']
    assert [json.loads(seen[2]) for seen in wires[1].seen[:1]] == [{"model": "embed-3", "input": "x"}]
    assert [seen[2] for seen in wires[1].seen[1:]] == [b"[]", b"{", b'{"model": "e"}']


def test_what_an_upstream_keeps_is_asked_of_the_first_only() -> None:
    wires = Wire(reply(503)), Wire(reply())
    served = relaying(*wires)
    assert run(served.relay(RawRequest("GET", "/responses/r1"))).status == 503
    assert [len(wire.seen) for wire in wires] == [1, 0]


# Lists and readiness.


def names(engine: Engine, authorization: str | None = None) -> list[str]:
    return [model["id"] for model in run(engine.models(authorization))]


def listing(*names: str) -> Relay:
    return reply(data=[{"id": name} for name in names])


def test_the_lists_of_all_upstreams_are_one() -> None:
    wires = Wire(listing("m", "n")), Wire(listing("n", "o", "dep-1"))
    routes = [{}, {"order": 1, "models": ["o", "n"], "rename": {"m-eu": "dep-1"}}]
    assert names(relaying(*wires, routes=routes, advertised=["bon-m"])) == ["m", "n", "m-eu", "o", "bon-m"]


@pytest.mark.parametrize("lost", [UNREACHABLE, reply(500), reply(401)])
def test_a_list_that_cannot_be_had_leaves_the_others(lost: Relay | UpstreamError) -> None:
    assert names(relaying(Wire(lost), Wire(listing("m")))) == ["m"]


def test_what_several_upstreams_list_is_described_by_the_first() -> None:
    wires = [Wire(reply(data=[{"id": "m", "owned_by": owner}])) for owner in ("a", "b")]
    assert run(relaying(*wires).models(None)) == [{"id": "m", "owned_by": "a"}]


def test_a_list_that_takes_too_long_leaves_the_others() -> None:
    assert names(relaying(Wire(listing("n"), seconds=PATIENCE + 1), Wire(listing("m")))) == ["m"]


def test_no_list_at_all_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="cannot be reached"):
        names(relaying(Wire(UNREACHABLE), Wire(reply(401))))


def test_each_upstream_lists_for_the_key_it_will_see() -> None:
    wires = Wire(listing()), Wire(listing())
    names(relaying(*wires, routes=[{"keyed": True}, {}]), "Bearer of-the-client")
    assert [wire.seen[0][3] for wire in wires] == [None, "Bearer of-the-client"]


@pytest.mark.parametrize(
    ("first", "second", "up"),
    [(UNREACHABLE, reply(), True), (reply(503), reply(401), True), (reply(503), UNREACHABLE, False)],
)
def test_any_upstream_that_answers_is_enough(
    first: Relay | UpstreamError, second: Relay | UpstreamError, up: bool
) -> None:
    assert run(relaying(Wire(first), Wire(second)).reachable()) is up


def test_an_upstream_that_hangs_does_not_hide_one_that_answers() -> None:
    served = relaying(Wire(reply(), seconds=1e6), Wire(reply(), seconds=1.0))

    async def main() -> float:
        assert await served.reachable()
        return asyncio.get_running_loop().time()

    assert run(main()) == 1.0


def test_the_deadline_holds_for_all_upstreams_together() -> None:
    fleet = Fleet(lambda sent: HANG, lambda sent: HANG)
    with pytest.raises(Exception, match="deadline"):
        fleet.complete(ONE, budget=Budget(seconds=5.0))
    assert fleet.seconds == 5.0
