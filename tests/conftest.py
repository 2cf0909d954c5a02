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

MATRICES = ("e2e", "faults", "techniques/test_refusing_upstreams.py")
"""Where tests try the same with every technique."""
QUICK = frozenset(("bon", "re2"))
"""The techniques of theirs that `make test` tries: several calls with a judge, and a single call that streams."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over files without slow tests where only those are asked for: to collect all takes half a minute."""
    if config.option.markexpr != "slow" or collection_path.suffix != ".py":
        return None
    marked = _path(collection_path).startswith(
        (*MATRICES, "sandbox")
    ) or "mark.slow" in collection_path.read_text(encoding="utf-8")
    return None if marked else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the matrices' other techniques to the slow tests; begin with long files where workers share them."""
    for item in items:
        if _path(item.path).startswith(MATRICES) and not QUICK.issuperset(_techniques(item)):
            item.add_marker(pytest.mark.slow)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = _path(item.path).partition("/")[0]
    return LONG.index(folder) if folder in LONG else len(LONG)


def _path(path: Path) -> str:
    return path.relative_to(HERE).as_posix() if path.is_relative_to(HERE) else ""


def _techniques(item: pytest.Item) -> set[str]:
    """The techniques that a test is parametrised with."""
    spec = getattr(item, "callspec", None)
    values = {spec.params.get("slug"), spec.params.get("approach")} if spec else set()
    return {value for value in values if value and value != "none"}
