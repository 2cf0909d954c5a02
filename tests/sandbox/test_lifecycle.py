"""Zygotes that start, die, are killed, do not come up, or live under a weaker kernel."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from optillm.sandbox import pool, replies
from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits, Solved
from tests.sandbox.arena import BOOTS, QUICK, children, gone

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Iterator[Solver]:
    solver = Solver(**{"boot": BOOTS / "quick.py"} | getattr(request, "param", {}))
    yield solver
    solver.close()


@pytest.fixture
def shared(solver: Solver) -> Iterator[Solver]:
    """The sandbox of the session, for tests that leave its zygote alive; jobs they made ready go with them."""
    yield solver
    while solver._spares:
        solver._drop(solver._spares[0])


def _run(solver: Solver, program: str = "print(1)", language: str = "z3py") -> Solved:
    return asyncio.run(solver.run(language, program, Limits()))


def _alive(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_server_imports_neither_z3_nor_sympy() -> None:
    look = "import sys, optillm.sandbox; print(sorted({'z3', 'sympy', 'ctypes'} & set(sys.modules)))"
    found = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", look], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_this_machine_has_a_jail(solver: Solver) -> None:
    assert solver.level in {"full", "seccomp"}


@pytest.mark.slow
def test_eighty_programs_leave_no_descriptors_threads_or_zombies(solver: Solver) -> None:
    async def many() -> None:
        for _ in range(8):
            await asyncio.gather(*(solver.run("smtlib2", "(check-sat)", Limits()) for _ in range(10)))

    def count() -> tuple[int, int, int, int]:
        assert solver.pid is not None
        # Descriptors of the zygote cannot be read once it is not dumpable, unless we are root.
        theirs = len(list(Path(f"/proc/{solver.pid}/fd").iterdir())) if os.geteuid() == 0 else 0
        return (
            len(list(Path("/proc/self/fd").iterdir())),
            threading.active_count(),
            len(children(solver.pid)),
            theirs,
        )

    asyncio.run(many())
    assert gone(lambda: children(solver.pid or 0))
    before = count()
    asyncio.run(many())
    assert gone(lambda: count() != before), (before, count())


def test_a_killed_zygote_takes_its_jobs_along_and_is_replaced(fresh: Solver) -> None:
    async def run() -> tuple[Solved, list[int]]:
        await fresh.warm()
        task = asyncio.create_task(fresh.run("z3py", "while True: pass", Limits(wall=20)))
        assert fresh.pid is not None
        await asyncio.to_thread(gone, lambda: not children(fresh.pid or 0))
        jobs = children(fresh.pid)
        os.kill(fresh.pid, signal.SIGKILL)
        return await task, jobs

    solved, jobs = asyncio.run(run())
    assert solved.error is not None
    assert solved.error.kind == "unavailable"
    assert gone(lambda: any(_alive(job) for job in jobs))
    assert _run(fresh).ok


def test_a_stopped_zygote_is_given_up_and_replaced(fresh: Solver) -> None:
    async def run() -> Solved:
        await fresh.warm()
        os.kill(fresh.pid or 0, signal.SIGSTOP)
        return await fresh.run("z3py", "print(1)", Limits(wall=0.5))

    assert asyncio.run(run()).error is not None
    assert _run(fresh).ok


@pytest.mark.slow
@pytest.mark.parametrize("busy", [True, False])
def test_when_the_server_is_killed_everything_ends(busy: bool) -> None:
    server = subprocess.Popen(  # noqa: S603  our own interpreter
        [sys.executable, "-c", _SERVER, str(int(busy)), str(BOOTS / "quick.py")],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    with server.stdout:
        zygote = int(server.stdout.readline())
        if busy:
            assert not gone(lambda: not children(zygote), 0.0) or gone(lambda: not children(zygote))
        started = [zygote, *children(zygote)]
        server.kill()
        server.wait()
        assert gone(lambda: any(_alive(pid) for pid in started))


_SERVER = """
import asyncio, sys
from pathlib import Path
from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits

async def main():
    solver = Solver(boot=Path(sys.argv[2]))
    await solver.warm()
    task = asyncio.create_task(solver.run("z3py", "while True: pass", Limits(wall=50))) if sys.argv[1] == "1" else None
    await asyncio.sleep(0.1)
    print(solver.pid, flush=True)
    await asyncio.sleep(50)

