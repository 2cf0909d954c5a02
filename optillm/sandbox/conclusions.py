"""What the facts about a formalisation come to, in words that a model can go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optillm.sandbox.results import Checked, Value


def conclusion(kind: str, checked: Checked, labels: Sequence[str] = ()) -> str | None:
    """Return the answer to a question of this kind in a few words; `None` if nothing has been decided.

    `labels` are the options of a choice, in the order of the query.
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
