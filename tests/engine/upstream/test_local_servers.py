"""Local servers: called by streams, as many calls at a time as there are slots, which are freed when clients leave."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from optillm.chat import Budget, Completion, Relay, Stream
from optillm.engine.call.hedging import STALL
from optillm.engine.upstream.limiter import FIRST_WINDOW, Limiters
from optillm.engine.upstream.local_servers import is_local, read_properties, root_of
from optillm.engine.upstream.routes import SLOTS_AGAIN, SLOTS_KNOWN, Route, Routes
from optillm.errors import UpstreamError
from tests.fakes import Sent, World, run
from tests.slot_wire import Reply
from tests.slots import SlotWorld

ANSWER = "The answer is 4."
VOTE = "self_consistency(samples=8,mode=fixed,tie=shortest)"
"""One round of eight calls."""


def answering(sent: Sent) -> Reply:
    """Answers of different lengths."""
    return Reply(f"The answer is {sent.number % 3}.", tokens=Random(sent.number).randint(30, 120))


def requests(model: str, count: int) -> list[tuple[str, str]]:
    return [(model, f"What is 2 + {number}?") for number in range(count)]


def window(world: World) -> float:
    """How many calls may run at a time."""
    return world.engine.routes.all[0].limiters.of(None, "m").window


def done(answers: list[Any]) -> list[Completion]:
    assert all(isinstance(answer, Completion) for answer in answers), answers
    return answers


# Which upstreams they are.


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8080/v1", True),
        ("http://127.0.0.1:8080/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://0.0.0.0:8080/v1", True),
        ("http://192.168.1.20:1234/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://172.20.0.5:8000/v1", True),
        ("http://[fd00::7]:8000/v1", True),
        ("http://ollama:11434/v1", True),
        ("http://host.docker.internal:11434/v1", True),
        ("http://gpu.local:8000/v1", True),
        ("http://vllm.models.svc.cluster.local/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://llm.example.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://[2606:4700::1111]/v1", False),
        ("https://local.example.com/v1", False),
        ("", False),
    ],
)
def test_a_private_address_is_local(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_the_server_itself_is_above_v1() -> None:
    assert root_of("http://localhost:8080/v1/") == root_of("http://localhost:8080") == "http://localhost:8080"
    assert root_of("http://localhost/llm/v1") == "http://localhost/llm"


# How many slots they have.


@pytest.mark.parametrize(
    "body",
    [b"", b"not JSON", b"[]", b'{"total_slots": "8"}', b'{"total_slots": 0}', b'{"total_slots": 100000}'],
)
def test_slots_that_make_no_sense_are_not_known(body: bytes) -> None:
    class Odd(World):
        async def relay(self, *_: Any, **__: Any) -> Relay:
            return Relay(200, {}, body)

    assert run(read_properties(Odd(lambda sent: ANSWER))).slots is None


def test_a_server_that_cannot_be_asked_for_its_slots_is_used_all_the_same() -> None:
    class Down(SlotWorld):
        async def relay(self, *_: Any, **__: Any) -> Relay:
            raise UpstreamError("no")

    assert Down(lambda sent: ANSWER).text("re2-m") == ANSWER


def test_a_server_that_was_too_busy_to_tell_its_slots_is_soon_asked_again() -> None:
    class Busy(SlotWorld):
        asked = 0

        async def relay(self, *arguments: Any, **fields: Any) -> Relay:
            self.asked += 1
            if self.asked == 1:
                raise UpstreamError("the upstream did not answer in time")
            return await super().relay(*arguments, **fields)

    world = Busy(answering, slots=3)

    async def later() -> None:
        await world.serve("re2-m")
        assert window(world) == FIRST_WINDOW
        await asyncio.sleep(SLOTS_AGAIN)
        await world.serve("re2-m")
        assert window(world) == 3

    world.run(later())


def test_no_more_calls_run_at_a_time_than_there_are_slots() -> None:
    world = SlotWorld(answering, slots=3)
    done(world.at_once(requests(VOTE + "-m", 4)))
    assert window(world) == 3
    assert world.books.most_busy == 3
    assert world.seconds < 1.05 * world.ideal_seconds


def test_slots_are_looked_up_now_and_then() -> None:
    world = SlotWorld(answering, slots=2)

    async def later() -> None:
        await world.serve("re2-m")
        assert window(world) == 2
        world.server.slots = 5
        await world.serve("re2-m")
        assert window(world) == 2
        await asyncio.sleep(SLOTS_KNOWN)
        await world.serve("re2-m")
        await asyncio.sleep(1)
        assert window(world) == 5
        world.props = False
        await asyncio.sleep(SLOTS_KNOWN)
        await world.serve("re2-m")
        await asyncio.sleep(1)

    world.run(later())
    assert window(world) == FIRST_WINDOW


@pytest.mark.parametrize(("slots", "prompt_rate"), [(1, 1000.0), (4, 100.0), (4, 1000.0), (16, 1000.0)])
def test_a_server_that_does_not_tell_its_slots_is_given_about_as_many_calls(
    slots: int, prompt_rate: float
) -> None:
    world = SlotWorld(answering, slots=slots, prompt_rate=prompt_rate, props=False)
    done(world.at_once(requests(VOTE + "-m", 16)))
    assert slots <= window(world) <= 1.5 * slots + 4
    assert world.books.most_busy == slots
    assert world.seconds < 1.05 * world.ideal_seconds


def test_a_large_server_is_soon_used_to_the_full() -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=20), slots=64, props=False)
    done(world.at_once(requests(VOTE + "-m", 16)))
    assert world.books.most_busy >= 48
    assert world.seconds < 1.1 * world.ideal_seconds


def test_a_small_request_does_not_wait_for_all_calls_of_a_large_one() -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=50), slots=2)
    many = VOTE.replace("8", "32") + "-m"
    ends = dict[str, float]()

    async def timed(model: str) -> None:
        await world.serve(model, f"{model}?")
        ends[model] = asyncio.get_running_loop().time()

    async def both() -> None:
        await world.serve("re2-m")  # the slots are known from then on
        await asyncio.gather(timed(many), timed("re2-m"))

    world.run(both())
    assert ends["re2-m"] < 0.2 * ends[many]


def test_a_trace_tells_how_long_calls_waited_for_their_turn() -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=50), slots=1)

    async def traced() -> Completion:
        await world.serve("re2-m")
        completion = await world.serve("self_consistency(samples=3,mode=fixed,tie=shortest)-m", trace=True)
        assert isinstance(completion, Completion)
        return completion

    trace = world.run(traced()).report.trace
    assert trace is not None
    first, second, third = trace["calls"]
    assert "optillm.queued" not in first
    assert second["optillm.queued"] == pytest.approx(first["seconds"], abs=0.01)
    assert third["optillm.queued"] == pytest.approx(second["seconds"], abs=0.01)


# How they are called.


def test_replies_are_put_together_from_streams_that_tell_their_usage() -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=20))
    completion = world.complete("re2-m")
    assert completion.replies[0].text == ANSWER
    assert completion.usage is not None
    assert not completion.usage.estimated
    assert completion.usage.completion_tokens == world.books.generated == 20
    assert [sent.body["stream"] for sent in world.sent] == [True]


def test_a_server_without_streams_is_called_for_whole_replies_from_then_on() -> None:
    world = SlotWorld(lambda sent: ANSWER, streams=False)
    assert world.text("re2-m") == ANSWER
    before = len(world.sent)
    assert world.text("re2-m") == ANSWER
    assert [sent.body.get("stream") for sent in world.sent[before:]] == [False]


def test_a_client_that_wants_a_stream_of_such_a_server_gets_the_text_at_once() -> None:
    world = SlotWorld(lambda sent: ANSWER, streams=False)
    for _ in range(2):
        [*_, (_, last)] = world.events("re2-m")
        assert isinstance(last, Completion)
        assert last.replies[0].text == ANSWER


def test_usage_is_estimated_where_a_stream_may_not_be_asked_for_it() -> None:
    world = SlotWorld(lambda sent: ANSWER)
    world.refuses = ("stream_options",)
    completion = world.complete("re2-m")
    assert completion.replies[0].text == ANSWER
    assert completion.usage is not None
    assert completion.usage.estimated
    before = len(world.sent)
    world.complete("re2-m")
    assert len(world.sent) == before + 1


def test_choices_are_drawn_singly_instead_of_waiting_for_many_free_slots() -> None:
    world = SlotWorld(answering, slots=4)
    done(world.at_once(requests("bon(n=4)-m", 2)))
    assert not any("n" in sent.body for sent in world.sent)


# What is freed when nobody waits any more.


@pytest.mark.parametrize("technique", ["bon", "moa", "mcts", "pvg", "self_consistency", "re2"])
def test_no_slot_is_busy_once_the_client_has_left(technique: str) -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=500), slots=8)

    async def leave() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await world.serve(f"{technique}-m")

    world.run(leave())
    assert world.seconds == 10
    assert world.books.idle_at == 10
    assert world.books.zombies == 0


def test_a_stream_that_is_left_frees_its_slot() -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=500), slots=8)

    async def leave() -> None:
        stream = await world.serve("moa-m", stream=True)
        assert isinstance(stream, Stream)
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                async for _ in stream.events:
                    pass

    world.run(leave())
    assert world.books.idle_at == world.seconds


def test_a_deadline_frees_all_slots() -> None:
    world = SlotWorld(
        lambda sent: Reply(f"The answer is {sent.number}.", tokens=100 if sent.number < 2 else 2000)
    )
    completion = world.complete("bon-m", budget=Budget(seconds=20))
    assert completion.report.stop_reason == "deadline"
    assert world.seconds == 20
    assert world.books.idle_at == 20


def test_a_vote_that_is_decided_frees_the_slots_of_the_others() -> None:
    world = SlotWorld(lambda sent: Reply(ANSWER, tokens=20 if sent.number < 6 else 2000))
    completion = world.complete("self_consistency-m")
    assert completion.report.stop_reason == "settled"
    assert world.books.idle_at == world.seconds
    assert world.books.generated < 8 * 25


def test_a_judges_call_ends_once_its_verdict_is_complete() -> None:
    def script(sent: Sent) -> Reply:
        if sent.role == "judge":
            return Reply('{"ranking": ["A", "B", "C", "D"]}' + " and so on" * 200, tokens=600)
        return Reply(f"The answer is {sent.number}.", tokens=20)

    world = SlotWorld(script)
    completion = world.complete("bon-m")
    judges = world.of("judge")
    assert judges
    assert completion.report.losses.get("abstained", 0) == 0
    assert world.books.generated < 4 * 20 + len(judges) * 60


def test_a_judge_that_ends_with_its_verdict_tells_its_usage() -> None:
    def script(sent: Sent) -> Reply:
        if sent.role == "judge":
            return Reply('{"ranking": ["A", "B", "C"]}', tokens=9)
        return Reply(f"The answer is {sent.number}.", tokens=20)

    world = SlotWorld(script, slots=2)
    completion = world.complete("bon-m")
    assert world.of("judge")
    assert completion.usage is not None
    assert not completion.usage.estimated
    assert completion.usage.completion_tokens == world.books.generated


def test_a_judges_call_ends_when_it_repeats_itself() -> None:
    def script(sent: Sent) -> Reply:
        if sent.role == "judge":
            return Reply("I think that all are good. " * 400, tokens=2800)
        return Reply(f"The answer is {sent.number}.", tokens=20)

    world = SlotWorld(script)
    completion = world.complete("bon-m")
    judges = world.of("judge")
    assert judges
    assert completion.report.losses["abstained"] == len(judges)
    assert world.books.generated < 4 * 20 + len(judges) * 120


# What is made again.


def test_nothing_is_repeated_while_the_one_server_generates() -> None:
    """The worst case seen: eight verifiers became 32 calls on eight slots."""

    def script(sent: Sent) -> Reply:
        return Reply(ANSWER, tokens=20 if sent.role == "generate" else 900)

    world = SlotWorld(script, slots=2)
    world.complete("pvg-m")
    calls = [
        (sent.role, str(sent.body["messages"])) for sent in world.sent if sent.body.get("temperature") == 0
    ]
    assert len(calls) == len(set(calls))
    assert world.books.zombies == 0


def test_a_stream_that_stops_in_its_middle_is_made_again() -> None:
    class Stalling(World):
        local = True

        async def stream(self, body: Any, authorization: str | None) -> Any:
            with self._call(body, authorization) as sent:
                await asyncio.sleep(1)
                yield {"choices": [{"index": 0, "delta": {"content": "The answer "}}]}
                if sent.number == 0:
                    await asyncio.get_running_loop().create_future()
                yield {"choices": [{"index": 0, "delta": {"content": "is 4."}, "finish_reason": "stop"}]}

    world = Stalling(lambda sent: ANSWER)
    assert world.text("re2-m") == ANSWER
    assert 1 + STALL + 1 <= world.seconds < 1 + STALL + 2
    assert [sent.outcome for sent in world.sent] == ["cancelled", "ok"]


def test_a_stream_that_comes_slowly_is_not_made_again() -> None:
    class Slow(World):
        local = True

        async def stream(self, body: Any, authorization: str | None) -> Any:
            with self._call(body, authorization):
                for piece in ["The ", "answer ", "is ", "4."]:
                    await asyncio.sleep(STALL - 1)
                    yield {"choices": [{"index": 0, "delta": {"content": piece}}]}
                yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    world = Slow(lambda sent: ANSWER)
    world.complete("re2-m")
    world.sent.clear()
    assert world.text("re2-m") == ANSWER
    assert len(world.sent) == 1


def test_what_one_upstream_began_is_not_measured_at_the_next() -> None:
    class Breaking(World):
        base_url = "http://127.0.0.1:8081/v1"

        async def stream(self, body: Any, authorization: str | None) -> Any:
            with self._call(body, authorization):
                await asyncio.sleep(1)
                yield {"choices": [{"index": 0, "delta": {"content": "The answer "}}]}
                raise UpstreamError("the upstream broke off the connection", retryable=True)

    breaking, sound = Breaking(lambda sent: ANSWER), SlotWorld(lambda sent: Reply(ANSWER, tokens=40))
    upstreams = (breaking, sound)
    routes = Routes(
        [
            Route(upstream, Limiters(8, queues=True), name=str(order), order=order, streams=True, local=True)
            for order, upstream in enumerate(upstreams)
        ]
    )
    sound.engine.routes = sound.engine.runs._routes = routes
    assert sound.text("re2-m") == ANSWER
    silence, duration = (
        latencies.typical(("write", "m")) for latencies in (routes.silences, routes.durations)
    )
    assert silence is not None
    assert duration is not None
    assert 0 < silence.seconds < duration.seconds == pytest.approx(1.0, abs=0.2)
