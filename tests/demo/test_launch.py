"""Starting the demo model as a child process, and its end."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from optillm.demo import launch

ROOT = Path(__file__).parents[2]


def alive(base_url: str) -> bool:
    try:
        with urlopen(f"{base_url}/models", timeout=5) as response:  # noqa: S310 - our own loopback server
            return bool(response.status == 200)
    except URLError:
        return False


def test_runs_while_its_block_lasts() -> None:
    with launch() as demo:
        assert alive(demo.base_url)
    assert not alive(demo.base_url)
    demo.close()


def test_says_why_it_did_not_start() -> None:
    with launch() as demo:
        port = int(demo.base_url.rpartition(":")[2].removesuffix("/v1"))
        with pytest.raises(RuntimeError, match=r"cannot start.*in use"):
            launch(port=port)


def test_dies_with_a_parent_that_was_killed() -> None:
    script = "from optillm.demo import launch; print(launch().base_url, flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        address = urlsplit(parent.stdout.readline().strip())
        with socket.create_connection((address.hostname, address.port), timeout=60) as line:
            parent.kill()
            assert line.recv(1) == b""  # the child hangs up: it is gone
