"""An upstream under a test's control, and a proxy in front of it: one of each per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from optillm.local.demo import launch
from tests.e2e.proxy import Proxy, serving
from tests.stub import Stub


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """An upstream; each test sets its `respond`."""
    with Stub(lambda call: None) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(request: pytest.FixtureRequest, stub: Stub) -> Iterator[Proxy]:
    """A proxy in front of it, with the module's `FLAGS` if it has any."""
    with serving("--base-url", stub.base_url, *getattr(request.module, "FLAGS", ())) as running:
        yield running


@pytest.fixture(scope="session")
def simulated() -> Iterator[dict[str, str]]:
    """The environment of a proxy in front of the demo model; all tests share one process of that."""
    with launch() as model:
        yield {"OPENAI_BASE_URL": model.base_url, "OPTILLM_MODEL": "demo-small"}
