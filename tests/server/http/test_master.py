"""Workers that cannot start: those that serve go on, and the server ends only when none ever has."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from gunicorn.errors import HaltServer

from optillm.server.http.master import FAILED, FIRST_PAUSE, LONGEST_PAUSE, Master
from tests.server.http.test_serve import SOON, Live, eventually, running, started
from tests.server.live import FAULTS

UNFIT = [*FAULTS, "signal", "exit 1", "exit 3", "exit 4", "leave"]
CASES = [UNFIT[0], *(pytest.param(fault, marks=pytest.mark.slow) for fault in UNFIT[1:])]


def workers(live: Live) -> set[int]:
    children = Path(f"/proc/{live.process.pid}/task/{live.process.pid}/children")
    return {int(pid) for pid in children.read_text().split()}


def serves(live: Live) -> bool:
    connection, response = live.post("m")
    response.read()
    connection.close()
    return response.status == 200


class Log:
    """What a server has said since its first line."""

    def __init__(self, live: Live) -> None:
        assert live.process.stderr is not None
        self._file = live.process.stderr.fileno()
        os.set_blocking(self._file, False)
        self._text = ""

    def count(self, words: str) -> int:
        with suppress(BlockingIOError):
            while data := os.read(self._file, 2**16):
                self._text += data.decode()
        return self._text.count(words)


@pytest.mark.parametrize("fault", CASES)
def test_a_first_worker_that_cannot_start_is_the_end_with_its_reason(fault: str, tmp_path: Path) -> None:
    (tmp_path / "unfit").write_text(fault, encoding="utf-8")
    ending = started(tmp_path)
    _, told = ending.communicate(timeout=SOON)
    assert ending.returncode == FAILED
    assert "no worker could start" in told
    assert "Traceback" not in told
    if fault in FAULTS:
        assert f"A worker cannot start: {type(FAULTS[fault]).__name__}: {FAULTS[fault]}" in told


@pytest.mark.parametrize("fault", CASES)
def test_old_workers_serve_until_new_ones_can(fault: str, tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as live:
        log, former = Log(live), workers(live)
        assert len(former) == 2
        (tmp_path / "unfit").write_text(fault, encoding="utf-8")
        live.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: log.count("The next attempt") >= 2)  # again, after a pause
        assert former <= workers(live)
        assert serves(live)
        (tmp_path / "unfit").unlink()
        assert eventually(lambda: former.isdisjoint(workers(live)) and len(workers(live)) == 2)
        assert serves(live)
        assert log.count("Traceback") == 0
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(SOON) == 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["disk full", "exit 3", "signal"])
def test_the_only_worker_is_replaced_once_that_is_possible(fault: str, tmp_path: Path) -> None:
    with running(tmp_path) as live:
        log = Log(live)
        assert serves(live)
        (tmp_path / "unfit").write_text(fault, encoding="utf-8")
        os.kill(workers(live).pop(), signal.SIGKILL)
        assert eventually(lambda: log.count("The next attempt") >= 2)
        assert live.process.poll() is None
        (tmp_path / "unfit").unlink()
        assert serves(live)


@pytest.mark.parametrize("status", [3, 4])
def test_no_exit_status_of_a_worker_that_served_ends_the_server(status: int, tmp_path: Path) -> None:
    with running(tmp_path) as live:
        former = workers(live)
        connection = live.send(f"exit {status}")
        assert eventually(lambda: former.isdisjoint(workers(live)))
        connection.close()
        assert serves(live)


def test_a_server_whose_workers_cannot_be_replaced_ends_at_once_when_told_to(tmp_path: Path) -> None:
    with running(tmp_path, grace=60) as live:
        log = Log(live)
        (tmp_path / "unfit").write_text("disk full", encoding="utf-8")
        live.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: log.count("The next attempt") >= 1)
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(SOON) == 0


def master(*, has_served: bool) -> Master:
    """A master that has no workers and can make none."""
    made = Master.__new__(Master)
    made.WORKERS, made.LISTENERS, made._num_workers = {}, [Mock()], 2
    made._outdated = made._failures = made._last_failed = made.worker_age = 0
    made._ending, made._has_served, made._next_start = set(), has_served, 0.0
    made.spawn_worker = Mock(side_effect=OSError(11, "Resource temporarily unavailable"))
    return made


def test_a_process_that_cannot_be_had_is_tried_again_after_longer_and_longer_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = master(has_served=True)
    for _ in range(10):
        made._next_start = 0.0
        made.manage_workers()
        made.manage_workers()  # in the pause
    assert made.spawn_worker.call_count == 10
    pauses = [float(pause) for pause in re.findall(r"is in ([\d.]+) s", caplog.text)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_first_process_that_cannot_be_had_is_the_end() -> None:
    made = master(has_served=False)
    with pytest.raises(HaltServer) as halted:
        made.manage_workers()
    assert halted.value.exit_status == FAILED
