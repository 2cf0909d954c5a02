"""The arguments and results of the sandbox: limits, results, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Language = Literal["z3py", "sympy", "smtlib2"]
LANGUAGES: Final = ("z3py", "sympy", "smtlib2")

FailureKind = Literal[
    "syntax", "refused", "error", "timeout", "memory", "output", "crash", "busy", "unavailable"
]
FAILURE_KINDS: Final = (
    "syntax", "refused", "error", "timeout", "memory", "output", "crash", "busy", "unavailable",
)  # fmt: skip
REPAIRABLE: Final = frozenset({"syntax", "refused", "error", "timeout", "memory", "output", "crash"})

Level = Literal["full", "seccomp", "none"]
"""How strong the jail is: seccomp and Landlock, seccomp alone, or no kernel wall at all."""

Status = Literal["sat", "unsat", "unknown"]
Verdict = Literal["true", "false", "undetermined"]


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one program may use.

    `wall` is in seconds (1 to 60), `check` is how much of it one check of a formalisation may take; `memory` is the
    address space in megabytes (256 to 8192), of which z3 may fill 70 %.
    """

    wall: float = 10.0
    memory: int = 1024
    check: float = 5.0

    def __post_init__(self) -> None:
        if not 0.5 <= self.wall <= 60 or not 0.05 <= self.check <= 60 or not 256 <= self.memory <= 8192:
            raise ValueError(f"limits out of range: {self}")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a program gave no result; `line` counts from 1 in the program as submitted."""

    kind: FailureKind
    type: str
    message: str
    line: int | None = None
    hint: str = ""

    @property
    def repairable(self) -> bool:
        """Return whether another version of the program could fare better."""
        return self.kind in REPAIRABLE


@dataclass(frozen=True, slots=True)
class Solved:
    """How a program ended; `output` is what it printed until then, even if it failed."""

    ok: bool
    output: str
    error: Failure | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a model. `text` is exact: an integer, "p/q", "true", or z3's own notation.

    `decimal` is there for algebraic numbers, whose exact text is a root object.
    """

    kind: str
    text: str
    decimal: str | None = None


@dataclass(frozen=True, slots=True)
class SourceAssertion:
    """An assertion of the formalisation, as it was written."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class OptionVerdict:
    """What the premises imply for one option: whether it could hold and whether it must.

    `None` stands for undecided.
    """

    could: bool | None
    must: bool | None


@dataclass(frozen=True, slots=True)
class Checked:
    """The facts about a formalisation.

    `status` "unsat" means that the premises contradict each other; `core` then lists those that do. `values` are
    those of `answer_vars` in the requested order; `other` is a second solution if `unique` is false. `options` are
    in the order of the query; `survivors` are the indexes of those that could hold. `optimum` has one value per
    objective; `attained` is false if it is only a bound. `count` is exact if `complete`.
    """

    ok: bool
    error: Failure | None
    milliseconds: int
    status: Status = "unknown"
    values: Mapping[str, Value] = field(default_factory=dict)
    unique: bool | None = None
    other: Mapping[str, Value] = field(default_factory=dict)
    core: tuple[SourceAssertion, ...] = ()
    verdict: Verdict | None = None
    options: tuple[OptionVerdict, ...] = ()
    optimum: tuple[Value, ...] = ()
    attained: bool | None = None
    count: int | None = None
    complete: bool | None = None
    models: tuple[Mapping[str, Value], ...] = ()

    @property
    def survivors(self) -> tuple[int, ...]:
        """Return the indexes of the options that the premises leave possible."""
        return tuple(index for index, option in enumerate(self.options) if option.could)

    @property
    def forced(self) -> tuple[int, ...]:
        """Return the indexes of the options that the premises make certain."""
        return tuple(index for index, option in enumerate(self.options) if option.must)
