"""The line of the log that each request leaves."""

from __future__ import annotations

import logging

import pytest

from optillm.observe.access import log_request, sentence
from optillm.observe.record import Record
from tests.fakes import World
from tests.observe.fakes import plain, record


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (record(), "bon-m: complete in 1.50 s, 5 calls in 2 rounds, 45 tokens, request r1"),
        (
            record(status=503, stop=None),
            "bon-m: status 503 in 1.50 s, 5 calls in 2 rounds, 45 tokens, request r1",
        ),
        (
            record(status=504, stop=None, reason="the deadline passed"),
            "bon-m: status 504 in 1.50 s, 5 calls in 2 rounds, 45 tokens, request r1: the deadline passed",
        ),
        (plain(), "Using approach none, with m: status 200 in 1.50 s, 45 tokens, request r1"),
        (plain(status=404, usage=None), "Using approach none, with m: status 404 in 1.50 s, request r1"),
        (plain(endpoint="/embeddings", usage=None), "/embeddings with m: status 200 in 1.50 s, request r1"),
        (
            plain(endpoint="/responses/1", model="", usage=None),
            "/responses/1 with no model: status 200 in 1.50 s, request r1",
        ),
    ],
)
def test_says_how_a_request_ended_and_what_it_took(ended: Record, line: str) -> None:
    assert sentence(ended) == line


def test_a_line_has_the_fields_of_the_record_and_nothing_of_the_conversation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(lambda sent: "The answer is 4.")
    world.complete("bon-m", "a secret question")
    with caplog.at_level(logging.INFO):
        log_request(world.records[0])
    (line,) = caplog.records
    assert line.getMessage() == "bon-m: settled in 1.00 s, 3 calls in 1 rounds, 45 tokens, request test"
    assert vars(line)["fields"]() == world.records[0].line()
    assert "secret" not in str(vars(line))
