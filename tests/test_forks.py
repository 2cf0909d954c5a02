"""Processes that are forked instead of started: they see what a started one would, and end like one."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path

from tests.forks import Forked


def look(*arguments: str) -> None:
    """Say what this process has of its own, and that it ends."""
    atexit.register(print, "ends", file=sys.stderr)
    imported = [name for name in ("optillm.engine.engine", "prometheus_client") if name in sys.modules]
    print(*arguments, Path.cwd(), dict(os.environ), imported, file=sys.stderr)
    sys.exit(3)


def wait() -> None:
    print("waiting", file=sys.stderr)
    signal.pause()


def test_has_its_arguments_folder_and_environment_and_the_imports_of_a_server(tmp_path: Path) -> None:
    forked = Forked(look, ["one", "two"], tmp_path, {"A": "b"})
    _, said = forked.communicate(60)
    # Metrics look when they are imported whether several workers count together.
    assert said == f"one two {tmp_path} {{'A': 'b'}} ['optillm.engine.engine']\nends\n"
    assert forked.poll() == 3


def test_ends_by_a_signal(tmp_path: Path) -> None:
    forked = Forked(wait, [], tmp_path, {})
    assert forked.stderr.readline() == "waiting\n"
    assert forked.poll() is None
    forked.terminate()
    assert forked.communicate(60) == (None, "")
    assert forked.returncode == -signal.SIGTERM
    forked.kill()  # nobody is there any more
