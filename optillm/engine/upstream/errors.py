"""Read what upstreams say when they fail a call, in whatever shape.

The result is a status and words, and nothing like a key. Failures come with an error status, or inside a 200: as the
whole body, beside a choice, or in a chunk of a stream.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import orjson

from optillm.engine.upstream.credit import out_of_credit
from optillm.engine.upstream.sse_events import EventReader
from optillm.errors import UpstreamError

OVERLOADED: Final = 529
"""What Anthropic and others say when they are overloaded."""
RETRYABLE: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
        OVERLOADED,
    }
)
FORWARDED: Final = frozenset(
    {"retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms", "openai-version"}
)
"""Headers of a reply that clients get to see, with those of rate limits; others may tell of the operator's account."""
RATES: Final = "x-ratelimit-"

LONGEST: Final = 2000
"""Characters of words that are kept."""
LARGEST_ERROR: Final = 2**18
"""Bytes of an error's body that are read: to look for keys in all of 32 MB would keep other requests waiting."""
STATUSES: Final = ("code", "status", "status_code", "statusCode", "http_status", "http_code", "error_code")
"""Where an error may hold its HTTP status."""
CODES: Final = ("code", "type", "status", "error_code")
"""Where an error may have a code or a type."""
WORDS: Final = (
    *(
        "message",
        "Message",
        "msg",
        "detail",
        "error_description",
        "error_message",
        "errorMessage",
        "error_msg",
    ),
    *("errors", "error", "base_resp", "status_msg", "reason", "title", "details"),
)
"""Where an error may hold its words, the best place first."""
_DEEPEST: Final = 6

_LOADING = re.compile(
    r"\bloading\b.{0,40}\bmodel|\bmodel\b.{0,120}\b(loading|initiali[sz]ing|starting|warming up|not (yet )?ready)\b",
    re.IGNORECASE,
)
"""Words of a server whose model is not loaded yet; with the words of `_BROKEN`, loading has failed."""
_BROKEN = re.compile(r"\b(fail(ed|ure)?|error|unable|cannot|could not)\b", re.IGNORECASE)
_WORD = re.compile(rb"[A-Za-z0-9_\-*.]{12,}")
_PREFIXES = (b"sk-", b"sk_", b"pk-", b"pk_", b"gsk_", b"csk-", b"xai-", b"key-", b"hf_", b"AIza")
_PAGE = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|h1|title)\b", re.IGNORECASE)
_HEADING = re.compile(r"<(?:title|h1|message)\b[^>]{0,100}>([^<]{1,300})</", re.IGNORECASE)

Redact = Callable[[bytes], bytes]


def redacted(content: bytes) -> bytes:
    """Return an error body without anything like a key: some vendors quote the refused one."""
    return _WORD.sub(lambda word: b"[redacted]" if _like_a_key(word[0]) else word[0], content)


def _like_a_key(word: bytes) -> bool:
    masked = b"***" in word.strip(b"*")  # in bold print the asterisks stand around a word
    return masked or (word.startswith(_PREFIXES) and any(48 <= character <= 57 for character in word))


def refused(status: int, headers: Mapping[str, str], content: bytes, redact: Redact) -> UpstreamError:
    """The error that a reply with a status other than 2xx is."""
    if 300 <= status < 400:
        text = f"the upstream redirects (status {status}); its address must be given as it is"
        return UpstreamError(text)
    body = read_error(redact(content))
    words = words_of(body) or f"the upstream answered with status {status}"
    return UpstreamError(
        words,
        status=status if 400 <= status < 600 else HTTPStatus.BAD_GATEWAY,
        upstream_body=_worded(body, words) if isinstance(body, Mapping) else {},
        param=_param(body),
        retryable=_retryable(status, words, body),
        restarting=_loads_model(status, words),
        retry_after=_seconds(headers),
        headers=forwarded(headers),
    )


def failure_in(wire: Mapping[str, Any]) -> UpstreamError | None:
    """Return the failure that a reply with status 200, a chunk, or a choice holds.

    Some hold an empty one.
    """
    error = wire.get("error")
    if not error:
        return failure(wire) if wire.get("object") == "error" or wire.get("success") is False else None
    if isinstance(error, Mapping | list | str):
        return failure(error, wire) if words_of(error) or _status(error) else None
    return failure(wire)


