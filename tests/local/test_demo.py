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

from optillm.config.sources import SettingsError
from optillm.local import demo
from optillm.local.demo import launch

ROOT = Path(__file__).parents[2]


def alive(base_url: str) -> bool:
    try:
        with urlopen(f"{base_url}/models", timeout=5) as response:  # noqa: S310 - our own loopback server
            return bool(response.status == 200)
    except URLError:
        return False


def test_runs_while_its_block_lasts() -> None:
    with launch() as model:
        assert alive(model.base_url)
    assert not alive(model.base_url)
    model.close()


def test_says_why_it_did_not_start() -> None:
    with launch() as model:
        port = int(model.base_url.rpartition(":")[2].removesuffix("/v1"))
        with pytest.raises(SettingsError, match=r"cannot start.*in use"):
            launch(port=port)


def test_dies_with_a_parent_that_was_killed() -> None:
    script = "from optillm.local.demo import launch; print(launch().base_url, flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        address = urlsplit(parent.stdout.readline().strip())
        with socket.create_connection((address.hostname, address.port), timeout=60) as line:
            parent.kill()
            assert line.recv(1) == b""  # the child hangs up: it is gone


def test_names_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SIMULATOR", "optillm_simulator_that_nobody_installed")
    with pytest.raises(SettingsError, match=r"^demo: .*pip install \./simulator"):
        launch()
