"""Traces in memory: their bounds, and what is let go where no content is kept."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest

from optillm.observe.traces.filters import Filters
from optillm.observe.traces.memory import MemoryTraces
from optillm.observe.traces.recording import RECORDING_SIZE, Recording
from tests.fakes import Sent
from tests.observe.traces.fakes import QUESTION, answer, in_turn, made, recorded, running, texts_in

EVERYTHING = Filters()


def keep(traces: MemoryTraces, recording: Recording) -> None:
    traces.begin(recording)
    traces.end(recording)


def count(traces: MemoryTraces) -> int:
    return len(traces.page(EVERYTHING, None, 10_000, None).data)


def test_only_so_many_traces_are_kept_the_newest_ones() -> None:
    traces = MemoryTraces(2**30, content=True, most=10)
    for number in range(30):
        keep(traces, made(1000.0 + number))
    listed = traces.page(EVERYTHING, None, 100, None).data
    assert [summary["created"] for summary in listed] == [1029.0 - number for number in range(10)]


def test_traces_take_only_so_many_bytes() -> None:
    size = 7 * RECORDING_SIZE
    traces = MemoryTraces(size, content=True)
    for number in range(30):
        keep(traces, made(1000.0 + number, body=b"x" * RECORDING_SIZE))  # which is also there as objects
    assert count(traces) == 2


def test_a_trace_that_is_larger_than_all_room_is_not_kept() -> None:
    traces = MemoryTraces(2**20, content=True)
    keep(traces, made(1000.0))
    keep(traces, made(1001.0, body=b"x" * 2**21))
    assert count(traces) == 0


def test_deletion_makes_room() -> None:
    traces = MemoryTraces(4 * RECORDING_SIZE, content=True)
    for number in range(20):
        recording = made(1000.0 + number, body=b"x" * RECORDING_SIZE)
        keep(traces, recording)
        traces.delete(recording.id, None)
    keep(traces, made(2000.0, body=b"x" * RECORDING_SIZE))
    assert count(traces) == 1


def test_a_request_pushed_out_while_it_runs_may_end() -> None:
    traces = MemoryTraces(2**20, content=True, most=1)
    first = running(created=1000.0)
    traces.begin(first)
    keep(traces, made(1001.0))
    traces.end(first)
    assert count(traces) == 1


def test_the_size_of_a_recording_counts_each_text_once() -> None:
    long = QUESTION * 1000
    recording = recorded(in_turn(answer(1)), "bon(n=8)-m", long)
    assert len(long) < recording.size < 2 * len(long)
    judged = recorded(in_turn(answer(1), answer(2), judges="no"), "bon(n=2,proof=0)-m", long)
    assert judged.size > 3 * len(long)  # the conversation, and each judge's prompt that quotes it


def test_without_content_no_text_is_kept_in_memory() -> None:
    traces = MemoryTraces(2**26, content=False)
    recording = recorded(in_turn(answer("elephant")), "bon(n=2)-m", "What is grey?")
    keep(traces, recording)
    whole = traces.document(recording.id, None)
    assert whole is not None
    assert not any("elephant" in text or "grey" in text for text in texts_in(whole))
    gone = weakref.ref(recording.trace)
    del recording
    gc.collect()
    assert gone() is None


def test_without_content_nothing_can_be_searched_for_in_texts() -> None:
    traces = MemoryTraces(2**26, content=False)
    keep(traces, made(1000.0))
    assert traces.page(Filters(text="marbles"), None, 5, None).data == []


def test_images_thoughts_and_log_probabilities_have_a_size() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    body = json.dumps({"model": "bon-m", "messages": [{"role": "user", "content": [image]}]}).encode()
    assert made(body=body).size > 200_000

    def script(sent: Sent) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer(1), "reasoning_content": "hm " * 10_000}
        token = {"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b", "logprob": -2.0}] * 5}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "stop",
            "logprobs": {"content": [token] * 100},
        }
        return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    assert recorded(script, "bon(n=1)-m").size > 30_000 + 100 * 6 * 500


@pytest.mark.parametrize("alternatives", [5, "a", {"token": "b"}, [5]], ids=repr)
def test_log_probabilities_with_a_shape_of_their_own_have_a_size(alternatives: Any) -> None:
    def script(sent: Sent) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": answer(1)},
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "a", "logprob": -1.0, "top_logprobs": alternatives}, 5]},
        }
        return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    assert recorded(script, "bon(n=1)-m").size > 1000
