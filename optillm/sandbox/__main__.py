"""Run one program from standard input, as the server would: `python -m optillm.sandbox`.

Reads {"language": ..., "program": ...}, prints {"ok": ..., "output": ..., "error": {...} or null}, exits with 0.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any, Final, cast

from optillm.sandbox import Failure, Language, Solved, close, solve

_MAX_INPUT: Final = 4 * 1024 * 1024


def main() -> None:
    """Run the program on standard input and print its result as one JSON object."""
    try:
        solved = asyncio.run(_solve(sys.stdin.buffer.read(_MAX_INPUT + 1)))
    finally:
        close()
    error = None if solved.error is None else asdict(solved.error)
    answer = {"ok": solved.ok, "output": solved.output, "error": error}
    sys.stdout.write(json.dumps(answer) + "\n")


async def _solve(text: bytes) -> Solved:
    try:
        request: Any = json.loads(text) if len(text) <= _MAX_INPUT else None
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return _bad("expected one JSON object")
    language, program = request.get("language"), request.get("program")
    if not isinstance(language, str) or not isinstance(program, str):
        return _bad('expected {"language": "z3py" | "sympy" | "smtlib2", "program": "..."}')
    return await solve(cast(Language, language), program)


def _bad(message: str) -> Solved:
    return Solved(False, "", Failure("syntax", "Request", message), 0)


if __name__ == "__main__":
    main()
