"""A task stated for a solver by a model, in SMT-LIB or as a Python program."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator


def _texts(value: Any) -> Any:
    """Return one text, several, or those of an object as a list; models write all three."""
    if isinstance(value, dict):
        return list(value.values())
    return [value] if isinstance(value, str) else value or []


Texts = Annotated[list[str], BeforeValidator(_texts)]


class Formalisation(BaseModel):
    """A model's formalisation of a task, see `optillm.sandbox.check`.

    `program` is Python in place of SMT-LIB.
    """

    applicable: bool
    kind: Literal["model", "entail", "choice", "optimize", "count"] = "model"
    smt2: str = ""
    query: Texts = []
    options: Texts = []
    answer_vars: Texts = []
    program: str = ""

    @property
    def source(self) -> str:
        """Return the formalisation as text."""
        return self.program or "\n".join([self.smt2, *self.query])

    @property
    def labels(self) -> list[str]:
        """Return what the terms of the query stand for."""
        return self.options or self.query
