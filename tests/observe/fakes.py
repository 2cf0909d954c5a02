"""Records as the engine makes them."""

from __future__ import annotations

from typing import Any

from optillm.chat import Usage
from optillm.observe.record import Record


def record(**changes: Any) -> Record:
    """A request that `bon` answered."""
    known: dict[str, Any] = {
        "request_id": "r1",
        "endpoint": "/chat/completions",
        "client": None,
        "technique": "bon",
        "model": "m",
        "status": 200,
        "started": 1_700_000_000.0,
        "seconds": 1.5,
        "stop": "complete",
        "rounds": 2,
        "calls": {"generate": 3, "judge": 2},
        "usage": Usage(30, 15),
    }
    return Record(**known | changes)


def plain(**changes: Any) -> Record:
    """A request that was passed on."""
    return record(**{"technique": "none", "stop": None, "rounds": 0, "calls": {}} | changes)
