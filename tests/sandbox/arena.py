"""Where attacks are let loose, and how one sees that one got through."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits, Solved

BOOTS = Path(__file__).parent / "boots"
QUICK = Limits(wall=1.0, memory=1024)
_AT_ONCE = 3


@dataclass
class Arena:
    """A folder everybody may write to, a secret, a listening port and a process that wants to live."""

    folder: Path
    listener: socket.socket
    victim: subprocess.Popen[bytes]
    token: str = field(default_factory=lambda: "SECRET-" + secrets.token_hex(8))

    def __post_init__(self) -> None:
        self.folder.chmod(0o777)
        self.secret = self.folder / "secret"
        self.secret.write_text(f"(declare-const |{self.token}| Int)\n(assert (> |{self.token}| 1))\n")
        self.secret.chmod(0o666)
        self._before = self._fingerprint()
        self._count = 0

    def armed(self, attack: str) -> str:
        """The attack with its targets filled in."""
        self._count += 1
        return attack.format(
            canary=self.folder / f"canary{self._count}",
            secret=self.secret,
            port=self.listener.getsockname()[1],
            victim=self.victim.pid,
        )

    def damage(self, solved: Solved, *, escapes_count: bool) -> str | None:
        """What an attack did that it must not be able to do; `None` when nothing."""
        told = solved.output + str(solved.error)
        if self.token in told:
            return "the secret came back"
        if escapes_count and "ESCAPED" in solved.output:
            return "the program got hold of something: " + solved.output[:200]
        with contextlib.suppress(BlockingIOError):
            self.listener.accept()[0].close()
            return "somebody connected"
        if self._state() not in {"S", "R"}:
            return "the victim was killed or stopped"
        return None

    def left_behind(self) -> list[str]:
        """Files that should not be there, a secret that was touched, a victim that dies after all."""
        found = sorted(p.name for p in self.folder.iterdir() if p != self.secret)
        if not self.secret.exists() or self._fingerprint() != self._before:
            found.append("the secret was changed")
        if gone(lambda: self._state() in {"S", "R"}, 0.2):
            found.append("the victim was killed or stopped")
        return found

    def _fingerprint(self) -> tuple[int, int, int, str]:
        status = self.secret.stat()
        return status.st_mode, status.st_nlink, status.st_mtime_ns, self.secret.read_text()

    def _state(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return "gone"


@contextlib.contextmanager
def arena(user: int | None = None) -> Iterator[Arena]:
    """An arena, cleaned up behind.

    Its victim is of the user that jobs run as, so that nothing but the walls keeps them from killing it.
    """
    folder = Path(tempfile.mkdtemp(prefix="optillm-arena-", dir="/tmp"))
    victim = subprocess.Popen(["/bin/sleep", "600"], user=user, start_new_session=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        try:
            yield Arena(folder, listener, victim)
        finally:
            victim.kill()
            victim.wait()
            shutil.rmtree(folder, ignore_errors=True)


def assault(
    solver: Solver,
    language: str,
    attacks: Sequence[str],
    *,
    dialect: bool,
    limits: Limits = QUICK,
    armed: bool = True,
) -> list[str]:
    """Run attacks against a sandbox and tell which got through."""
    asyncio.run(solver.warm())
    with arena(user_of(solver)) as field_:
        breaches = asyncio.run(_assault(solver, language, attacks, field_, dialect, limits, armed))
        breaches += field_.left_behind()
        zygote = solver.pid
    if zygote is not None and not gone(lambda: children(zygote)):
        breaches.append(f"processes are left running: {children(zygote)}")
    return breaches


async def _assault(
    solver: Solver,
    language: str,
    attacks: Sequence[str],
    field_: Arena,
    dialect: bool,
    limits: Limits,
    armed: bool,
) -> list[str]:
    places = asyncio.Semaphore(_AT_ONCE)
    breaches: list[str] = []

    async def attack(text: str) -> None:
        program = field_.armed(text) if armed else text
        async with places:
            began = time.monotonic()
            solved = await solver.run(language, program, limits)
            took = time.monotonic() - began
        damage = field_.damage(solved, escapes_count=dialect)
        if took > limits.wall + 6:
            damage = f"it held the solver for {took:.1f} s"
        if (
            solved.error is not None
            and solved.error.kind in {"busy", "unavailable"}
            and "_exit(70)" not in text
        ):
            damage = f"it was not run: {solved.error}"
        if damage is not None:
            breaches.append(f"{damage}\n{program[:400]}")

    await asyncio.gather(*(attack(text) for text in attacks))
    return breaches


def user_of(solver: Solver) -> int:
    """The user that the programs of a sandbox run as."""
    (line,) = [
        line
        for line in Path(f"/proc/{solver.pid}/status").read_text().splitlines()
        if line.startswith("Uid:")
    ]
    return int(line.split()[1])


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(folder.name))
    return found


def gone(what: Callable[[], object], seconds: float = 2.0) -> bool:
    """Whether something becomes empty or false in time."""
    until = time.monotonic() + seconds
    while what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
