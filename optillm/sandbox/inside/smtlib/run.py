"""A script, command by command, so that an error names its line."""

from __future__ import annotations

import re
import sys
from typing import Final

import z3
from z3.z3 import Z3_eval_smtlib2_string

from ..jail import Bounds
from ..outcome import Failed
from ..z3setup import solver_timeout
from .allowed import ASKING, COMMANDS, admit
from .reader import Atom, Form, read, show

_ERROR: Final = re.compile(r'\(error "(?:line \d+ column \d+: )?((?:[^"]|"")*)"\)')
_UNSUPPORTED: Final = "unsupported"


def run_script(program: str, bounds: Bounds) -> str:
    """What z3 answers to a script. Raises `Failed` for what the filter or z3 does not accept.

    A question that has no answer (a model after `unsat`) is told in the output, as z3 itself does, and is no
    failure of the program.
    """
    longest = solver_timeout(bounds)
    commands = [form for node in read(program) if (form := admit(node, COMMANDS, longest)) is not None]
    context = z3.Context()
    evaluate(context, f"(set-option :timeout {longest})", 0)
    answers: list[str] = []
    scopes = 0
    for form in commands:
        if form.head == "exit":
            break
        if form.head == "echo":
            answers.append(_echo(form))
            continue
        scopes = _count(form, scopes)
        try:
            answers.append(evaluate(context, show(form), form.line))
        except Failed as failure:
            if form.head == "set-logic":
                continue  # z3 knows fewer names of logics than there are, and needs none
            if form.head not in ASKING or failure.kind == "memory" or "unknown" in failure.message:
                sys.stdout.write("".join(answers))
                raise
            answers.append(f'(error "{failure.message}")\n')
        if form.head == "reset":
            evaluate(context, f"(set-option :timeout {longest})", form.line)
    return "".join(answers)


def evaluate(context: z3.Context, command: str, line: int) -> str:
    """What z3 prints for one command of ours. Raises `Failed` with z3's words."""
    try:
        answer = str(Z3_eval_smtlib2_string(context.ref(), command))
    except z3.Z3Exception as error:
        raise failed(error, line) from None
    if answer.startswith(_UNSUPPORTED):
        raise Failed("error", "SmtError", answer.strip().partition("\n")[2][2:] or _UNSUPPORTED, line)
    return answer


def failed(error: z3.Z3Exception, line: int) -> Failed:
    """z3's own complaint as a failure of the command at `line`."""
    value = error.value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    said = _ERROR.search(text)
    message = (said.group(1) if said else text).replace('""', '"').partition("\nLegal parameters")[0].strip()
    if "out of memory" in message or "max. memory" in message:
        return Failed("memory", "Z3Exception", message, line)
    return Failed("error", "SmtError", message, line)


def _echo(form: Form) -> str:
    parts = form.parts[1:]
    if len(parts) != 1 or not isinstance(parts[0], Atom) or parts[0].kind != "string":
        raise Failed("syntax", "SmtSyntaxError", "echo takes one string", form.line)
    return parts[0].text[1:-1].replace('""', '"') + "\n"


def _count(form: Form, scopes: int) -> int:
    """The scopes open after a command; a flood of them is refused."""
    sign = {"push": 1, "pop": -1}.get(form.head)
    if sign is None:
        return 0 if form.head == "reset" else scopes
    many = int(form.parts[1].text) if len(form.parts) > 1 and isinstance(form.parts[1], Atom) else 1
    if scopes + sign * many > 999:
        raise Failed("refused", "Refused", "more than 999 scopes", form.line)
    return max(0, scopes + sign * many)
