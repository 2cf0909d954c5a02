"""The kinds of quotation in a prompt: candidates, the task they answer, partial work.

Text inside a quotation is data. It never reaches the instruction that decides what is to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from optillm_simulator.vocabulary import vocabulary

Kind = Literal["candidate", "task", "partial", "feedback", "facts", "formal", "code", "spec", "sub", "other"]

CANDIDATE_NAMES = vocabulary(
    "candidate answer response reply solution reference draft option proposal output attempt sample completion"
    " submission result ref version"
)
TASK_NAMES = vocabulary(
    "conversation question task problem prompt query request user dialogue dialog chat messages history context"
    " puzzle original"
)
_PARTIAL_NAMES = vocabulary(
    "partial prefix notes work progress reasoning unfinished beginning steps start trajectory chain path sofar"
)
_FEEDBACK_NAMES = vocabulary(
    "feedback review critique error errors objection objections flaws issues findings remarks complaint core"
    " diagnosis conflict counterexample report diagnostics trouble"
)
_FACT_NAMES = vocabulary("facts fact certified model models solver values verdict solved outcome")
_FORMAL_NAMES = vocabulary(
    "formalisation formalization smt smt2 smtlib encoding assertions constraints formal translation z3"
)
_CODE_NAMES = vocabulary("code program implementation function artefact artifact script source file")
_SPEC_NAMES = vocabulary("specification spec description requirements")
_SUB_NAMES = vocabulary("sub subquestion subproblem")

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(CANDIDATE_NAMES, "candidate"),
    **dict.fromkeys(TASK_NAMES, "task"),
    **dict.fromkeys(_PARTIAL_NAMES, "partial"),
    **dict.fromkeys(_FEEDBACK_NAMES, "feedback"),
    **dict.fromkeys(_FACT_NAMES, "facts"),
    **dict.fromkeys(_FORMAL_NAMES, "formal"),
    **dict.fromkeys(_CODE_NAMES, "code"),
    **dict.fromkeys(_SPEC_NAMES, "spec"),
    **dict.fromkeys(_SUB_NAMES, "sub"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One quotation: its kind, its label (may be empty) and its text."""

    kind: Kind
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt taken apart: its quotations, and what is left of it, the instruction.

    `listed`: the candidates are a mere numbered or lettered list, which might just as well be part of a task.
    """

    blocks: tuple[Block, ...]
    rest: str
    listed: bool = False

    def of(self, kind: Kind) -> list[Block]:
        """Return the quotations of one kind, in order."""
        return [block for block in self.blocks if block.kind == kind]
