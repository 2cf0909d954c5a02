"""`--local FILE.gguf`: a server of one's own behind the proxy, from its start to its end."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tests.e2e.proxy import Proxy, serving
from tests.e2e.test_restart import eventually
from tests.local.fakes import gguf, on_path

__all__ = ["gguf", "on_path"]  # fixtures that the tests here run under

BODY = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}


def answer(proxy: Proxy, model: str) -> str:
    response = httpx2.post(f"{proxy.base_url}/chat/completions", json={"model": model, **BODY}, timeout=60)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def address(proxy: Proxy) -> tuple[str, int]:
    """Where the model's server listens, as the log says."""
    (line,) = [line for line in proxy.log if "behind llama-server at" in line]
    url = urlsplit(line.partition(" at ")[2].partition(",")[0])
    return str(url.hostname), url.port or 0


def wait_for_end(line: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert line.recv(1) == b""


def test_answers_under_every_technique_and_ends_with_the_proxy(on_path: Path, gguf: Path) -> None:
    with serving("--local", str(gguf), environment={"OPTILLM_DEMO": "auto"}) as proxy:
        for model in ("tiny-1B.Q4", "bon-tiny-1B.Q4"):
            assert answer(proxy, model) == "from tiny-1B.Q4"
        line = socket.create_connection(address(proxy), timeout=60)
    with line:
        wait_for_end(line)


def test_outlives_the_workers_of_the_proxy(on_path: Path, gguf: Path) -> None:
    with serving("--local", str(gguf)) as proxy:
        server, worker = proxy.workers  # children, the eldest first
        os.kill(worker, signal.SIGTERM)
        assert eventually(lambda: len(proxy.workers) == 2 and worker not in proxy.workers)
        assert proxy.workers[0] == server
        assert answer(proxy, "bon-tiny-1B.Q4") == "from tiny-1B.Q4"


def test_ends_with_a_proxy_that_is_killed(on_path: Path, gguf: Path) -> None:
    with (
        serving("--local", str(gguf)) as proxy,
        socket.create_connection(address(proxy), timeout=60) as line,
    ):
        proxy.process.kill()
        wait_for_end(line)
