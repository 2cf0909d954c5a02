"""Answer structured questions about a formalisation, inside the jail.

The model's text only ever passes through the reader and the allow-list; what z3 is asked is decided here. The
answer is one JSON object, which is the job's output.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

import z3

from ..jail import JobLimits
from ..outcome import Failed
from ..z3setup import solver_timeout
from .formalisation import Formalisation, formalise
from .values import describe

MAX_MODELS: Final = 1000
MAX_TERMS: Final = 64
_LONGEST_CORE: Final = 20
_TACTICS: Final = (None, "qfnra-nlsat", "qfnia")
"""Tried in this order; each gets a share of the remaining time."""
_WORTHWHILE_MS: Final = 50


def run_check(program: str, limits: JobLimits) -> str:
    """Answer one question; both are JSON.

    Raises `Failed` for a faulty formalisation.
    """
    task = json.loads(program)
    kind = str(task["kind"])
    formalisation = formalise(str(task["smt2"]), optimizing=kind == "optimize")
    check = _Check(formalisation, task, time.monotonic() + solver_timeout(limits) / 1000)
    return json.dumps(check.answer(kind))


class _Check:
    def __init__(self, formalisation: Formalisation, task: dict[str, Any], deadline: float) -> None:
        self._formalisation = formalisation
        self._deadline = deadline
        self._each = int(task["check_ms"])
        self._premises = [assertion.term for assertion in formalisation.assertions]
        self._names = [str(name) for name in task["answer_vars"]][:MAX_TERMS]
        self._unknowns = [formalisation.term(name, f"answer variable {name}") for name in self._names]
        self._first: tuple[str, Any] = ("unknown", None)
        self._queries = [str(query) for query in task["query"]][:MAX_TERMS]

    def answer(self, kind: str) -> dict[str, Any]:
        """Return the requested facts, or why there are none: premises that contradict each other."""
        questions: dict[str, Callable[[], dict[str, Any]]] = {
            "model": self._model,
            "entail": self._entail,
            "choice": self._choice,
            "optimize": self._optimize,
            "count": self._count,
        }
        if kind not in questions:
            raise Failed(
                "error", "ValueError", f"there is no kind {kind!r}; there are {', '.join(questions)}"
            )
        status, model = self._solve()
        if status == "unsat":
            return {"status": "unsat", "core": self._core()}
        self._first = status, model
        return questions[kind]()

    def _milliseconds(self) -> int:
        return max(1, min(self._each, int((self._deadline - time.monotonic()) * 1000)))

    def _solve(self, *extra: Any) -> tuple[str, Any]:
        """Return status and model of the premises and `extra`.

        Other tactics are tried if the default gives up.
        """
        until = time.monotonic() + self._milliseconds() / 1000
        for index, name in enumerate(_TACTICS):
            left = int((until - time.monotonic()) * 1000)
            if index and left < _WORTHWHILE_MS:
                break
            solver = z3.Tactic(name).solver() if name else z3.Solver()
            solver.set("timeout", max(1, left * 6 // 10))  # leaves time for the next tactic
            solver.add(*self._premises, *extra)
            try:
                status = str(solver.check())
            except z3.Z3Exception:  # a tactic that does not fit the problem
                continue
            if status == "unsat":
                return status, None
            if status == "sat" and self._is_model(solver.model(), extra):
                return status, solver.model()
        return "unknown", None

    def _is_model(self, model: Any, extra: tuple[Any, ...]) -> bool:
        """Return whether no assertion evaluates to false. Quantified ones may not evaluate at all."""
        return not any(
            z3.is_false(model.eval(term, model_completion=True)) for term in (*self._premises, *extra)
        )

    def _core(self) -> list[dict[str, Any]]:
        """Return the assertions that contradict each other, as written.

        There are none if z3 finds none in time.
        """
        solver = z3.Solver()
        solver.set("timeout", self._milliseconds())
        solver.set("core.minimize", True)
        marks = [z3.FreshBool("premise") for _ in self._premises]
        for mark, term in zip(marks, self._premises, strict=True):
            solver.assert_and_track(term, mark)
        if solver.check() != z3.unsat:
            return []
        core = {mark.get_id() for mark in solver.unsat_core()}
        return [
            {"line": assertion.line, "text": assertion.text[:500]}
            for mark, assertion in zip(marks, self._formalisation.assertions, strict=True)
            if mark.get_id() in core
        ][:_LONGEST_CORE]

    def _values(self, model: Any) -> list[Any]:
        return [model.eval(unknown, model_completion=True) for unknown in self._unknowns]

    def _named(self, values: list[Any]) -> dict[str, Any]:
        return {name: describe(value) for name, value in zip(self._names, values, strict=True)}

    def _differently(self, values: list[Any]) -> Any:
        return z3.Or([unknown != value for unknown, value in zip(self._unknowns, values, strict=True)])

    def _uniqueness(self, values: list[Any], *extra: Any) -> dict[str, Any]:
        """Return whether the answer variables could have other values, and an example if so."""
        if not self._unknowns:
            return {"unique": None}
        status, model = self._solve(self._differently(values), *extra)
        if status == "sat":
            return {"unique": False, "other": self._named(self._values(model))}
        return {"unique": True if status == "unsat" else None}

    def _model(self) -> dict[str, Any]:
        status, model = self._first
        if status != "sat":
            return {"status": status}
        values = self._values(model)
        return {"status": "sat", "values": self._named(values)} | self._uniqueness(values)

    def _judge(self, text: str, label: str) -> tuple[bool | None, bool | None]:
        """Return whether a proposition can be true, and whether it can be false, given the premises."""
        proposition = self._formalisation.proposition(text, label)
        truth = {"sat": True, "unsat": False}
        return (
            truth.get(self._solve(proposition)[0]),
            truth.get(self._solve(z3.Not(proposition))[0]),
        )

    def _entail(self) -> dict[str, Any]:
        if len(self._queries) != 1:
            raise Failed("error", "ValueError", "entail asks about exactly one query")
        can_hold, can_fail = self._judge(self._queries[0], "query")
        verdicts = {(True, False): "true", (False, True): "false", (True, True): "undetermined"}
        if can_fail is False:
            verdict: str | None = "true"  # the premises were not refuted: even if `can_hold` timed out
        else:
            verdict = (
                verdicts.get((bool(can_hold), bool(can_fail))) if None not in (can_hold, can_fail) else None
            )
        return {"status": "unknown" if verdict is None else "sat", "verdict": verdict}

    def _choice(self) -> dict[str, Any]:
        if len(self._queries) < 2:
            raise Failed("error", "ValueError", "choice needs an SMT-LIB term for each option")
        options = []
        for index, query in enumerate(self._queries):
            can_hold, can_fail = self._judge(query, f"option {index + 1}")
            must = None if can_fail is None else not can_fail
            options.append({"could": can_hold, "must": must})
        unknown = any(None in option.values() for option in options)
        return {"status": "unknown" if unknown else "sat", "options": options}

    def _optimize(self) -> dict[str, Any]:
        objectives = [*self._formalisation.objectives, *self._requested_objectives()]
        if not objectives and not self._formalisation.soft:
            raise Failed("error", "ValueError", "optimize needs (maximize term) or (minimize term)")
        optimizer = z3.Optimize()
        optimizer.set("timeout", self._milliseconds())
        optimizer.add(*self._premises)
        for soft, weight in self._formalisation.soft:
            optimizer.add_soft(soft, weight)
        handles = [getattr(optimizer, sense)(term) for sense, term in objectives]
        status = str(optimizer.check())
        if status != "sat":
            return {"status": status}
        model = optimizer.model()
        if not self._is_model(model, ()):
            return {"status": "unknown"}
        optima = [handle.value() for handle in handles]
        attained = [
            _same(model, term, optimum) for (_, term), optimum in zip(objectives, optima, strict=True)
        ]
        best = [term == optimum for (_, term), optimum in zip(objectives, optima, strict=True)]
        values = self._values(model)
        answer = {
            "status": "sat",
            "values": self._named(values),
            "optimum": [describe(optimum) for optimum in optima],
            "attained": all(attained),
        }
        unique = all(attained) and not self._formalisation.soft
        return answer | (self._uniqueness(values, *best) if unique else {"unique": None})

    def _requested_objectives(self) -> list[tuple[str, Any]]:
        objectives = []
        for query in self._queries:
            text = query.strip().removeprefix("(").strip()
            sense = text.split(maxsplit=1)[0] if text else ""
            if sense not in {"maximize", "minimize"}:
                raise Failed("error", "ValueError", "an objective is (maximize term) or (minimize term)")
            body = text.removeprefix(sense).strip().removesuffix(")")
            objectives.append((sense, self._formalisation.term(body, "query")))
        return objectives

    def _count(self) -> dict[str, Any]:
        if not self._unknowns:
            raise Failed("error", "ValueError", "count needs the answer variables whose values are counted")
        solver = z3.Solver()
        solver.add(*self._premises)
        first: list[dict[str, Any]] = []
        count = 0
        while True:
            solver.set("timeout", self._milliseconds())
            status = str(solver.check()) if time.monotonic() < self._deadline else "unknown"
            if status != "sat" or count >= MAX_MODELS:
                break
            values = self._values(solver.model())
            if not self._is_model(solver.model(), ()):
                status = "unknown"
                break
            count += 1
            if len(first) < 3:
                first.append(self._named(values))
            solver.add(self._differently(values))
        complete = status == "unsat"
        return {
            "status": "sat" if count else "unknown",
            "count": count,
            "complete": complete,
            "models": first,
        }


def _same(model: Any, term: Any, optimum: Any) -> bool:
    """Return whether the model reaches the optimum: bounds may be infinite or only approached."""
    if not z3.is_expr(optimum):
        return False
    return bool(z3.is_true(z3.simplify(model.eval(term, model_completion=True) == optimum)))
