"""A formalisation: declarations and assertions of the model's, read one command at a time.

Each assertion keeps its source text and line, so that an unsatisfiable core can be told in the model's own
words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import z3

from ..outcome import Failed, Refused
from .allowed import ASKING, DECLARING, OPTIMIZING, admit, check_terms
from .reader import Atom, Form, Node, read, show
from .run import failed

_KEPT: Final = DECLARING | {"assert", "maximize", "minimize", "assert-soft"}
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
    """The declarations live in the parser; assertions and objectives are terms."""

    parser: Any = field(default_factory=z3.ParserContext)
    assertions: list[Assertion] = field(default_factory=list)
    objectives: list[tuple[str, Any]] = field(default_factory=list)
    soft: list[tuple[Any, str]] = field(default_factory=list)

    def term(self, text: str, what: str) -> Any:
        """The term a piece of text stands for, over the declared names. Raises `Failed`."""
        try:
            nodes = read(text)
            if len(nodes) != 1:
                raise Failed("syntax", "SmtSyntaxError", "exactly one term was expected")
            check_terms(nodes[0])
            return self._term(nodes[0])
        except Failed as failure:
            failure.message = f"{what}: {failure.message}"
            failure.line = None
            raise

    def proposition(self, text: str, what: str) -> Any:
        """The same, for a term that has to be Boolean."""
        term = self.term(text, what)
        if not z3.is_bool(term):
            raise Failed("error", "SmtError", f"{what}: a Boolean term was expected, this is {term.sort()}")
        return term

    def add(self, form: Form) -> None:
        """Take in one command."""
        if form.head in OPTIMIZING:
            self._add_objective(form)
            return
        try:
            terms = self.parser.from_string(show(form))
        except z3.Z3Exception as error:
            raise failed(error, form.line) from None
        self.assertions += [Assertion(term, form.line, show(form)) for term in terms]

    def _add_objective(self, form: Form) -> None:
        if len(form.parts) < 2:
            raise Failed("syntax", "SmtSyntaxError", f"{form.head} takes a term", form.line)
        try:
            term = self._term(form.parts[1])
        except Failed as failure:
            failure.line = form.line
            raise
        if form.head == "assert-soft":
            self.soft.append((term, _weight(form)))
        else:
            self.objectives.append((form.head, term))

    def _term(self, node: Node) -> Any:
        # The parser gives back assertions only, so the term is wrapped into one and taken out again.
        text = show(node)
        try:
            (wrapped,) = self.parser.from_string(f"(assert (= {text} {text}))")
        except z3.Z3Exception as error:
            raise failed(error, node.line) from None
        return wrapped.arg(0)


def formalise(smt2: str, *, optimizing: bool) -> Formalisation:
    """Read and parse the declarations, definitions and assertions of a text. Raises `Failed`."""
    formalisation = Formalisation()
    commands = _KEPT if optimizing else _KEPT - OPTIMIZING
    for node in read(smt2):
        if isinstance(node, Form) and node.head in _IGNORED:
            continue
        form = admit(node, frozenset(commands), 1)
        if form is not None:
            formalisation.add(form)
    if not formalisation.assertions and not formalisation.objectives:
        raise Refused("there is no assertion", hint="declare the unknowns and assert what is known of them")
    return formalisation


def _weight(form: Form) -> str:
    texts = [part.text if isinstance(part, Atom) else "" for part in form.parts]
    if ":weight" in texts[:-1]:
        weight = form.parts[texts.index(":weight") + 1]
        if isinstance(weight, Atom) and weight.kind in {"numeral", "decimal"}:
            return weight.text
        raise Failed("syntax", "SmtSyntaxError", "a weight is a number", form.line)
    return "1"