asyncio.run(main())
"""


@pytest.mark.slow
def test_at_the_end_of_the_interpreter_nothing_is_left() -> None:
    code = (
        "import asyncio, optillm.sandbox as s; print(asyncio.run(s.solve('smtlib2', '(check-sat)')).ok);"
        "print(s._default.pid)"
    )
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-W", "error", "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    ok, pid = done.stdout.split()
    assert ok == "True"
    assert done.stderr == ""
    assert gone(lambda: _alive(int(pid)))


def test_closing_ends_the_zygote_and_the_next_program_starts_another(fresh: Solver) -> None:
    assert _run(fresh).ok
    first = fresh.pid
    fresh.close()
    fresh.close()
    assert not _alive(first)
    assert _run(fresh).ok
    assert fresh.pid != first


def test_a_forked_server_does_not_share_its_parents_zygote(fresh: Solver) -> None:
    assert _run(fresh).ok
    parent = fresh.pid
    child = os.fork()
    if child == 0:
        try:
            ok = _run(fresh).ok and fresh.pid != parent
            fresh.close()
        except BaseException:  # noqa: BLE001  a child of the tests must not go on as one
            ok = False
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert _run(fresh).ok
    assert fresh.pid == parent


@pytest.mark.parametrize("fresh", [{"boot": BOOTS / "broken_jail.py"}], indirect=True)
def test_a_jail_that_fails_its_self_test_runs_no_python(
    fresh: Solver, caplog: pytest.LogCaptureFixture
) -> None:
    solved = _run(fresh)
    assert fresh.level == "none"
    assert solved.error is not None
    assert solved.error.kind == "unavailable"
    assert not solved.error.repairable
    assert _run(fresh, "(check-sat)", "smtlib2").output == "sat\n"
    assert [record.levelname for record in caplog.records if "sandbox level none" in record.message] == [
        "WARNING"
    ]


@pytest.mark.parametrize("fresh", [{"boot": BOOTS / "broken_jail.py"}], indirect=True)
def test_the_zygote_itself_refuses_python_when_the_server_forgets_to(
    fresh: Solver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Solver, "_admit", lambda *_: None)
    solved = _run(fresh)
    assert solved.error is not None
    assert solved.error.kind == "refused"


@pytest.mark.parametrize("fresh", [{"boot": BOOTS / "broken_jail.py", "language_only": True}], indirect=True)
def test_a_developer_may_do_with_the_language_alone(fresh: Solver) -> None:
    assert _run(fresh).output == "1\n"
    assert not _run(fresh, "import os").ok


@pytest.mark.parametrize("fresh", [{"boot": BOOTS / "without_landlock.py"}], indirect=True)
def test_without_landlock_the_filter_is_enough(fresh: Solver) -> None:
    assert _run(fresh).ok
    assert fresh.level == "seccomp"


@pytest.mark.parametrize("text", ["", "import sys; sys.exit(3)", "import os; os.write(0, b'\\xff\\xff\\xff\\xff')",
                                  "import os, time; os.write(0, b'\\0\\0\\0\\2[]'); time.sleep(60)"])  # fmt: skip
def test_a_zygote_that_does_not_come_up_is_no_disaster(tmp_path: Path, text: str) -> None:
    boot = tmp_path / "boot.py"
    boot.write_text(text)
    broken = Solver(boot=boot)
    solved = _run(broken)
    assert solved.error is not None
    assert solved.error.kind == "unavailable"
    broken.close()


def test_after_several_failures_it_rests_instead_of_trying(tmp_path: Path) -> None:
    boot = tmp_path / "boot.py"
    boot.write_text("")
    broken = Solver(boot=boot)
    broken._lost = 5  # as after the fifth
    _run(broken)
    solved = _run(broken)
    assert solved.error is not None
    assert (solved.error.kind, solved.error.type) == ("unavailable", "BackOff")


def test_the_environment_of_programs_holds_no_secrets(
    jail_alone: Solver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    solved = _run(jail_alone, "import os\nprint(sorted(os.environ), os.getuid() != 0 or os.getuid())")
    assert "sk-very-secret" not in solved.output
    assert set(ast.literal_eval(solved.output.rpartition("]")[0] + "]")) <= {
        "PATH",
        "LANG",
        "MALLOC_ARENA_MAX",
        "LC_CTYPE",
    }


def _jobs(solver: Solver) -> list[int]:
    return children(solver.pid or 0)


def test_a_program_that_was_announced_finds_its_job_ready(shared: Solver) -> None:
    async def run() -> tuple[list[int], list[Solved]]:
        await shared.warm()
        shared.prepare(9, QUICK)
        await asyncio.to_thread(gone, lambda: not _jobs(shared))
        ready = _jobs(shared)
        os.kill(shared.pid or 0, signal.SIGSTOP)  # nobody is there to fork another one
        try:
            return ready, [await shared.run("z3py", f"print({number})", QUICK) for number in range(2)]
        finally:
            os.kill(shared.pid or 0, signal.SIGCONT)

    ready, solved = asyncio.run(run())
    assert 1 <= len(ready) <= 2
    assert [one.output for one in solved[: len(ready)]] == [f"{number}\n" for number in range(len(ready))]


def test_a_job_made_ready_for_other_limits_is_not_taken(shared: Solver) -> None:
    async def run() -> Solved:
        await shared.warm()
        shared.prepare(1, Limits(wall=60))
        return await shared.run("z3py", "while True: pass", QUICK)

    solved = asyncio.run(run())
    assert solved.error is not None
    assert solved.error.kind == "timeout"


def test_a_ready_job_keeps_its_limits(shared: Solver) -> None:
    async def run() -> Solved:
        await shared.warm()
        shared.prepare(1, QUICK)
        return await shared.run("z3py", "while True: pass", QUICK)

    solved = asyncio.run(run())
    assert solved.error is not None
    assert solved.error.kind == "timeout"
    assert gone(lambda: _jobs(shared))


def test_a_ready_job_that_has_died_is_replaced(shared: Solver) -> None:
    async def run() -> Solved:
        await shared.warm()
        shared.prepare(1, QUICK)
        await asyncio.to_thread(gone, lambda: not _jobs(shared))
        for job in _jobs(shared):
            os.kill(job, signal.SIGKILL)
        await asyncio.to_thread(gone, lambda: _jobs(shared))
        return await shared.run("z3py", "print(1)", QUICK)

    assert asyncio.run(run()).output == "1\n"


def test_jobs_that_nobody_came_for_end(shared: Solver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_KEPT", 0.2)

    async def run() -> bool:
        await shared.warm()
        shared.prepare(1, QUICK)
        assert len(shared._spares) == 1
        # A busy machine may not have forked it by the time it is given up, so nobody looks for its process.
        while shared._spares:  # noqa: ASYNC110 - a timer ends it
            await asyncio.sleep(0.01)
        return await asyncio.to_thread(gone, lambda: _jobs(shared))

    assert asyncio.run(run())
    assert shared.level is not None


def test_nothing_is_prepared_before_the_zygote_is_up_or_after_it_is_closed(fresh: Solver) -> None:
    async def run() -> None:
        fresh.prepare(1, QUICK)
        assert fresh.pid is None
        await fresh.warm()
        zygote = fresh.pid
        fresh.prepare(1, QUICK)
        fresh.close()
        assert gone(lambda: children(zygote or 0))

    asyncio.run(run())


@pytest.mark.parametrize("reply", [b"", b"[]", b"{", b"\xff"])
def test_a_garbled_reply_is_a_crash_of_the_program(reply: bytes) -> None:
    error = replies.solved(reply, replies.Ending(None, late=False), 1).error
    assert error is not None
    assert error.kind == "crash"


def test_z3_at_work_before_the_walls_are_up_starts_no_thread() -> None:
    code = (
        "import os; from optillm.sandbox.inside.z3setup import touch; touch(); "
        "print(len(os.listdir('/proc/self/task')))"
    )
    told = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "1"


def test_jobs_made_ready_for_other_limits_make_room(shared: Solver) -> None:
    async def run() -> list[Limits]:
        await shared.warm()
        shared.prepare(9, Limits(wall=60))
        shared.prepare(9, QUICK)
        return [spare.limits for spare in shared._spares]

    assert set(asyncio.run(run())) == {QUICK}
