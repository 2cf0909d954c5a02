r"""Run programs that models wrote, behind walls.

    >>> await solve("z3py", "x = Int('x')\\\
s = Solver()\\\
s.add(x * 2 == 6)\\\ s.check()\\\ print(s.model()[x])")
    Solved(ok=True, output='3\\\
', error=None, milliseconds=31)

This process neither imports z3 and sympy nor parses a program: that happens in a fork of a prepared process, the
zygote, which holds no secrets and has given up its access to files, network and other processes.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.sandbox.pool import Solver
from optillm.sandbox.replies import HINTS, checked
from optillm.sandbox.results import (
    LANGUAGES,
    Checked,
    Failure,
    FailureKind,
    Language,
    Level,
    OptionVerdict,
    SandboxLimits,
    Solved,
    SourceAssertion,
    Status,
    Value,
    Verdict,
)

__all__ = [
    "HINTS",
    "LANGUAGES",
    "Checked",
    "Failure",
    "FailureKind",
    "Language",
    "Level",
    "OptionVerdict",
    "SandboxLimits",
    "Solved",
    "Solver",
    "SourceAssertion",
    "Status",
    "Value",
    "Verdict",
    "check",
    "close",
    "configure",
    "level",
    "prepare",
    "solve",
    "warm",
]

KINDS: Final = ("model", "entail", "choice", "optimize", "count")
_default = Solver()


async def solve(language: Language, program: str, limits: SandboxLimits | None = None) -> Solved:
    """Run a program and return what it printed, or why it failed.

    "z3py" and "sympy" are one dialect of Python, with the names of both libraries at hand; if both have a name, the
    language decides. Raises nothing except on cancellation, which ends the program at once.
    """
    if language not in LANGUAGES:
        unknown = Failure("refused", "Language", f"there is no language {str(language)[:40]!r}")
        return Solved(False, "", unknown, 0)
    return await _default.run(language, program, limits or SandboxLimits())


async def check(formalisation: Mapping[str, Any], limits: SandboxLimits | None = None) -> Checked:
    """Answer a structured question about an SMT-LIB formalisation.

    `formalisation` has a `kind` (model, entail, choice, optimize, count), `smt2` with declarations, definitions and
    assertions, `query` (for entail a Boolean term, for choice one per option, for optimize "(maximize t)" or
    "(minimize t)" unless `smt2` has it) and `answer_vars` (names or terms).
    """
    limits = limits or SandboxLimits()
    try:
        program = json.dumps(_question(formalisation, limits))
    except (KeyError, TypeError, ValueError) as error:
        return Checked(False, Failure("syntax", "Formalisation", f"not a formalisation: {error}"), 0)
    return checked(await _default.run("check", program, limits))


def configure(*, language_only: bool = False, at_once: int | None = None) -> None:
    """Replace the sandbox of this process, before its first program.

    `language_only` admits Python programs on machines without a kernel wall: for a developer, on loopback.
    `at_once` is how many programs run at a time.
    """
    global _default
    _default.close()
    _default = Solver(language_only=language_only, at_once=at_once)


def level() -> Level | None:
    """Return how strong the jail of this machine is, once known."""
    return _default.level


async def warm() -> Level | None:
    """Start the sandbox before the first program, which takes a second or two; return its level."""
    return await _default.warm()


def prepare(count: int, limits: SandboxLimits) -> None:
    """Announce `count` programs with these limits; each then takes about 20 ms less."""
    _default.prepare(count, limits)


def close() -> None:
    """End all solver processes, which blocks for a few milliseconds.

    A later program starts them again.
    """
    _default.close()


atexit.register(close)


def _question(formalisation: Mapping[str, Any], limits: SandboxLimits) -> dict[str, Any]:
    kind = formalisation["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    smt2 = formalisation["smt2"]
    if not isinstance(smt2, str):
        raise TypeError("smt2 is a string")
    return {
        "kind": kind,
        "smt2": smt2,
        "query": _texts(formalisation.get("query") or formalisation.get("options")),
        "answer_vars": _texts(formalisation.get("answer_vars")),
        "check_ms": int(limits.check * 1000),
    }


def _texts(value: Any) -> Sequence[str]:
    """Return a term or several as a list of texts; blank ones count as absent."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise TypeError("query and answer_vars are strings or lists of strings")
    return [text for text in texts if text.strip()]
