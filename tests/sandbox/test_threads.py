"""Threads are counted per user: a flood of them in one sandbox, or elsewhere, costs no honest program its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits, Solved
from tests.sandbox.arena import children, gone, user_of
from tests.sandbox.attacks_python import THREADS

ROOT = Path(__file__).resolve().parents[2]
TIMED = "(declare-const x Int)(assert (> (* x x) 8))(check-sat)"
"""A check with a time limit, which z3 keeps with a thread."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which alone can become another user")


def threads(solver: Solver) -> int:
    """How many threads the programs have that run in a sandbox."""
    lines = [
        line
        for job in children(solver.pid or 0)
        for line in Path(f"/proc/{job}/status").read_text().splitlines()
        if line.startswith("Threads:")
    ]
    return sum(int(line.split()[1]) for line in lines)


@needs_root
def test_each_sandbox_has_a_user_of_its_own(solver: Solver, dialect_alone: Solver) -> None:
    users = {user_of(solver), user_of(dialect_alone)}
    assert len(users) == 2
    assert 0 not in users


@needs_root
def test_a_flood_of_threads_in_one_sandbox_leaves_honest_programs_in_others_alone(
    jail_alone: Solver, dialect_alone: Solver, solver: Solver
) -> None:
    async def run() -> list[Solved]:
        flood = asyncio.create_task(
            jail_alone.run("z3py", f"{THREADS}\ntime.sleep(60)", Limits(wall=60, memory=4096))
        )
        assert await asyncio.to_thread(gone, lambda: threads(jail_alone) < 4000, 60)
        results = [await honest.run("smtlib2", TIMED, Limits(wall=20)) for honest in (dialect_alone, solver)]
        flood.cancel()
        return results

    assert [solved.output for solved in asyncio.run(run())] == ["sat\n", "sat\n"]


@needs_root
def test_threads_that_the_user_has_elsewhere_raise_the_limit_until_half_of_it_is_free() -> None:
    code = """
import threading
from optillm.sandbox.inside import jail, kernel
kernel.drop_root()
end = threading.Event()
others = [threading.Thread(target=end.wait) for _ in range(50)]
for other in others:
    other.start()
print(jail.thread_limit(least=16), jail.thread_limit(least=1024))
end.set()
"""
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["128", "1024"]
