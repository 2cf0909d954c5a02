"""Logs: one line per record, and no key in any of them."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr
from datetime import datetime
from io import StringIO
from typing import Any
from unittest.mock import Mock

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optillm.logs import LIBRARIES, WARNING_SECONDS, Lines, RareWarnings, configure, printable, redaction

KEY = "sk-0123456789"
QUOTED = "p\\w'd/ 1\"é"
logger = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    yield
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


def test_no_key_appears_however_it_gets_into_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", [KEY])
    logger.info("argument %s", KEY)
    logger.info({"in": KEY})
    logger.info("ill-fitting %d", KEY)
    logger.info("mapping %(key)s", {"key": KEY})
    try:
        raise ValueError(KEY)
    except ValueError:
        logger.exception("failed")
    printed = capsys.readouterr().err
    assert KEY not in printed
    assert printed.count("[redacted]") == 5
    assert "Logging error" not in printed


def test_redaction_holds_for_loggers_that_keep_to_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", [KEY])
    aloof = logging.getLogger("tests.aloof")
    handler = logging.StreamHandler()
    aloof.addHandler(handler)
    aloof.propagate = False
    aloof.warning("key %s", KEY)
    aloof.removeHandler(handler)
    assert capsys.readouterr().err == "key [redacted]\n"


def test_the_longer_of_two_keys_is_replaced_whole() -> None:
    assert redaction([KEY, KEY + "-more"])(f"{KEY}-more") == "[redacted]"


def test_a_short_key_is_replaced_only_where_it_stands_alone() -> None:
    assert redaction(["x"])("x, max, key=x") == "[redacted], max, key=[redacted]"


def test_text_from_outside_cannot_begin_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    logger.info("model %s", "a\nINFO forged\x1b[2J")
    assert capsys.readouterr().err.count("\n") == 1


ODD = (
    "\n\r\t\v\f\b\a\0\x1b\x7f\x85\x9b\u2028\u2029"  # ends of lines, and what a terminal obeys
    "\u061c\u200e\u200f\u202a\u202e\u2066\u2069"  # directions
    "\ud800\udfff\u200b\u2060\ufeff\u00ad\U000e0041\ue000\uffff"  # halves, and what nobody sees
)
foreign = st.text(st.one_of(st.sampled_from(ODD), st.characters(codec=None)), max_size=40)


@given(foreign, st.sampled_from(["text", "json"]))
@example(ODD, "text")
@example(ODD, "json")
@example("\x1b]0;title\x07\x1b[2K\r2026-01-01 INFO forged", "text")
@settings(deadline=None)
def test_nothing_that_is_not_printable_reaches_a_log(said: str, style: str) -> None:
    with redirect_stderr(StringIO()) as written:
        configure("info", [KEY], style)
        logger.info("model %s", said, extra={"fields": lambda: {"model": said, said: [{"a": (said,)}]}})
        logger.info(said)
        logger.warning("%d", said)
        try:
            raise ValueError(said)
        except ValueError:
            logger.exception("failed", stack_info=True)
        logging.getLogger("other").handle(logger.makeRecord("x", 20, "f", 1, said, (), None))
    text = written.getvalue()
    assert all(line.isprintable() for line in text.split("\n"))
    if style == "json":
        lines = text.split("\n")[:-1]
        assert len(lines) == 5
        for line in lines:
            assert line.isascii()
            assert all(part.isprintable() for part in texts(json.loads(line)))
    else:
        assert all(line[:2] in ("20", "  ") for line in text.split("\n")[:-1])


def texts(value: Any) -> Iterator[str]:
    """The lines of all texts in a JSON value, keys among them."""
    if isinstance(value, str):
        yield from value.split("\n")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from (name, *texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


@pytest.mark.parametrize("readable", ["gpt-4o", "Größe", "模型", "عربي", "🙂", "a\\b 'c' \"d\""])
def test_printable_text_is_unchanged(readable: str) -> None:
    assert printable(readable) == readable


@pytest.mark.parametrize(
    ("odd", "escaped"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202ex", "\\u202ex"),
        ("\x85", "\\x85"),
        ("\ud83d", "\\ud83d"),
    ],
)
def test_unprintable_characters_are_escaped_as_in_python(odd: str, escaped: str) -> None:
    assert printable(odd) == escaped


def test_client_libraries_are_quiet_and_never_quote_requests(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    logging.getLogger("openai").info("POST")
    configure("debug")
    logging.getLogger("openai._base_client").debug("a whole prompt")
    logging.getLogger("httpx2").info("a request that is never sent")
    assert capsys.readouterr().err == ""


def test_configuring_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    configure("info")
    logger.info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_warnings_become_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure("info", [KEY])
        warnings.warn(f"odd {KEY}", stacklevel=1)
    printed = capsys.readouterr().err
    assert "odd [redacted]" in printed


@pytest.mark.parametrize(
    "spelt",
    [KEY, f"{KEY}!", "p%5Cw%27d%2F%201%22%C3%A9", "p\\\\w'd/ 1\\\"\\u00e9", repr(QUOTED), f"x{QUOTED}"],
)
def test_a_key_is_found_however_it_is_spelt(spelt: str) -> None:
    shown = redaction([f"Bearer {KEY}", QUOTED])(spelt)
    assert "[redacted]" in shown
    assert "w'd" not in shown
    assert KEY not in shown


def test_what_a_client_sent_as_its_key_is_no_secret_of_ours_and_hidden_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", [KEY])
    logger.info(
        "headers {'Authorization': 'Bearer of-a-client', 'x': 'BASIC b2Y6YQ=='} and bearer of-a-client"
    )
    try:
        raise ValueError("Authorization: Bearer of-a-client")
    except ValueError:
        logger.exception("failed")
    printed = capsys.readouterr().err
    assert "of-a" not in printed
    assert "b2Y6" not in printed
    assert printed.count("[redacted]") == 5  # the source line of the traceback shows one more


def test_text_from_outside_cannot_begin_a_line_in_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    try:
        raise ValueError("a\nINFO forged\r\x1b[2J")
    except ValueError:
        logger.exception("failed", stack_info=True)
    first, *others = capsys.readouterr().err.splitlines()
    assert "failed" in first
    assert others
    assert all(line.startswith("  ") for line in others)
    assert not any("\x1b" in line or "\r" in line for line in others)


def test_gunicorns_loggers_show_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", [KEY])
    log = Logger(Config())
    try:
        log.error("Invalid header %r", f"X-Key: {KEY}")
        log.critical(KEY)
        try:
            raise ValueError(KEY)
        except ValueError:
            log.exception("Error handling a request")
        log.access_log.error(KEY)
    finally:
        for known in (log.error_log, log.access_log):
            known.handlers.clear()
            known.propagate = True
    printed = capsys.readouterr().err
    assert KEY not in printed
    assert printed.count("[redacted]") >= 3


PAST_ALL_LOGGERS = {
    "the program ends": "raise ValueError(KEY)",
    "a thread ends": "thread = threading.Thread(target=fail); thread.start(); thread.join()",
    "a pool's thread ends": "concurrent.futures.ThreadPoolExecutor().submit(fail).add_done_callback(lambda _: fail())",
    "a destructor fails": "class Odd:\n  def __del__(self): fail()\nOdd(); gc.collect()",
    "nobody awaits a task": "async def main():\n  asyncio.ensure_future(afail()); await asyncio.sleep(0)\n"
    "  await asyncio.sleep(0)\nasyncio.run(main()); gc.collect()",
    "a callback of the loop fails": "async def main():\n  asyncio.get_running_loop().call_soon(fail, KEY)\n"
    "  await asyncio.sleep(0)\nasyncio.run(main())",
    "a callback of uvloop fails": "async def main():\n  asyncio.get_running_loop().call_soon(fail, KEY)\n"
    "  await asyncio.sleep(0)\nuvloop.run(main())",
    "a library warns": "warnings.warn(KEY)",
    "nobody has a handler": "logging.getLogger().handlers.clear(); logging.getLogger('x').error(KEY)",
}


@pytest.mark.parametrize("what", PAST_ALL_LOGGERS)
def test_no_key_is_printed_past_the_loggers_when(what: str) -> None:
    program = f"""
