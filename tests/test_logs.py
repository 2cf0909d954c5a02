"""Logs: one line per record, and no key in any of them."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest

from optillm.logs import LIBRARIES, configure, redaction

KEY = "sk-0123456789"
logger = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    yield
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


def test_client_libraries_are_quiet_and_never_quote_requests(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    logging.getLogger("openai").info("POST")
    configure("debug")
    logging.getLogger("openai._base_client").debug("a whole prompt")
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


def test_a_json_line_has_the_fields_of_its_record_and_no_key_in_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quoting = 'a "key" of\n15 letters'
    configure("info", [KEY, quoting], "json")
    fields = {"model": f"m-{KEY}", "calls": {KEY: 3}, "seconds": 1.5, "list": [quoting], "stop": None}
    logger.info("done %s\n", KEY, extra={"fields": fields})
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
