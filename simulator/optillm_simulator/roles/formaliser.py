"""The roles that translate a task into constraints for a solver, and repair what the solver rejects.

Each assertion goes wrong with the error model's probability `misformalises`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.shapes import shape_in
from optillm_simulator.roles.writing import delivered
from optillm_simulator.skills.formal import Formalisation, formalised, repaired, smt

_PYTHON = re.compile(r"\bpython\b|\bz3py\b|\bz3-solver\b|\bfrom z3\b|\bimport z3\b", re.IGNORECASE)
_SMT = re.compile(r"\bsmt", re.IGNORECASE)
_PROGRAM = re.compile(r"\.add\(|Solver\(\)|from z3 import")
_FORMAL = re.compile(r"\(assert\b|\(declare-|" + _PROGRAM.pattern)
_REFUSAL = "This cannot be put into constraints that a solver could decide."
_APPLICABLE = re.compile(r"applicable|formali[sz]able|possible|supported|can_", re.IGNORECASE)
_KIND = re.compile(r"kind|\btype|mode|goal_type|task", re.IGNORECASE)
_DECLARED = re.compile(r"declar", re.IGNORECASE)
_ASSERTED = re.compile(r"assertion|constraint|premise", re.IGNORECASE)
_TEXT = re.compile(r"smt|formal|script|program|code|source|body|encoding", re.IGNORECASE)
_QUERY = re.compile(r"query|queries|goal|claim|conclusion|objective", re.IGNORECASE)
_OPTIONS = re.compile(r"option|choice|alternative", re.IGNORECASE)
_VARIABLES = re.compile(r"var|unknown|symbol", re.IGNORECASE)
_NOTES = re.compile(r"note|unit|reason|explan|comment|domain", re.IGNORECASE)


def formalise(context: PromptContext) -> str:
    """Return the task as constraints: JSON in the form shown, else fenced SMT-LIB or Python."""
    request = f"{context.instruction}\n{context.system}"
    formalisation = formalised(context.task, context.model, context.rng) if context.task else None
    in_python = bool(_PYTHON.search(request)) and not _SMT.search(request)
    return _written(context, formalisation, in_python=in_python, choices="choice" in request)


def repair(context: PromptContext) -> str:
    """Return the formalisation with each fault mended with the error model's probability `finds`."""
    original = quoted_formalisation(context)
    mended = repaired(context.task, original, context.model, context.rng) if context.task else None
    in_python = bool(_PROGRAM.search(original))
    shape = None if in_python else shape_in(original) or context.shape
    same_format = replace(context, shape=shape, strict=shape is not None)
    return _written(same_format, mended, in_python=in_python, choices="choice" in original)


def has_formalisation(context: PromptContext) -> bool:
    """Return whether a formalisation is quoted."""
    return bool(_FORMAL.search(quoted_formalisation(context)))


def quoted_formalisation(context: PromptContext) -> str:
    """Return the quoted formalisation, with the escapes of JSON strings undone."""
    quoted = [
        context.quoted("formal", "code", "other", "partial"),
        *(block.text for block in context.candidates),
    ]
    return "\n".join(text.replace("\\n", "\n").replace('\\"', '"') for text in quoted)


def _written(
    context: PromptContext, formalisation: Formalisation | None, *, in_python: bool, choices: bool
) -> str:
    if formalisation is None:
        blank_keys = (_TEXT, _QUERY, _DECLARED, _ASSERTED, _VARIABLES, _OPTIONS)
        empty = [(_APPLICABLE, False), (_KIND, "model"), *((words, "") for words in blank_keys)]
        return delivered(context, f"Inapplicable. {_REFUSAL}", [*empty, (_NOTES, _REFUSAL)])
    text = formalisation.program if in_python else formalisation.smt2
    options = {name: smt(formula) for name, formula in formalisation.options} if choices else {}
    keys = list(context.shape.keys()) if context.shape else []
    values_by_key = [
        (_APPLICABLE, True),
        (_KIND, "choice" if options else "model"),
        (_DECLARED, formalisation.declared),
        (_ASSERTED, [f"(assert {smt(formula)})" for formula in formalisation.assertions]),
        (_TEXT, text),
        (_QUERY, list(options.values()) or ""),
        (_OPTIONS, list(options) if any(map(_QUERY.search, keys)) else options or ""),
        (_VARIABLES, list(formalisation.answers)),
        (_NOTES, "Whole numbers." if formalisation.sort == "Int" else "Exact fractions."),
    ]
    return delivered(context, f"```{'python' if in_python else 'smt2'}\n{text}\n```", values_by_key)
