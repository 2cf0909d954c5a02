"""The roles that put a task into constraints for a solver, and repair what the solver complains of.

Formalising goes wrong per assertion as often as the character says.
"""

from __future__ import annotations

import re
from dataclasses import replace

from optillm_simulator.roles.scene import Scene
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


def formalise(scene: Scene) -> str:
    """The task as constraints: JSON in the form shown, else SMT-LIB or a Python program in a fence."""
    asked = f"{scene.instruction}\n{scene.standing}"
    found = formalised(scene.task, scene.character, scene.luck) if scene.task else None
    in_python = bool(_PYTHON.search(asked)) and not _SMT.search(asked)
    return _told(scene, found, in_python=in_python, choices="choice" in asked)


def repair(scene: Scene) -> str:
    """The formalisation again, with what the solver complained of mended as often as faults are found."""
    given = formalisation_given(scene)
    found = repaired(scene.task, given, scene.character, scene.luck) if scene.task else None
    in_python = bool(_PROGRAM.search(given))
    shape = None if in_python else shape_in(given) or scene.shape
    as_before = replace(scene, shape=shape, strict=shape is not None)
    return _told(as_before, found, in_python=in_python, choices="choice" in given)


def has_formalisation(scene: Scene) -> bool:
    """Whether somebody's formalisation is quoted."""
    return bool(_FORMAL.search(formalisation_given(scene)))


def formalisation_given(scene: Scene) -> str:
    """The formalisation in question, be it in JSON."""
    quoted = [scene.quoted("formal", "code", "other", "partial"), *(one.text for one in scene.candidates)]
    return "\n".join(one.replace("\\n", "\n").replace('\\"', '"') for one in quoted)


def _told(scene: Scene, found: Formalisation | None, *, in_python: bool, choices: bool) -> str:
    if found is None:
        nothing = (_TEXT, _QUERY, _DECLARED, _ASSERTED, _VARIABLES, _OPTIONS)
        empty = [(_APPLICABLE, False), (_KIND, "model"), *((words, "") for words in nothing)]
        return delivered(scene, f"Inapplicable. {_REFUSAL}", [*empty, (_NOTES, _REFUSAL)])
    text = found.program if in_python else found.smt2
    options = {name: smt(one) for name, one in found.options} if choices else {}
    keys = list(scene.shape.keys()) if scene.shape else []
    given = [
        (_APPLICABLE, True),
        (_KIND, "choice" if options else "model"),
        (_DECLARED, found.declared),
        (_ASSERTED, [f"(assert {smt(one)})" for one in found.assertions]),
        (_TEXT, text),
        (_QUERY, list(options.values()) or ""),
        (_OPTIONS, list(options) if any(map(_QUERY.search, keys)) else options or ""),
        (_VARIABLES, list(found.answers)),
        (_NOTES, "Whole numbers." if found.sort == "Int" else "Exact fractions."),
    ]
    return delivered(scene, f"```{'python' if in_python else 'smt2'}\n{text}\n```", given)
