"""The limits that z3 itself keeps, set again in every job."""

from __future__ import annotations

from typing import Any, Final

import z3
from z3.z3 import Z3_global_param_set

from .jail import JobLimits

_SHARE_OF_MEMORY: Final = 0.7
_HEADROOM_MS: Final = 500
_former_contexts: list[Any] = []


def solver_timeout(limits: JobLimits) -> int:
    """Return how many milliseconds one check may take.

    That is less than the job has, so that it can reply `unknown`.
    """
    return max(limits.wall_ms - _HEADROOM_MS, limits.wall_ms // 2)


def configure_z3(limits: JobLimits) -> None:
    """Limit z3's memory and time in this process.

    The context of the warm-up was made before the default time limit was known, so a new one replaces it.
    """
    touch()
    Z3_global_param_set("memory_max_size", str(int(limits.memory_mb * _SHARE_OF_MEMORY)))
    Z3_global_param_set("timeout", str(solver_timeout(limits)))
    _former_contexts.append(z3.z3._main_ctx)
    z3.z3._main_ctx = None
    z3.main_ctx()


def touch() -> None:
    """Let z3 do a little work.

    A job is often prepared before its program, and its first steps copy memory. Only before there is a time limit: z3
    keeps one with a thread, which would not be behind the walls.
    """
    solver = z3.Solver()
    solver.from_string("(declare-const x Int)(assert (> x 3))")
    solver.check()
    str(solver.model())
