"""One line of the log for each request that has ended; with `--log-format json` its fields beside it."""

from __future__ import annotations

import logging
from typing import Final

from optillm.engine.exchange import CHAT
from optillm.engine.plan import NONE
from optillm.engine.record import Record

LONGEST_REASON: Final = 200
"""Characters of why a request failed."""

log = logging.getLogger(__name__)


def noted(record: Record) -> None:
    """Log a request; an observer of requests."""
    log.info("%s", told(record), extra={"fields": record.line})


def told(record: Record) -> str:
    """The record as a sentence."""
    end = f", request {record.request_id}"
    if record.reason:
        end += f": {record.reason[:LONGEST_REASON]}"
    return _gist(record) + end


def _gist(record: Record) -> str:
    took = f"in {record.seconds:.2f} s"
    tokens = "" if record.usage is None else f", {record.usage.total_tokens} tokens"
    if record.technique == NONE:
        what = "Using approach none," if record.endpoint == CHAT else record.endpoint
        return f"{what} with {record.model or 'no model'}: status {record.status} {took}{tokens}"
    end = record.stop or f"status {record.status}"
    calls = sum(record.calls.values())
    spent = f"{calls} calls in {record.rounds} rounds{tokens}"
    return f"{record.technique}-{record.model}: {end} {took}, {spent}"
