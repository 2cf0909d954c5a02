from collections.abc import Iterator

import pytest

from tests.faults.scene import solved_at_once
from tests.test_config import bare_machine

__all__ = ["bare_machine"]


@pytest.fixture(autouse=True)
def alone(bare_machine: None) -> Iterator[None]:
    """Nothing of this machine, and the solver without its processes."""
    with solved_at_once():
        yield