def failure(error: Any, wire: Mapping[str, Any] = MappingProxyType({})) -> UpstreamError:
    """Return the failure that an error object stands for.

    `wire` is what holds it, and may hold its status.
    """
    status = _status(error) or _status(wire) or HTTPStatus.BAD_GATEWAY
    words = words_of(error) or "the upstream answered with an error that has no words"
    return UpstreamError(
        words,
        status=status,
        upstream_body=_worded({"error": error} if wire else error, words),
        param=_param(error),
        retryable=_retryable(status, words, error),
        restarting=_loads_model(status, words),
    )


def _retryable(status: int, words: str, body: Any) -> bool:
    """Return whether the same call may succeed later; without credit, it will not."""
    return status in RETRYABLE and not out_of_credit(words, _codes(body))


def _codes(body: Any) -> list[str]:
    """Return the codes and types of an error that are strings."""
    holders = (body, body.get("error")) if isinstance(body, Mapping) else ()
    values = (holder.get(key) for holder in holders if isinstance(holder, Mapping) for key in CODES)
    return [value for value in values if isinstance(value, str)]


def _loads_model(status: int, words: str) -> bool:
    """Return whether the server says that it is still loading its model."""
    return (
        status == HTTPStatus.SERVICE_UNAVAILABLE
        and _LOADING.search(words) is not None
        and not _BROKEN.search(words)
    )


def _worded(body: Mapping[str, Any], words: str) -> Mapping[str, Any]:
    """The body, its error object with the words where clients look for them."""
    error = body.get("error")
    return {**body, "error": {**error, "message": words}} if isinstance(error, Mapping) else body


def words_of(body: Any) -> str:
    """The words of an error body; empty when it has none."""
    return _words(body, 0)[:LONGEST]


def _words(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return _line_of_page(value) if _PAGE.match(value) else value.strip()
    if depth > _DEEPEST:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_words(item, depth + 1) for item in value)))
    if not isinstance(value, Mapping):
        return ""
    keys = ("error", *WORDS) if isinstance(value.get("error"), Mapping | list) else WORDS
    words = next(filter(None, (_words(value.get(key), depth + 1) for key in keys)), "")
    if not words and depth:  # errors by the name of the field
        named = ((name, _words(item, depth + 1)) for name, item in value.items())
        return "; ".join(f"{name}: {text}" for name, text in named if text)
    heading = value.get("title")
    if isinstance(heading, str) and heading not in words:
        return f"{heading}: {words}"
    where = _where(value)
    return f"{where}: {words}" if words and where else words


def _line_of_page(page: str) -> str:
    heading = _HEADING.search(page)
    return " ".join(heading[1].split()) if heading else ""


def _where(detail: Mapping[str, Any]) -> str:
    """The field that an entry of a list of details is about."""
    steps = detail.get("loc")
    return ".".join(str(step) for step in steps if step != "body") if isinstance(steps, list) else ""


def _param(body: Any) -> str | None:
    """The field that an error is about, where that does not stand in its error object."""
    while isinstance(body, Mapping | list) and body:
        entry = body[0] if isinstance(body, list) else body
        if not isinstance(entry, Mapping):
            return None
        if "loc" in entry:
            return _where(entry) or None
        body = entry.get("detail") or entry.get("message")
    return None


def _status(error: Any) -> int | None:
    """The HTTP status that an error object names, if it is one of a failure."""
    if not isinstance(error, Mapping):
        return None
    for key in STATUSES:
        number = str(error.get(key))
        if len(number) == 3 and number.isdecimal() and 400 <= int(number) < 600:
            return int(number)
    return None


def read_error(content: bytes) -> Any:
    """The body of an error: JSON, a list's only item, the data of an event, or text."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        text = content.decode(errors="replace").strip()
        if text.startswith(("data:", "event:")):
            reader = EventReader()
            return read_error(
                b"\n".join(event.data for event in [*reader.feed(content), *reader.close()][:1])
            )
        return {"message": text} if any(map(str.isalnum, text)) else None
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    return {"message": body} if isinstance(body, str) else body


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a reply that clients get to see.

    `Retry-After` is there only where it says something.
    """
    lower_case = {name.lower(): value for name, value in headers.items()}
    return {
        name: value
        for name, value in lower_case.items()
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
