"""How programs end: results, failures a model can repair, limits, queues and cancellation."""

from __future__ import annotations

import asyncio
import time

import pytest

from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits, Solved
from tests.sandbox.arena import BOOTS, children, gone

_FOREVER = "while True: pass"


def _run(solver: Solver, program: str, language: str = "z3py", **limits: float) -> Solved:
    return asyncio.run(solver.run(language, program, Limits(**limits)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("program", "kind", "line"),
    [
        ("x = 1\ny = [1, 2\nprint(y)", "syntax", 2),
        ("print(1)\nimport os", "refused", 2),
        ("with open('x') as f:\n    pass", "refused", 1),
        ("x = 1\n\nprint(x.real.__class__)", "refused", 3),
        ("def f(n):\n    return 1 / n\n\nf(0)", "error", 2),
        ("x = Int('x')\nx + 'a'\ns = Solver()\ns.add(5 + Solver())", "error", 2),
        ("x = [0] * 10\nwhile True:\n    x = x + x", "memory", None),
        ("while True:\n    print('x' * 9999)", "output", None),
        ("x = 1\nwhile True:\n    x = -x", "timeout", 3),
        ("print((lambda: undefined)())", "error", 1),
        ("print({}['k'])", "error", 1),
        ("def f(): return f()\nf()", "error", 1),
        ("raise ValueError('boo')", "error", 1),
    ],
)
def test_a_failure_says_what_kind_it_is_and_where(
    solver: Solver, program: str, kind: str, line: int | None
) -> None:
    solved = _run(solver, program, wall=1.0 if kind == "timeout" else 10.0)
    assert not solved.ok
    assert solved.error is not None
    assert solved.error.kind == kind
    assert solved.error.hint
    assert solved.error.repairable
    if line is not None and kind != "timeout":
        assert solved.error.line == line


def test_what_was_printed_before_a_failure_is_kept(solver: Solver) -> None:
    assert _run(solver, "print('so far')\n1 / 0").output == "so far\n"
    assert _run(solver, "print('so far')\nwhile True: pass", wall=0.5).output == "so far\n"


def test_a_message_names_no_paths_and_no_addresses(solver: Solver) -> None:
    solved = _run(solver, "raise ValueError('in /usr/lib/python3/site.py at 0x7f1234567890')")
    assert solved.error is not None
    assert solved.error.message == "in <path> at <address>"


def test_output_is_cut_at_32_kilobytes_and_says_so(solver: Solver) -> None:
    solved = _run(solver, "print('ü' * 60_000)")
    assert solved.ok
    assert len(solved.output.encode()) < 33_000
    assert solved.output.endswith("[output cut]")


def test_an_endless_program_is_stopped_at_its_wall_limit(solver: Solver) -> None:
    began = time.monotonic()
    assert _run(solver, _FOREVER, wall=0.7).error is not None
    assert 0.6 < time.monotonic() - began < 4.0


def test_a_program_stuck_in_foreign_code_is_killed(solver: Solver) -> None:
    began = time.monotonic()
    solved = _run(
        solver,
        "print(int('9' * 90_000) ** 40 % 7 and pow(3, 10**7 + int('9' * 40_000), 10**90_000))",
        wall=0.7,
    )
    assert solved.error is not None
    assert solved.error.kind == "timeout"
    assert time.monotonic() - began < 6.0


def test_a_solver_check_ends_with_unknown_before_the_program_is_killed(solver: Solver) -> None:
    program = (
        "x, y, z = Ints('x y z')\ns = Solver()\ns.set('timeout', 10**9)\n"
        "s.add(x > 2, y > 2, z > 2, x*x*x + y*y*y == z*z*z)\nprint(s.check())"
    )
    assert _run(solver, program, wall=1.5).output == "unknown\n"


@pytest.mark.parametrize(
    ("program", "kind"),
    [("print('\0')", "syntax"), ("print('\ud800')", "syntax"), ("#" * 70_000, "refused")],
)
def test_a_program_is_turned_away_before_it_reaches_the_sandbox(
    solver: Solver, program: str, kind: str
) -> None:
    solved = _run(solver, program)
    assert solved.error is not None
    assert solved.error.kind == kind


def test_programs_know_nothing_of_each_other(solver: Solver) -> None:
    assert _run(solver, "leftover = 1\nset_option(max_depth=1)\nsetattr(print, 'x', 1) if False else None").ok
    assert not _run(solver, "print(leftover)").ok


@pytest.mark.slow
def test_no_more_programs_run_at_once_than_allowed() -> None:
    async def run(solver: Solver) -> int:
        await solver.warm()
        assert solver.pid is not None
        tasks = [asyncio.create_task(solver.run("z3py", _FOREVER, Limits(wall=0.6))) for _ in range(4)]
        await asyncio.sleep(0.3)
        running = len(children(solver.pid))
        await asyncio.gather(*tasks)
        return running

    solver = Solver(at_once=1, boot=BOOTS / "quick.py")
    try:
        assert asyncio.run(run(solver)) == 1
    finally:
        solver.close()


def test_a_full_queue_says_busy_and_drains(solver: Solver) -> None:
    async def run() -> list[Solved]:
        return await asyncio.gather(*(solver.run("z3py", "print(1)", Limits()) for _ in range(120)))

    failures = [solved.error for solved in asyncio.run(run()) if solved.error]
    assert {failure.kind for failure in failures} == {"busy"}
    assert sum("too many programs wait" in failure.message for failure in failures) > 120 // 4
    assert len(failures) < 120  # how many are served in time depends on the machine
    assert _run(solver, "print(1)").ok


@pytest.mark.slow
def test_who_waits_too_long_is_told_so() -> None:
    async def run() -> list[Solved]:
        return await asyncio.gather(*(solver.run("z3py", _FOREVER, Limits(wall=6)) for _ in range(2)))

    solver = Solver(at_once=1, boot=BOOTS / "quick.py")
    try:
        first, second = asyncio.run(run())
    finally:
        solver.close()
    assert first.error is not None
    assert first.error.kind == "timeout"
    assert second.error is not None
    assert second.error.kind == "busy"
    assert not second.error.repairable


def test_cancelling_kills_the_job_at_once_and_leaves_nothing_behind(solver: Solver) -> None:
    async def run() -> None:
        await solver.warm()
        assert solver.pid is not None
        task = asyncio.create_task(solver.run("z3py", _FOREVER, Limits(wall=30)))
        assert await asyncio.to_thread(gone, lambda: not children(solver.pid or 0))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(gone, lambda: children(solver.pid or 0), 0.5)

    asyncio.run(run())
    assert _run(solver, "print(1)").ok


def test_cancelling_somebody_who_waits_gives_the_place_to_the_next(solver: Solver) -> None:
    async def run() -> None:
        holders = [asyncio.create_task(solver.run("z3py", _FOREVER, Limits(wall=0.6))) for _ in range(2)]
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(solver.run("z3py", "print(1)", Limits())) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        results = await asyncio.gather(*holders, *waiting, return_exceptions=True)
        assert isinstance(results[2], asyncio.CancelledError)
        assert all(isinstance(r, Solved) and r.ok for r in results[3:])

    asyncio.run(run())


def test_it_runs_on_uvloop(solver: Solver) -> None:
    import uvloop

    async def run() -> Solved:
        results = await asyncio.gather(*(solver.run("z3py", "print(6 * 7)", Limits()) for _ in range(6)))
        return results[-1]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()).output == "42\n"
