"""A formalisation: the model's declarations and assertions, read one command at a time.

Each assertion keeps its source text and line, so that an unsatisfiable core can be shown in the model's own words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import z3

from ..outcome import Failed, Refused
from .allowed import ASKING, DECLARING, OPTIMIZING, admit, check_terms
from .reader import Atom, Node, SExpr, read, show
from .run import failed

_ADMITTED: Final = DECLARING | {"assert", "maximize", "minimize", "assert-soft"}
_IGNORED: Final = ASKING | {"set-logic", "set-option", "set-info", "echo", "exit"}
"""Models write these out of habit; the questions are ours to ask."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """One `assert` of the source."""

    term: Any
    line: int
    text: str


@dataclass(slots=True)
class Formalisation:
    """A parsed formalisation: assertions and objectives are terms.

    Declarations live in the parser.
    """

    parser: Any = field(default_factory=z3.ParserContext)
    assertions: list[Assertion] = field(default_factory=list)
    objectives: list[tuple[str, Any]] = field(default_factory=list)
    soft: list[tuple[Any, str]] = field(default_factory=list)

    def term(self, text: str, label: str) -> Any:
        """Return the term that a text stands for, over the declared names.

        Raises `Failed`.
        """
        try:
            nodes = read(text)
            if len(nodes) != 1:
                raise Failed("syntax", "SmtSyntaxError", "exactly one term was expected")
            check_terms(nodes[0])
            return self._term(nodes[0])
        except Failed as failure:
            failure.message = f"{label}: {failure.message}"
            failure.line = None
            raise

    def proposition(self, text: str, label: str) -> Any:
        """Return the same for a term that has to be Boolean."""
        term = self.term(text, label)
        if not z3.is_bool(term):
            raise Failed("error", "SmtError", f"{label}: a Boolean term was expected, this is {term.sort()}")
        return term

    def add(self, expr: SExpr) -> None:
        """Add one command."""
        if expr.head in OPTIMIZING:
            self._add_objective(expr)
            return
        try:
            terms = self.parser.from_string(show(expr))
        except z3.Z3Exception as error:
            raise failed(error, expr.line) from None
        self.assertions += [Assertion(term, expr.line, show(expr)) for term in terms]

    def _add_objective(self, expr: SExpr) -> None:
        if len(expr.parts) < 2:
            raise Failed("syntax", "SmtSyntaxError", f"{expr.head} takes a term", expr.line)
        try:
            term = self._term(expr.parts[1])
        except Failed as failure:
            failure.line = expr.line
            raise
        if expr.head == "assert-soft":
            self.soft.append((term, _weight(expr)))
        else:
            self.objectives.append((expr.head, term))

    def _term(self, node: Node) -> Any:
        # The parser returns assertions only, so the term is wrapped into one and taken out again.
        text = show(node)
        try:
            (wrapped,) = self.parser.from_string(f"(assert (= {text} {text}))")
        except z3.Z3Exception as error:
            raise failed(error, node.line) from None
        return wrapped.arg(0)


def formalise(smt2: str, *, optimizing: bool) -> Formalisation:
    """Read and parse the declarations, definitions and assertions of a text.

    Raises `Failed`.
    """
    formalisation = Formalisation()
    commands = _ADMITTED if optimizing else _ADMITTED - OPTIMIZING
    for node in read(smt2):
        if isinstance(node, SExpr) and node.head in _IGNORED:
            continue
        expr = admit(node, frozenset(commands), 1)
        if expr is not None:
            formalisation.add(expr)
    if not formalisation.assertions and not formalisation.objectives:
        raise Refused("there is no assertion", hint="declare the unknowns and assert what is known of them")
    return formalisation


def _weight(expr: SExpr) -> str:
    texts = [part.text if isinstance(part, Atom) else "" for part in expr.parts]
    if ":weight" in texts[:-1]:
        weight = expr.parts[texts.index(":weight") + 1]
        if isinstance(weight, Atom) and weight.kind in {"numeral", "decimal"}:
            return weight.text
        raise Failed("syntax", "SmtSyntaxError", "a weight is a number", expr.line)
    return "1"
