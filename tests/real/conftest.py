"""The proxy on a real model: `make test-real` downloads it and runs these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from optillm.config.sources import SettingsError
from optillm.local.llama import LlamaServer
from tests.e2e.proxy import Proxy, serving
from tests.real.server import AUTO, CONTEXT, NAME, model, running

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here where there is no model."""
    try:
        model()
    except FileNotFoundError as error:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Threads of llama.cpp wait for each other without sleeping: with one too many it is a hundred times slower."""
    os.environ.setdefault("LLAMA_ARG_THREADS", "1")


@pytest.fixture(scope="session")
def server() -> Iterator[LlamaServer]:
    """The server, with eight small slots: judges of this model ramble on until their slot is full."""
    try:
        with running(context=CONTEXT) as running_server:
            yield running_server
    except SettingsError as error:
        if "SIGILL" not in str(error):
            raise
        pytest.skip(f"this processor is too old for the server: {error}")


@pytest.fixture(scope="session")
def proxy(server: LlamaServer) -> Iterator[Proxy]:
    """A proxy in front of it, on default settings."""
    with serving("--base-url", server.base_url, "--model", NAME, environment=AUTO) as running_proxy:
        yield running_proxy
