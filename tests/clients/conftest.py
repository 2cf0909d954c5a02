"""Clients that are too heavy for the core suite; `make clients` installs them and runs these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.e2e.proxy import Proxy, serving
from tests.e2e.shop import Keeper
from tests.stub import Stub

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here where the clients are not installed."""
    if find_spec("langchain_openai") is None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="the clients are not installed: run `make clients`"))


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client finds a key or an address of the developer's."""
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "LANGCHAIN_", "LANGSMITH_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def keeper() -> Iterator[Stub]:
    with Stub(Keeper()) as stub:
        yield stub


@pytest.fixture(scope="session")
def shop(keeper: Stub) -> Iterator[Proxy]:
    """A proxy whose upstream asks for tools, see `tests/e2e/shop.py`."""
    with serving("--base-url", keeper.base_url) as proxy:
        yield proxy
