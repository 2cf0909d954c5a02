import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.e2e.proxy import Proxy, serving

# No test leaves this machine, and to read the system's certificates takes each client and each server 60 ms.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))

settings.register_profile("any machine", deadline=None)  # no test asserts how long something takes
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def demo() -> Iterator[Proxy]:
    """The proxy as `make run` starts it on a machine without an upstream."""
    with serving(environment={"OPTILLM_DEMO": "auto"}) as proxy:
        yield proxy
