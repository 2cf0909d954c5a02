"""What the facts about a formalisation come to, in words that a model can go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optillm.sandbox.formalisation import Formalisation
from optillm.sandbox.results import Checked, Solved, Value


@dataclass(frozen=True, slots=True)
class Finding:
    """What a formalisation comes to: facts in words, or a complaint that a model can act on.

    Without either, another version could fare no better.
    """

    facts: str = ""
    complaint: str = ""


def printed(solved: Solved) -> Finding:
    """Return what a program prints, or why it prints nothing."""
    if (error := solved.error) is not None:
        complaint = f"line {error.line}: {error.type}: {error.message}\n{error.hint}"
        return Finding(complaint=complaint if error.repairable else "")
    output = solved.output.strip()
    return Finding(output, "" if output else "The program printed nothing.")


def concluded(formalisation: Formalisation, checked: Checked, *, require_unique: bool) -> Finding:
    """Return what the facts about a formalisation come to.

    A model of several may be `require_unique`.
    """
    if (error := checked.error) is not None:
        line = f" (line {error.line})" if error.line else ""
        return Finding(complaint=f"{error.message}{line}\n{error.hint}" if error.repairable else "")
    kind = formalisation.kind
    facts = None if checked.status == "unsat" else conclusion(kind, checked, formalisation.labels)
    ambiguous = kind == "model" and checked.unique is False and require_unique
    if facts is None or ambiguous:
        return Finding(complaint=objection(kind, checked))
    return Finding(facts)


def conclusion(kind: str, checked: Checked, labels: Sequence[str] = ()) -> str | None:
    """Return the answer to a question of this kind in a few words.

    Returns `None` if nothing has been decided. `labels` are the options of a choice, in the order of the query.
    """
    match kind:
        case "entail":
            return checked.verdict and {"true": "yes", "false": "no"}.get(checked.verdict, "undetermined")
        case "choice":
            indexes = checked.forced or checked.survivors
            return labels[indexes[0]] if len(indexes) == 1 and indexes[0] < len(labels) else None
        case "count":
            return str(checked.count) if checked.complete and checked.count is not None else None
        case "optimize" if checked.optimum and not checked.values:
            return ", ".join(map(_text, checked.optimum))
    if checked.status != "sat" or not checked.values:
        return None
    return _text(*checked.values.values()) if len(checked.values) == 1 else _assignment(checked.values)


def objection(kind: str, checked: Checked) -> str:
    """Return what keeps a formalisation from an answer."""
    if checked.status == "unsat":
        core = "\n".join(assertion.text for assertion in checked.core)
        return f"These assertions contradict each other:\n{core}"
    if checked.unique is False:
        one, other = _assignment(checked.values), _assignment(checked.other)
        return f"It has several solutions, for example {one} and {other}. Some fact of the task is missing."
    if kind == "choice":
        return f"{len(checked.survivors)} of the options are possible; exactly one should be."
    return f"The solver could not decide it (status {checked.status}). Bound the variables, or state it more simply."


def _assignment(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} = {_text(value)}" for name, value in values.items())


def _text(value: Value) -> str:
    return value.decimal or value.text
