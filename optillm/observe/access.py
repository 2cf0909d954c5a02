"""The access log: a line for each request that has ended.

With `--log-format json` it has fields.
"""

from __future__ import annotations

import logging
from typing import Final

from optillm.chat import CHAT, NONE
from optillm.observe.record import Record

LONGEST_REASON: Final = 200
"""Characters of the reason for which a request failed."""

log = logging.getLogger(__name__)


def log_request(record: Record) -> None:
    """Log a request that has ended; this is an `Observer`."""
    log.info("%s", sentence(record), extra={"fields": record.line})


def sentence(record: Record) -> str:
    """Return a request's log line: what ran, how it ended, what it took, why it failed."""
    reason = f": {record.reason[:LONGEST_REASON]}" if record.reason else ""
    return f"{_outcome(record)}, request {record.request_id}{reason}"


def _outcome(record: Record) -> str:
    duration = f"in {record.seconds:.2f} s"
    tokens = "" if record.usage is None else f", {record.usage.total_tokens} tokens"
    if record.technique == NONE:
        subject = "Using approach none," if record.endpoint == CHAT else record.endpoint
        return f"{subject} with {record.model or 'no model'}: status {record.status} {duration}{tokens}"
    end = record.stop or f"status {record.status}"
    calls = sum(record.calls.values())
    work = f"{calls} calls in {record.rounds} rounds{tokens}"
    return f"{record.technique}-{record.model}: {end} {duration}, {work}"