import asyncio, concurrent.futures, gc, logging, threading, uvloop, warnings
from optillm.logs import configure
KEY = "sk-0123" + "456789"
configure("info", [KEY])
def fail(*_): raise ValueError(KEY)
async def afail(): fail()
{PAST_ALL_LOGGERS[what]}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    assert KEY not in done.stderr + done.stdout
    assert "[redacted]" in done.stderr
    assert all(line[:2] in ("20", "  ") for line in done.stderr.splitlines() if line != "[redacted]"), (
        done.stderr
    )
    assert (done.returncode != 0) is (what == "the program ends")


def test_a_json_line_has_the_fields_of_its_record_and_no_key_in_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quoting = 'a "key" of\n15 letters'
    configure("info", [KEY, quoting], "json")
    fields = {"model": f"m-{KEY}", "calls": {KEY: 3}, "seconds": 1.5, "list": [quoting], "stop": None}
    logger.info("done %s\n", KEY, extra={"fields": lambda: fields})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert datetime.fromisoformat(said.pop("time")).tzinfo is not None
    assert said == {
        "level": "info",
        "logger": "tests.logs",
        "message": "done [redacted]\\n",
        "model": "m-[redacted]",
        "calls": {"[redacted]": 3},
        "seconds": 1.5,
        "list": ["[redacted]"],
        "stop": None,
    }


def test_a_json_line_holds_a_whole_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", [KEY], "json")
    try:
        raise ValueError(KEY)
    except ValueError:
        logger.exception("failed", stack_info=True)
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["exception"].endswith("ValueError: [redacted]")
    assert said["stack"].startswith("Stack")


def test_lines_of_a_loop_are_written_together_and_warnings_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info")
    monkeypatch.setattr("optillm.logs.MAX_DELAY", 0.0)
    log = logging.getLogger("test")
    written = []

    async def serve() -> None:
        for line in ("one", "two"):
            log.info(line)
        written.append(capsys.readouterr().err)
        log.warning("three")
        written.append(capsys.readouterr().err)
        log.info("four")
        for _ in range(3):
            await asyncio.sleep(0)
        written.append(capsys.readouterr().err)
        log.info("five")

    asyncio.run(serve())
    log.info("six")
    written.append(capsys.readouterr().err)
    assert [[line.split()[-1] for line in lines.splitlines()] for lines in written] == [
        [],
        ["one", "two", "three"],
        ["four"],
        ["five", "six"],
    ]


def test_a_log_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    configure("info")
    (handler,) = (each for each in logging.getLogger().handlers if isinstance(each, Lines))
    stream = Mock(write=Mock(side_effect=BrokenPipeError))
    former = handler.setStream(stream)
    handled = Mock()
    monkeypatch.setattr(handler, "handleError", handled)
    logging.getLogger("test").warning("lost")
    assert former is not None
    handler.setStream(former)
    handled.assert_called_once()


def test_a_rare_warning_comes_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    moments = iter([0.0, 1.0, WARNING_SECONDS - 1, WARNING_SECONDS, WARNING_SECONDS + 1])
    warnings = RareWarnings(logging.getLogger("test"), lambda: next(moments))
    for number in range(5):
        warnings.warn("number %d", number)
    assert caplog.messages == ["number 0", "number 3"]
