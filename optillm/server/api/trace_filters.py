"""Read which traces a list is to hold from the query of its URL."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from optillm.errors import InvalidRequest
from optillm.observe.traces.filters import Cursor, Filters

STATUSES: Final = ("running", "ok", "failed", "cancelled")
STOPS: Final = ("complete", "settled", "budget", "deadline", "degraded")
LONGEST: Final = 200
"""Characters of a text to filter by."""
USUAL_PAGE, LARGEST_PAGE = 50, 200  # traces in a list

_DIGITS = re.compile(r"[0-9]{1,9}")


def filters_of(query: Mapping[str, str]) -> Filters:
    """Return the filters in a query.

    A parameter that is empty, as an empty field of a form is, counts as absent. Raises `InvalidRequest`, whose
    `param` names the one at fault.
    """
    chosen: dict[str, Any] = {}
    for parameter, (field, read) in PARAMETERS.items():
        text = query.get(parameter, "").strip()
        if text:
            try:
                chosen[field] = read(text)
            except ValueError as error:
                raise InvalidRequest(f"{parameter} must be {error}", param=parameter) from None
    return Filters(**chosen)


def read_limit(text: str) -> int:
    """Return how many traces a list is to hold; raises `InvalidRequest`."""
    if not text:
        return USUAL_PAGE
    if not (_DIGITS.fullmatch(text) and 1 <= int(text) <= LARGEST_PAGE):
        raise InvalidRequest(f"limit must be a whole number from 1 to {LARGEST_PAGE}", param="limit")
    return int(text)


def read_cursor(text: str) -> str | None:
    """Return the place behind which a list is to begin; raises `InvalidRequest`."""
    if not text:
        return None
    try:
        return str(Cursor.read(text))
    except ValueError:
        raise InvalidRequest("after must be the next_cursor of a list", param="after") from None


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"at most {LONGEST} characters long")
    return text


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return read


def _least(text: str) -> float:
    number = _number(text)
    if number is None or number < 0:
        raise ValueError("a number that is not negative")
    return number


def _time(text: str) -> float:
    """Return Unix time; a date without a zone is taken as UTC."""
    number = _number(text)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("seconds of Unix time, or a date and time like 2026-01-31T12:00:00Z") from None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


PARAMETERS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "technique": ("technique", _text),
    "model": ("model", _text),
    "client": ("client", _text),
    "q": ("text", _text),
    "status": ("status", _one_of(STATUSES)),
    "stop": ("stop", _one_of(STOPS)),
    "since": ("since", _time),
    "until": ("until", _time),
    "min_seconds": ("least_seconds", _least),
    "min_cost": ("least_cost", _least),
}
"""Each parameter of the query with its field of `Filters`, and what reads it."""
