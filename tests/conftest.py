from collections.abc import Iterator

import pytest

from tests.e2e.proxy import Proxy, serving


@pytest.fixture(scope="session")
def demo() -> Iterator[Proxy]:
    """The proxy as `make run` starts it on a machine without an upstream."""
    with serving(environment={"OPTILLM_DEMO": "auto"}) as proxy:
        yield proxy
