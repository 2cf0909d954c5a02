from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.chat import Usage
from optillm.observe.usage import TAIL_SIZE, Meter, usage_in


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


CHUNK = event(choices=[{"delta": {"content": "x"}}])
LAST = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
DONE = b"data: [DONE]\n\n"


def metered(*parts: bytes) -> Usage | None:
    meter = Meter(prompt_tokens=5)
    for part in parts:
        meter.take(part)
    return meter.usage


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_reads_the_usage_at_the_end_of_a_stream_however_it_is_cut(size: int) -> None:
    stream = CHUNK * 50 + LAST + DONE
    parts = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert metered(*parts) == Usage(7, 3)


def test_a_long_part_leaves_only_its_tail() -> None:
    assert metered(CHUNK * (TAIL_SIZE // len(CHUNK) + 5) + LAST + DONE) == Usage(7, 3)


def test_a_stream_that_does_not_say_counts_its_events_and_is_marked() -> None:
    assert metered(CHUNK, CHUNK * 12, event(choices=[{"finish_reason": "stop"}]), DONE) == Usage(
        5, 12, estimated=True
    )


def test_the_word_in_an_answer_is_no_usage() -> None:
    said = event(choices=[{"delta": {"content": 'the "usage" of {'}}])
    usage = metered(CHUNK, said, DONE)
    assert usage is not None
    assert usage.estimated


def test_nothing_passed_is_nothing_known() -> None:
    assert metered() is None


def test_reads_what_a_response_says() -> None:
    done = {
        "usage": {"input_tokens": 4, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 2}}
    }
    assert metered(event(type="response.completed", response=done)) == Usage(4, 9, reasoning_tokens=2)


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        (b'{"usage": {"prompt_tokens": 8, "total_tokens": 8}}', Usage(8, 0)),
        (b'{"usage": {"input_tokens": 2, "output_tokens": 1}}', Usage(2, 1)),
        (b'{"usage": null}', None),
        (b'{"usage": 3}', None),
        (b'["usage"]', None),
        (b'"usage"', None),
        (b"ID3 usage", None),
        (b'not "usage" json', None),
        (b'{"response": [], "usage": {"prompt_tokens": 1}}', Usage(1, 0)),
    ],
)
def test_reads_the_usage_of_a_whole_reply(content: bytes, usage: Usage | None) -> None:
    assert usage_in(content) == usage


@pytest.mark.parametrize("size", [1000, 10_000, 10**6])
def test_reads_the_usage_of_a_reply_too_long_for_one_piece(size: int) -> None:
    vectors = [{"index": i, "embedding": [0.125] * 64} for i in range(200)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    content = json.dumps({"object": "list", "data": vectors, "model": "e", "usage": usage}, indent=1).encode()
    assert metered(*(content[i : i + size] for i in range(0, len(content), size))) == Usage(7, 0)


@pytest.mark.parametrize("end", ['"usage"', '"usage": null}', '"usage": "no"}', '"usage": {"a": ', '"usag'])
def test_a_long_reply_that_does_not_say_is_not_known(end: str) -> None:
    assert metered(b'{"data": [' + b"0, " * TAIL_SIZE + b"0], " + end.encode()) is None
