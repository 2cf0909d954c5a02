from collections.abc import Iterator

import pytest

from tests.config.test_settings import bare_machine
from tests.faults.scene import solved_at_once

__all__ = ["bare_machine"]


@pytest.fixture(autouse=True)
def alone(bare_machine: None) -> Iterator[None]:
    """Nothing of this machine, and the solver without its processes."""
    with solved_at_once():
        yield
