"""Replies of jobs. None is trusted: they are truncated, cleaned and validated by type."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from optillm.sandbox.inside.frames import EXIT_NO_JAIL, EXIT_NO_MEMORY, Z3_OUT_OF_MEMORY
from optillm.sandbox.results import (
    FAILURE_KINDS,
    Checked,
    Failure,
    OptionVerdict,
    Solved,
    SourceAssertion,
    Status,
    Value,
    Verdict,
)

_LONGEST_OUTPUT: Final = 33_000
_LONGEST_MESSAGE: Final = 500
_LONGEST_VALUE: Final = 2_000
_MOST_ITEMS: Final = 1_000

_PATH: Final = re.compile(r"(?<![\w./])/[\w.\-+]++(?:/[\w.\-+]++)++/?")
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")

HINTS: Final[Mapping[str, str]] = {
    "syntax": "return the whole program, corrected",
    "refused": "only z3, sympy and a few pure parts of the standard library can be used; no files, no network",
    "error": "correct the line that fails",
    "timeout": "give every unknown bounds, use a smaller domain, and as few quantifiers as possible",
    "memory": "use narrower bit-vectors and fewer terms",
    "output": "print only the answer",
    "crash": "write it more simply: less nesting and recursion",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job's process ended: its wait status and whether its time was up by then."""

    status: int | None
    late: bool


def solved(reply: bytes | None, ending: Ending, milliseconds: int) -> Solved:
    """Return the result in a reply or, without one, what the end of the process means."""
    if reply is None:
        return Solved(False, "", _without_reply(ending), milliseconds)
    message = _object(reply)
    if message is None:
        return Solved(
            False, "", _hinted("crash", "Crash", "the program's process garbled its reply"), milliseconds
        )
    output = _text(message.get("output"), _LONGEST_OUTPUT)
    error = None if message.get("ok") is True else _failure(message.get("error"))
    return Solved(error is None, output, error, milliseconds)


def checked(answer: Solved) -> Checked:
    """Return the facts in the output of a check."""
    if not answer.ok:
        return Checked(False, answer.error, answer.milliseconds)
    facts = _object(answer.output.encode("utf-8", "replace"))
    if facts is None:
        broken = Failure("crash", "ProtocolError", "the check gave no readable answer")
        return Checked(False, broken, answer.milliseconds)
    return Checked(
        ok=True,
        error=None,
        milliseconds=answer.milliseconds,
        status=_status(facts.get("status")),
        values=_values(facts.get("values")),
        unique=_flag(facts.get("unique")),
        other=_values(facts.get("other")),
        core=tuple(
            SourceAssertion(_count(entry.get("line")) or 0, _text(entry.get("text"), _LONGEST_MESSAGE))
            for entry in _objects(facts.get("core"))
        ),
        verdict=_verdict(facts.get("verdict")),
        options=tuple(
            OptionVerdict(_flag(entry.get("could")), _flag(entry.get("must")))
            for entry in _objects(facts.get("options"))
        ),
        optimum=tuple(_value(entry) for entry in _objects(facts.get("optimum"))),
        attained=_flag(facts.get("attained")),
        count=_count(facts.get("count")),
        complete=_flag(facts.get("complete")),
        models=tuple(_values(entry) for entry in _objects(facts.get("models"))),
    )


def _without_reply(ending: Ending) -> Failure:
    if ending.status is None:
        return Failure("unavailable", "SolverLost", "the solver process ended; it is being started again")
    if ending.late:
        return _hinted("timeout", "Timeout", "the program did not end within its time limit")
    number = ending.status & 0x7F
    code = ending.status >> 8
    if number == signal.SIGXCPU:
        return _hinted("timeout", "Timeout", "the program used up its processor time")
    if number == 0 and code in {EXIT_NO_MEMORY, Z3_OUT_OF_MEMORY}:
        return _hinted("memory", "MemoryError", "the program needs more memory than it may use")
    if number == 0 and code == EXIT_NO_JAIL:
        return Failure("unavailable", "NoSandbox", "the sandbox could not be set up")
    return _hinted("crash", "Crash", f"the program brought its process down ({_ending_name(number, code)})")


def _ending_name(number: int, code: int) -> str:
    if not number:
        return f"exit code {code}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _hinted(kind: Any, name: str, message: str) -> Failure:
    return Failure(kind, name, message, None, HINTS[kind])


def _failure(error: Any) -> Failure:
    fields = error if isinstance(error, dict) else {}
    kind: Any = fields.get("kind")
    if kind not in FAILURE_KINDS or kind in {"busy", "unavailable"}:
        kind = "crash"
    line = _count(fields.get("line"))
    hint = _clean(_text(fields.get("hint"), _LONGEST_MESSAGE)) or HINTS[kind]
    return Failure(
        kind,
        _clean(_text(fields.get("type"), 80)) or "Error",
        _clean(_text(fields.get("message"), _LONGEST_MESSAGE)),
        line if line and line < 1_000_000 else None,
        hint,
    )


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return (
        [entry for entry in value if isinstance(entry, dict)][:_MOST_ITEMS] if isinstance(value, list) else []
    )


def _text(value: Any, longest: int) -> str:
    """Return a string, truncated, with everything that is not text or a line break replaced."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in value[:longest])


def _clean(text: str) -> str:
    return _ADDRESS.sub("<address>", _PATH.sub("<path>", text))


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _status(value: Any) -> Status:
    return value if value in get_args(Status) else "unknown"


def _verdict(value: Any) -> Verdict | None:
    return value if value in get_args(Verdict) else None


def _value(wire: Any) -> Value:
    fields = wire if isinstance(wire, dict) else {}
    decimal = fields.get("decimal")
    return Value(
        _text(fields.get("kind"), 20),
        _text(fields.get("text"), _LONGEST_VALUE),
        _text(decimal, _LONGEST_VALUE) if isinstance(decimal, str) else None,
    )


def _values(wire: Any) -> dict[str, Value]:
    if not isinstance(wire, dict):
        return {}
    return {_text(name, 200): _value(value) for name, value in list(wire.items())[:_MOST_ITEMS]}
