"""What the engine records of its requests, and where it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from optillm.chat import Budget, Completion, RawRequest, Relay, Stream
from optillm.engine.call.cache import Cache
from optillm.errors import OptillmError
from optillm.observe.entry import TRACE
from optillm.observe.traces.document import document
from optillm.observe.traces.recording import Recording
from tests.engine.call.test_cached import Memory
from tests.fakes import HANG, Say, Sent, World, failing
from tests.observe.traces.fakes import Recorded, answer, in_turn


def world(script: Any = None, **more: Any) -> tuple[World, Recorded]:
    recordings = Recorded()
    return World(
        script or in_turn(answer(86), answer(69), judges="no"), recorder=recordings, **more
    ), recordings


def kinds(recording: Recording) -> list[str]:
    return [decision["kind"] for decision in document(recording, content=True)["decisions"]]


def texts(recording: Recording) -> list[str]:
    return [decision["text"] for decision in document(recording, content=True)["decisions"]]


def test_a_completion_names_its_trace() -> None:
    scene, recordings = world()
    completion = scene.complete("bon-m")
    assert completion.report.trace_id == recordings[0].id
    assert completion.report.trace is None  # which was not asked for


def test_a_trace_in_the_reply_is_stored_too() -> None:
    scene, recordings = world()
    completion = scene.complete("bon-m", trace=True)
    assert completion.report.trace is not None
    assert completion.report.trace_id == recordings[0].id


@pytest.mark.parametrize("model", ["bon-m", "m"])
def test_a_request_can_keep_out_of_the_traces(model: str) -> None:
    scene, recordings = world()
    outcome = scene.run(scene.serve(model, trace=False))
    assert recordings == []
    if isinstance(outcome, Completion):
        assert outcome.report.trace_id is None
    if isinstance(outcome, Relay):
        assert TRACE not in outcome.headers


def test_without_a_store_nothing_is_named() -> None:
    assert World(in_turn(answer(1))).complete("bon-m").report.trace_id is None


def test_a_stream_names_its_trace_before_it_begins() -> None:
    scene, recordings = world()

    async def main() -> str | None:
        stream = await scene.serve("bon-m", stream=True)
        assert isinstance(stream, Stream)
        assert not recordings
        async for _ in stream.events:
            pass
        return stream.trace_id

    assert scene.run(main()) == recordings[0].id


def test_a_relay_names_its_trace() -> None:
    scene, recordings = world()
    relay: Any = scene.run(scene.serve("m"))
    assert relay.headers[TRACE] == recordings[0].id


def test_an_error_names_its_trace() -> None:
    def script(sent: Sent) -> str:
        raise failing(400)

    scene, recordings = world(script)
    with pytest.raises(OptillmError) as raised:
        scene.complete("bon-m")
    assert raised.value.headers[TRACE] == recordings[0].id
    assert recordings[0].record is not None


def test_requests_for_other_endpoints_are_recorded_if_they_may_cost_something() -> None:
    scene, recordings = world()
    request = RawRequest("POST", "/embeddings", b'{"model": "m", "input": "Hi"}')
    scene.run(scene.engine.relay(request))
    scene.run(scene.engine.relay(RawRequest("GET", "/responses/resp_1")))
    (recording,) = recordings
    whole = document(recording, content=True)
    assert (whole["endpoint"], whole["request"]["question"]) == ("/embeddings", "Hi")


def test_a_form_with_a_file_is_recorded_without_it() -> None:
    scene, recordings = world()
    request = RawRequest("POST", "/audio/transcriptions", b"sound", "multipart/form-data; boundary=x")
    scene.run(scene.engine.relay(request))
    assert document(recordings[0], content=True)["request"]["body"] is None


def test_a_client_that_leaves_leaves_a_cancelled_trace() -> None:
    scene, recordings = world(lambda sent: Say(HANG))

    async def main() -> None:
        task = asyncio.ensure_future(scene.serve("bon(n=2)-m"))
        await asyncio.sleep(0.5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    scene.run(main())
    whole = document(recordings[0], content=True)
    assert whole["status"] == "cancelled"
    assert {call["status"] for call in whole["calls"]} == {"cancelled"}


def test_a_store_that_fails_costs_no_answer() -> None:
    class Broken(Recorded):
        def begin(self, recording: Recording) -> None:
            raise OSError

        end = begin

    scene = World(in_turn(answer(1)), recorder=Broken())
    assert scene.text("bon-m") == answer(1)


def test_stragglers_that_are_cut_are_recorded() -> None:
    scene, recordings = world(lambda sent: Say(answer(42), seconds=1.0 if sent.number < 4 else 5.0))
    scene.complete("self_consistency(samples=8)-m")
    assert "4 of 8 calls were no longer needed" in texts(recordings[0])
    assert kinds(recordings[0]).count("settled") == 1


def test_samples_beyond_the_budget_are_recorded() -> None:
    scene, recordings = world()
    scene.complete("bon(n=3)-m", budget=Budget(max_tokens=60), max_tokens=10)
    assert "budget" in kinds(recordings[0])


def test_a_deadline_is_recorded() -> None:
    scene, recordings = world(in_turn(answer(1), answer(2), judges=lambda sent: Say(HANG)))  # type: ignore[arg-type,return-value]
    scene.complete("bon(n=2)-m", budget=Budget(seconds=3))
    assert "deadline" in kinds(recordings[0])


def test_replies_that_cannot_be_used_are_recorded_with_their_candidate() -> None:
    scene, recordings = world(lambda sent: Say(answer(1), "length" if sent.number == 1 else "stop"))
    scene.complete("bon(n=3)-m")
    (lost,) = [d for d in document(recordings[0], content=True)["decisions"] if d["kind"] == "lost"]
    assert (lost["text"], lost["data"]) == ("a reply was cut off at its length limit", {"candidate": 1})


def test_what_a_technique_says_on_its_way_is_recorded_even_if_nobody_watches() -> None:
    scene, recordings = world()
    scene.complete("bon(n=2)-m")
    assert "judging 2 different answers" in texts(recordings[0])


def test_a_reply_from_the_cache_is_a_call_with_candidates() -> None:
    scene, recordings = world(cache=Cache(Memory()))

    async def main() -> None:
        for _ in range(2):
            await scene.serve("bon(n=1)-m")

    scene.run(main())
    calls: Sequence[dict[str, Any]] = document(recordings[1], content=True)["calls"]
    assert [(call["cached"], call["candidates"]) for call in calls] == [(1, [0])]
    assert calls[0]["replies"][0]["text"] == answer(86)
