"""What an upstream's refusals may tell: its status and words, without anything that looks like a key."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from optillm.errors import UpstreamError

RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
FORWARDED: Final = frozenset(
    {"retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms", "openai-version"}
)
"""Headers of a reply that clients get to see, with those of rate limits; others may tell of the operator's account."""
RATES: Final = "x-ratelimit-"

_WORD = re.compile(rb"[A-Za-z0-9_\-*.]{12,}")
_PREFIXES = (b"sk-", b"sk_", b"pk-", b"pk_", b"gsk_", b"csk-", b"xai-", b"key-", b"hf_", b"AIza")

Redact = Callable[[bytes], bytes]


def redacted(content: bytes) -> bytes:
    """An error body without anything that looks like a key: some vendors quote the one they refuse."""
    return _WORD.sub(lambda word: b"[redacted]" if _like_a_key(word[0]) else word[0], content)


def _like_a_key(word: bytes) -> bool:
    masked = b"***" in word.strip(b"*")  # in bold print the asterisks stand around a word
    return masked or (word.startswith(_PREFIXES) and any(48 <= character <= 57 for character in word))


def refused(status: int, headers: Mapping[str, str], content: bytes, redact: Redact) -> UpstreamError:
    """The error that a reply with a status other than 2xx is."""
    if 300 <= status < 400:
        text = f"the upstream redirects (status {status}); its address must be given as it is"
        return UpstreamError(text)
    try:
        body = orjson.loads(redact(content))
    except orjson.JSONDecodeError:
        body = None
    body = body if isinstance(body, dict) else {}
    return UpstreamError(
        message_of(body) or f"the upstream answered with status {status}",
        status=status if 400 <= status < 600 else 502,
        upstream_body=body,
        retryable=status in RETRYABLE,
        retry_after=_seconds(headers),
        headers=forwarded(headers),
    )


def message_of(body: Mapping[str, Any]) -> str:
    """The words of an error body; empty when it has none."""
    error = body.get("error", body)
    message = error.get("message") if isinstance(error, Mapping) else error
    return message if isinstance(message, str) else ""


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a reply that clients get to see; `Retry-After` only where it says something."""
    seen = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in seen.items()
        if (name in FORWARDED or name.startswith(RATES))
        and (not name.startswith("retry-after") or _sensible(value))
    }


def _seconds(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:  # else absent, or an HTTP date: the back-off serves as well
            return seconds * unit
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _sensible(retry_after: str) -> bool:
    return _number(retry_after) is not None or retry_after.endswith("GMT")
