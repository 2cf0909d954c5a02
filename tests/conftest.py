from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.e2e.proxy import Proxy, serving

settings.register_profile("any machine", deadline=None)  # no test asserts how long something takes
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def demo() -> Iterator[Proxy]:
    """The proxy as `make run` starts it on a machine without an upstream."""
    with serving(environment={"OPTILLM_DEMO": "auto"}) as proxy:
        yield proxy
