import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.e2e import proxy
from tests.e2e.proxy import COMMAND, Proxy, serving

HERE = Path(__file__).parent

# No test leaves this machine, and to read the system's certificates takes each client and each server 60 ms.
os.environ["SSL_CERT_FILE"] = str(HERE / "authority.pem")

proxy.forking = True

settings.register_profile("any machine", deadline=None)  # no test asserts how long something takes
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def demo() -> Iterator[Proxy]:
    """The proxy as `make run` starts it on a machine without an upstream."""
    with serving(command=COMMAND, environment={"OPTILLM_DEMO": "auto"}) as proxy:
        yield proxy


LONG = ("sandbox", "e2e", "faults", "server", "techniques")
"""Folders in which single files take a minute: left to the end, one of them would keep one worker busy alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones where several workers share the files."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _rank(item.path.relative_to(HERE).parts[0]))


def _rank(folder: str) -> int:
    return LONG.index(folder) if folder in LONG else len(LONG)
