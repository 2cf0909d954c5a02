"""The engine as the server sees it: plain relays, model lists, reports."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Completion, Grant, RawRequest, Relay, Sender, Stream
from optillm.config.prices import Price, Prices
from optillm.engine import passthrough
from optillm.engine.engine import Engine, Limits
from optillm.engine.plan.planner import Planner
from optillm.engine.upstream.routes import Routes
from optillm.errors import DeadlineExceeded, PermissionDenied, ShuttingDown, UpstreamError
from optillm.techniques import registry
from tests.fakes import HANG, Say, Sent, Wire, World, reply, run

MESSAGES = [{"role": "user", "content": "Hi"}]


def engine(upstream: Wire, **limits: Any) -> Engine:
    return Engine(Routes.to(upstream), Planner(registry(), {}, "auto"), Limits(**limits))


def test_a_plain_request_goes_up_as_the_bytes_it_came_in() -> None:
    wire = Wire(reply(strange={"field": [1, None]}))
    raw = b'{ "model":"gpt-4o",  "messages": [{"role":"user","content":"Hi"}], "odd": null }'
    request = ChatRequest(json.loads(raw), raw=raw, authorization="Bearer x")
    relay = run(engine(wire).complete(request))
    assert isinstance(relay, Relay)
    assert relay.body == reply(strange={"field": [1, None]}).body
    assert relay.headers["x-optillm-technique"] == "none"
    assert wire.seen == [("POST", "/chat/completions", raw, "Bearer x", False)]


def test_only_the_model_name_changes_when_a_slug_is_taken_off() -> None:
    wire = Wire(reply())
    body = {"model": "none-gpt-4o", "messages": MESSAGES, "stream": True, "odd": None}
    run(engine(wire).complete(ChatRequest(body, raw=json.dumps(body).encode())))
    assert json.loads(wire.seen[0][2]) == body | {"model": "gpt-4o"}
    assert wire.seen[0][4] is True


def test_a_plain_request_meets_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        run(
            engine(Wire(reply(), seconds=9), budget=Budget(seconds=5.0)).complete(
                ChatRequest({"model": "gpt-4o", "messages": MESSAGES})
            )
        )


def test_an_unknown_model_that_is_nearly_a_slug_gets_a_suggestion() -> None:
    wire = Wire(reply(404, error={"message": "The model does not exist", "code": "model_not_found"}))
    relay = run(engine(wire).complete(ChatRequest({"model": "MOA-gpt-4o", "messages": MESSAGES})))
    assert isinstance(relay, Relay)
    error = json.loads(relay.body or b"")["error"]
    assert error["message"] == "The model does not exist (did you mean 'moa-gpt-4o'?)"
    assert error["code"] == "model_not_found"


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize(
    ("name", "told"),
    [("bon", "write 'bon-<model>'"), ("moa-", "'moa-<model>'"), ("bonn-m", "did you mean 'bon-m'?")],
)
def test_what_an_upstream_does_not_know_is_explained_when_it_is_about_techniques(
    status: int, name: str, told: str
) -> None:
    wire = Wire(reply(status, error={"message": f"Invalid model: {name}", "param": "model"}))
    relay = run(engine(wire).complete(ChatRequest({"model": name, "messages": MESSAGES})))
    assert isinstance(relay, Relay)
    assert relay.status == status
    error = json.loads(relay.body or b"")["error"]
    assert error["message"].startswith(f"Invalid model: {name} (")
    assert told in error["message"]
    assert error["param"] == "model"


def test_a_refusal_of_something_else_is_left_as_it_is() -> None:
    wire = Wire(reply(400, error={"message": "temperature is too high"}))
    relay = run(engine(wire).complete(ChatRequest({"model": "bonn-m", "messages": MESSAGES})))
    assert isinstance(relay, Relay)
    assert relay.body == wire.replies[0].body


def test_another_unknown_model_gets_the_upstreams_words_untouched() -> None:
    wire = Wire(reply(404, error="gone"))
    relay = run(engine(wire).complete(ChatRequest({"model": "gpt-9", "messages": MESSAGES})))
    assert isinstance(relay, Relay)
    assert relay.body == b'{"error": "gone"}'


def test_models_are_the_upstreams_and_the_advertised_techniques() -> None:
    listing = reply(data=[{"id": "m", "object": "model"}])
    models = run(engine(Wire(listing), advertised=["bon-m"]).models(None))
    assert [model["id"] for model in models] == ["m", "bon-m"]


def test_the_last_good_list_serves_while_the_upstream_is_down() -> None:
    down = UpstreamError("the upstream cannot be reached")
    served = engine(Wire(reply(data=[{"id": "m"}]), down, reply(503), reply(data="odd")))

    async def four() -> list[list[str]]:
        return [[model["id"] for model in await served.models("Bearer a")] for _ in range(4)]

    assert run(four()) == [["m"], ["m"], ["m"], []]


def test_lists_of_different_keys_are_kept_apart() -> None:
    served = engine(Wire(reply(data=[{"id": "secret"}]), UpstreamError("down")))

    async def two() -> None:
        await served.models("Bearer a")
        with pytest.raises(UpstreamError):
            await served.models("Bearer b")

    run(two())


def test_a_refused_key_is_said_so_and_not_papered_over_with_an_old_list() -> None:
    refused = reply(401, error={"message": "bad key", "type": "invalid_request_error"})
    served = engine(Wire(reply(data=[]), refused))

    async def two() -> None:
        await served.models(None)
        with pytest.raises(UpstreamError) as error:
            await served.models(None)
        assert error.value.status == 401

    run(two())


@pytest.mark.parametrize(
    ("answer", "up"),
    [(reply(200), True), (reply(401), True), (reply(503), False), (UpstreamError("no"), False)],
)
def test_an_upstream_that_answers_at_all_is_reachable(answer: Relay | UpstreamError, up: bool) -> None:
    assert run(engine(Wire(answer)).reachable()) is up


def test_a_report_says_what_was_done() -> None:
    world = World(lambda sent: f"The answer is {sent.number}.")
    completion = world.complete("bon(n=2)-m", trace=True)
    block = completion.report.wire()
    assert block["technique"] == "bon"
    assert block["options"]["n"] == 2
    assert block["rounds"] == 2
    assert block["seconds"] == 2.0
    assert [call["name"] for call in block["trace"]["calls"]] == ["generate"] * 2 + ["judge"] * 2
    assert block["trace"]["calls"][2]["after"] == [0, 1]
    assert len(block["trace"]["critical_path"]) == 2
    assert "trace" not in world.complete("bon(n=2)-m").report.wire()


def test_a_completion_names_the_model_as_the_upstream_reports_it() -> None:
    wire = {"model": "m-2026-01", "choices": [{"message": {"role": "assistant", "content": "Hi!"}}]}
    completion = World(lambda sent: wire).complete("bon(n=1)-m")
    assert completion.model == "m-2026-01"


def test_a_fault_in_a_technique_does_not_lose_a_usable_answer(caplog: pytest.LogCaptureFixture) -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            raise ZeroDivisionError("a bug of ours")
        return f"The answer is {sent.number}."

    with caplog.at_level(logging.ERROR):
        completion = World(script).complete("bon-m")
    assert completion.report.stop_reason == "degraded"
    assert "a bug of ours" in caplog.text


def test_a_fault_before_any_answer_is_a_fault_and_logged_where_it_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def script(sent: Sent) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        World(script).complete("bon-m")
    assert [line for line in caplog.records if line.levelno > logging.INFO] == []


def test_each_request_logs_what_it_uses(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        World(lambda sent: "The answer is 4.").complete("bon-m", "a secret question")
    (line,) = (r.getMessage() for r in caplog.records if r.name.startswith("optillm"))
    assert line == "Using approach bon, with m, request test"


@pytest.mark.parametrize("modalities", [["text", "audio"], ["audio"]])
def test_what_is_more_than_text_is_one_plain_call(modalities: list[str]) -> None:
    world = World(lambda sent: "unused")
    relay = world.run(world.serve("bon-m", modalities=modalities))
    assert isinstance(relay, Relay)
    assert relay.headers["x-optillm-bypassed"] == "modalities"
    assert b'"model":"m"' in (relay.body or b"")


NEVER_PLAIN = Grant("bob", plain=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": Sender(background=True)},
        {"sender": Sender(background=True), "max_tokens": 1},
        {"sender": Sender(background=True), "stream": True},
        {"sender": Sender(background=True), "approach": "bon"},
        {"sender": Sender(background=True), "n": 3},
        {"modalities": ["text"]},
        {"logprobs": True, "top_logprobs": 3},
        {"budget": Budget(max_calls=1)},
    ],
)
@pytest.mark.parametrize("model", ["bon-m", "none&bon-m", "bon|none-m", "(none|none)&bon-m"])
def test_a_key_that_may_not_do_without_a_technique_gets_it_whatever_its_request_says(
    model: str, fields: dict[str, Any]
) -> None:
    world = World(lambda sent: f"The answer is {sent.number}.", limits=Limits(background_model="small"))

    async def main() -> Any:
        served = await world.serve(model, grant=NEVER_PLAIN, **fields)
        if isinstance(served, Stream):
            return [event async for event in served.events][-1]
        return served

    completion = world.run(main())
    assert isinstance(completion, Completion)
    assert completion.report.technique == "bon"
    assert {sent.body["model"] for sent in world.sent} == {"m"}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("m", {}),
        ("m", {"stream": True}),
        ("m", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("none-bon-m", {}),
        ("none|none-m", {}),
        ("none&none-m", {"sender": Sender(background=True)}),
        ("(none|none)&none-m", {}),
        ("bon-m", {"approach": "none"}),
        ("bon-m", {"approach": "none|none"}),
        ("m", {"approach": "auto"}),
        ("bon-m", {"modalities": ["text", "audio"]}),
        ("bon-m", {"modalities": ["audio"], "stream": True}),
        ("bon", {}),
    ],
)
def test_a_key_that_may_not_do_without_a_technique_gets_no_plain_call_by_any_way(
    model: str, fields: dict[str, Any]
) -> None:
    world = World(lambda sent: "unused")
    body = {"model": model, "messages": MESSAGES, **fields}
    own = {name: body.pop(name) for name in ("approach", "sender") if name in body}
    asked = ChatRequest(body, grant=NEVER_PLAIN, **own)
    for serve in (world.engine.complete, planned(world)):
        with pytest.raises(PermissionDenied, match="may not do without a technique"):
            world.run(serve(asked))
    assert not world.sent


def planned(world: World) -> Any:
    async def plan(request: ChatRequest) -> Any:
        return world.engine.plan(request)

    return plan


def test_a_plan_for_such_a_key_says_that_nothing_is_bypassed() -> None:
    asked = ChatRequest(
        {"model": "bon-m", "messages": MESSAGES}, grant=NEVER_PLAIN, sender=Sender(background=True)
    )
    plan = World(lambda sent: "unused").engine.plan(asked)
    assert (plan["technique"], plan["bypassed"]) == ("bon", None)


def test_a_turn_of_one_action_is_what_an_allowed_technique_may_be() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    world = World(lambda sent: Say(None, "tool_calls", {"tool_calls": [call]}))
    tools = [{"type": "function", "function": {"name": "f"}}]
    completion = world.complete("re2-m", tools=tools, grant=NEVER_PLAIN)
    assert completion.report.turn == "action"


def test_text_alone_is_no_other_modality() -> None:
    assert World(lambda sent: "Rome.").text("bon-m", modalities=["text"]) == "Rome."


class Silent(World):
    """An upstream whose relays begin when they like, and go on when they like."""

    def __init__(self, begins: float, silent: float, kind: str = "text/event-stream") -> None:
        super().__init__(lambda sent: "unused", limits=Limits(Budget(seconds=5.0)))
        self.begins, self.silent, self.kind = begins, silent, kind
        self.closed = False

    async def relay(self, *_: Any, **__: Any) -> Relay:
        await asyncio.sleep(self.begins)
        return Relay(200, {"content-type": self.kind}, chunks=self.chunks())

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for part in (b"1", b"2", b"3"):
                yield part
                await asyncio.sleep(self.silent)
        finally:
            self.closed = True


async def gathered(relay: Relay) -> list[bytes]:
    assert relay.chunks is not None
    return [part async for part in relay.chunks]


@pytest.mark.parametrize("endpoint", ["chat", "embeddings"])
@pytest.mark.parametrize("kind", ["text/event-stream", "text/event-stream; charset=utf-8"])
def test_a_relayed_stream_of_events_that_is_never_silent_for_long_may_take_its_time(
    endpoint: str, kind: str
) -> None:
    world = Silent(4, 4, kind)

    async def main() -> list[bytes]:
        serving = world.serve("m", stream=True) if endpoint == "chat" else passed_on(world)
        relay = await serving
        assert isinstance(relay, Relay)
        return await gathered(relay)

    assert world.run(main()) == [b"1", b"2", b"3"]
    assert world.closed


def passed_on(world: World) -> Any:
    return world.engine.relay(RawRequest("POST", "/embeddings", b"{}"))


@pytest.mark.parametrize("endpoint", ["chat", "embeddings"])
@pytest.mark.parametrize(("begins", "silent"), [(9, 0), (1, 9)])
def test_a_relay_that_falls_silent_ends_at_the_deadline(endpoint: str, begins: float, silent: float) -> None:
    world = Silent(begins, silent)

    async def main() -> None:
        serving = world.serve("m", stream=True) if endpoint == "chat" else passed_on(world)
        relay = await serving
        assert isinstance(relay, Relay)
        await gathered(relay)

    with pytest.raises(DeadlineExceeded):
        world.run(main())
    assert world.seconds == (5 if begins > 5 else 6)
    assert world.closed or begins > 5


@pytest.mark.parametrize("endpoint", ["chat", "embeddings"])
@pytest.mark.parametrize("kind", ["application/json", "audio/mpeg", "text/plain", ""])
def test_any_other_relay_is_whole_by_the_deadline(endpoint: str, kind: str) -> None:
    world = Silent(1, 3, kind)

    async def main() -> None:
        serving = world.serve("m", stream=True) if endpoint == "chat" else passed_on(world)
        relay = await serving
        assert isinstance(relay, Relay)
        await gathered(relay)

    with pytest.raises(DeadlineExceeded, match="did not end within the deadline"):
        world.run(main())
    assert world.seconds == 5
    assert world.closed


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
def test_a_relay_that_is_no_stream_of_events_has_a_largest_size(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passthrough, "LARGEST", 2)
    world, passed = Silent(0, 0, kind), list[bytes]()

    async def main() -> None:
        relay = await passed_on(world)
        async for part in relay.chunks:
            passed.append(part)

    with pytest.raises(UpstreamError, match="the upstream's reply is larger than"):
        world.run(main())
    assert passed == [b"1", b"2"]
    assert world.closed


def test_a_relayed_stream_of_events_may_be_as_long_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passthrough, "LARGEST", 2)
    world = Silent(0, 0)

    async def main() -> list[bytes]:
        return await gathered(await passed_on(world))

    assert world.run(main()) == [b"1", b"2", b"3"]


def embedding(model: str, grant: Grant) -> RawRequest:
    return RawRequest("POST", "/embeddings", json.dumps({"model": model}).encode(), grant=grant)


def test_other_endpoints_are_for_keys_that_may_do_without_a_technique() -> None:
    wire = Wire(reply())
    with pytest.raises(PermissionDenied, match="may not do without a technique"):
        run(engine(wire).relay(embedding("m", Grant("bob", plain=False))))
    assert wire.seen == []


def test_a_key_with_a_budget_in_dollars_reaches_other_endpoints_for_models_of_known_price_only() -> None:
    wire = Wire(reply())
    serving = Engine(
        Routes.to(wire),
        Planner(registry(), {}, "auto"),
        prices=Prices({"known": Price(input=1.0, output=1.0)}),
    )
    bounded = Grant("alice", Budget(max_cost=1.0))
    with pytest.raises(PermissionDenied, match="no price is known for 'other'"):
        run(serving.relay(embedding("other", bounded)))
    form = RawRequest("POST", "/audio/transcriptions", b"--x", "multipart/form-data", grant=bounded)
    with pytest.raises(PermissionDenied, match="no price"):
        run(serving.relay(form))
    assert wire.seen == []
    run(serving.relay(embedding("known", bounded)))
    run(serving.relay(embedding("other", Grant("bob"))))
    run(serving.relay(RawRequest("GET", "/responses/x", grant=bounded)))
    assert len(wire.seen) == 3


def test_a_technique_that_is_winding_down_gives_the_best_it_has() -> None:
    world = World(lambda sent: HANG if sent.role == "judge" else f"The answer is {sent.number}.")

    async def main() -> Any:
        serving = asyncio.ensure_future(world.serve("bon-m"))
        stream: Any = await world.serve("bon-m", stream=True)
        events = asyncio.ensure_future(anext(stream.events))
        await asyncio.sleep(2)
        assert world.engine.wind_down()
        whole: Any = await serving
        await events
        streamed = [event async for event in stream.events]
        assert not world.engine.wind_down()
        return whole, streamed[-1]

    for completion in world.run(main()):
        assert completion.report.stop_reason == "deadline"
        assert completion.replies[0].text.startswith("The answer is")
    assert world.seconds == 2
    assert world.running == 0


def test_a_technique_that_is_winding_down_with_nothing_says_why() -> None:
    world = World(lambda sent: HANG)

    async def main() -> None:
        serving = asyncio.ensure_future(world.serve("bon-m"))
        await asyncio.sleep(2)
        world.engine.wind_down()
        with pytest.raises(ShuttingDown):
            await serving
        with pytest.raises(ShuttingDown):
            await world.serve("bon-m")

    world.run(main())
    assert world.seconds == 2
