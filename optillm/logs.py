"""Logging: one line per record on stderr, plain or JSON, and no line that shows a key.

Redaction happens where records are made, so that it holds for every logger and every handler, no matter who adds them
or when. What Python would print without a logger becomes a record, too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from textwrap import dedent
from types import TracebackType
from typing import Any, Final, TextIO
from urllib.parse import quote, unquote

FORMAT: Final = "%(asctime)s %(levelname)-7s %(message)s"
MAX_DELAY: Final = 0.05
"""Seconds that a line may wait to be written together with others."""
WARNING_SECONDS: Final = 60.0
"""Seconds between two warnings about the same thing."""
LIBRARIES: Final = ("aiohttp", "asyncio", "httpcore", "httpcore2", "httpx", "httpx2", "openai")

_HANDLER: Final = "optillm"
_MIN_UNBOUNDED: Final = 8  # characters; a shorter key may well be part of a common word
_SCHEMES: Final = ("basic", "bearer", "token")  # what precedes the secret in a header's value
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)[ \t]+[^\s'\",;]+")

log = logging.getLogger(__name__)


def configure(level: str, secrets: Iterable[str] = (), style: str = "text") -> None:
    """Log to stderr from `level` on, with each of `secrets` replaced by `[redacted]`.

    With the style `json` each line is an object: time, level, logger, message, and the fields of the record. May be
    called again; the last call counts. Client libraries log from WARNING on: at lower levels they quote requests.
    """
    handler = Lines()
    handler.name = _HANDLER
    redact = redaction(secrets)
    handler.setFormatter(Json(redact) if style == "json" else logging.Formatter(FORMAT))
    root = logging.getLogger()
    for former in [each for each in root.handlers if each.name == _HANDLER]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.setLogRecordFactory(partial(_record, redact))
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _ended


class Lines(logging.StreamHandler[TextIO]):
    """Writes to stderr.

    On an event loop, many lines together a moment later, but warnings at once. Writing a line takes longer than making
    it, and a loop that serves many requests logs many.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record and write it now or soon."""
        try:
            self._waiting.append(self.format(record) + self.terminator)
            loop = asyncio._get_running_loop()
            if loop is None or record.levelno >= logging.WARNING:
                self.flush()
            elif len(self._waiting) == 1:  # the first waiting line schedules the flush of all
                loop.call_later(MAX_DELAY, self.flush)
        except Exception:  # noqa: BLE001 - as in the library's own handlers
            self.handleError(record)

    def flush(self) -> None:
        """Write the waiting lines."""
        with self.lock or nullcontext():
            lines, self._waiting = "".join(self._waiting), []
            if lines:
                self.stream.write(lines)
            super().flush()


class Json(logging.Formatter):
    """Formats a record as one JSON object, with the fields from `extra={"fields": function}`."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= self._clean(getattr(record, "fields", dict)())
        if record.exc_text:
            line["exception"] = dedent(record.exc_text)
        if record.stack_info:
            line["stack"] = dedent(record.stack_info)
        return json.dumps(line)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return printable(self._redact(value))
        if isinstance(value, Mapping):
            return {printable(self._redact(str(name))): self._clean(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(each) for each in value]
        return value


def redaction(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces `secrets` in a text, however spelt, by `[redacted]`.

    A short secret is replaced only where it stands alone: nobody can read a log without the letter x.
    """
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    longest_first = sorted(filter(None, spellings), key=len, reverse=True)
    if not longest_first:
        return str
    patterns = (
        re.escape(secret) if len(secret) >= _MIN_UNBOUNDED else rf"(?<!\w){re.escape(secret)}(?!\w)"
        for secret in longest_first
    )
    return partial(re.compile("|".join(patterns)).sub, "[redacted]")


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it is, without its scheme, and as URLs, JSON and `repr` write it."""
    scheme, _, rest = secret.partition(" ")
    for text in (secret, rest.strip()) if scheme.lower() in _SCHEMES else (secret,):
        yield from (text, quote(text, safe=""), unquote(text), json.dumps(text)[1:-1], repr(text)[1:-1])


class RareWarnings:
    """Warnings about one thing that may happen at every request: at most one a minute is logged."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._silent_until = float("-inf")

    def warn(self, message: str, *arguments: object) -> None:
        """Log a warning, unless there was one in the last `WARNING_SECONDS`."""
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + WARNING_SECONDS
            self._logger.warning(message, *arguments)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("Ended by an error", exc_info=(kind, error, trace))


def _unraisable(failure: sys.UnraisableHookArgs) -> None:
    if failure.exc_value is not None:
        exc_info = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        log.error(
            "%s: %s",
            failure.err_msg or "Exception ignored in",
            type(failure.object).__name__,
            exc_info=exc_info,
        )


def _ended(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and not issubclass(failure.exc_type, SystemExit):
        name = failure.thread.name if failure.thread else "unknown"
        exc_info = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        log.error("Thread %s ended by an error", name, exc_info=exc_info)


def _record(redact: Callable[[str], str], *args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # the arguments do not fit the message
        message = f"{record.msg} {record.args}"
    # Text from outside must not be able to start a line of its own.
    record.msg, record.args = _one_line(redact(message)), ()
    if record.exc_info:
        record.exc_text = _indented(redact(logging.Formatter().formatException(record.exc_info)))
        record.exc_info = None  # or a handler might format the exception itself
    if record.stack_info:
        record.stack_info = _indented(redact(record.stack_info))
    return record


def _one_line(text: str) -> str:
    """Return the text on one line, without credentials that a client may have sent.

    A client's credentials are in no list of secrets.
    """
    return printable(_CREDENTIALS.sub(r"\1 [redacted]", text))


def printable(text: str) -> str:
    """Return the text with unprintable characters escaped, as `repr` does.

    Line breaks are not the only way to forge a line: terminals obey control characters, and direction marks reorder
    what a reader sees.
    """
    if text.isprintable():  # most texts are, and this check is fast
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _indented(text: str) -> str:
    return "\n".join("  " + _one_line(line) for line in text.split("\n"))
