"""Run a script command by command, so that an error names its line."""

from __future__ import annotations

import re
import sys
from typing import Final

import z3
from z3.z3 import Z3_eval_smtlib2_string

from ..jail import JobLimits
from ..outcome import Failed
from ..z3setup import solver_timeout
from .allowed import ASKING, COMMANDS, admit
from .reader import Atom, SExpr, read, show

_ERROR: Final = re.compile(r'\(error "(?:line \d+ column \d+: )?((?:[^"]|"")*)"\)')
_UNSUPPORTED: Final = "unsupported"


def run_script(program: str, limits: JobLimits) -> str:
    """Return what z3 answers to a script.

    Raises `Failed` for what the filter or z3 does not accept. A question that has no answer (a model after `unsat`)
    is reported in the output, as z3 itself does, and is no failure of the program.
    """
    longest = solver_timeout(limits)
    commands = [expr for node in read(program) if (expr := admit(node, COMMANDS, longest)) is not None]
    context = z3.Context()
    evaluate(context, f"(set-option :timeout {longest})", 0)
    answers: list[str] = []
    scopes = 0
    for expr in commands:
        if expr.head == "exit":
            break
        if expr.head == "echo":
            answers.append(_echo(expr))
            continue
        scopes = _count(expr, scopes)
        try:
            answers.append(evaluate(context, show(expr), expr.line))
        except Failed as failure:
            if expr.head == "set-logic":
                continue  # z3 knows fewer names of logics than there are, and needs none
            if expr.head not in ASKING or failure.kind == "memory" or "unknown" in failure.message:
                sys.stdout.write("".join(answers))
                raise
            answers.append(f'(error "{failure.message}")\n')
        if expr.head == "reset":
            evaluate(context, f"(set-option :timeout {longest})", expr.line)
    return "".join(answers)


def evaluate(context: z3.Context, command: str, line: int) -> str:
    """Return what z3 prints for one command of ours.

    Raises `Failed` with z3's message.
    """
    try:
        answer = str(Z3_eval_smtlib2_string(context.ref(), command))
    except z3.Z3Exception as error:
        raise failed(error, line) from None
    if answer.startswith(_UNSUPPORTED):
        raise Failed("error", "SmtError", answer.strip().partition("\n")[2][2:] or _UNSUPPORTED, line)
    return answer


def failed(error: z3.Z3Exception, line: int) -> Failed:
    """Return z3's error as a failure of the command at `line`."""
    value = error.value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    match = _ERROR.search(text)
    message = (
        (match.group(1) if match else text).replace('""', '"').partition("\nLegal parameters")[0].strip()
    )
    if "out of memory" in message or "max. memory" in message:
        return Failed("memory", "Z3Exception", message, line)
    return Failed("error", "SmtError", message, line)


def _echo(expr: SExpr) -> str:
    parts = expr.parts[1:]
    if len(parts) != 1 or not isinstance(parts[0], Atom) or parts[0].kind != "string":
        raise Failed("syntax", "SmtSyntaxError", "echo takes one string", expr.line)
    return parts[0].text[1:-1].replace('""', '"') + "\n"


def _count(expr: SExpr, scopes: int) -> int:
    """Return how many scopes are open after a command; a flood of them is refused."""
    sign = {"push": 1, "pop": -1}.get(expr.head)
    if sign is None:
        return 0 if expr.head == "reset" else scopes
    many = int(expr.parts[1].text) if len(expr.parts) > 1 and isinstance(expr.parts[1], Atom) else 1
    if scopes + sign * many > 999:
        raise Failed("refused", "Refused", "more than 999 scopes", expr.line)
    return max(0, scopes + sign * many)
