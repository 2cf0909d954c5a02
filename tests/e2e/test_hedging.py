"""A call that hangs, over real sockets and a real clock: nobody waits for it, and its connection is closed."""

from __future__ import annotations

from threading import Event
from typing import Any

import httpx2
import pytest

from tests.e2e.proxy import serving
from tests.stub import Call, Stub


class Hanging:
    """An upstream whose second call is left without an answer."""

    def __init__(self) -> None:
        self.left = Event()
        self.stub = Stub(self.respond)

    def respond(self, call: Call) -> None:
        if len(self.stub.calls) == 2:
            call.until_left()
            self.left.set()
        else:
            call.answer("The answer is 4.")


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_hangs_is_made_again_and_closed(stream: bool) -> None:
    upstream = Hanging()
    body: dict[str, Any] = {"model": "re2-m", "messages": [{"role": "user", "content": "2 + 2?"}]}
    with upstream.stub as stub, serving("--base-url", stub.base_url) as proxy:
        for streams in (False, stream):
            url = f"{proxy.base_url}/chat/completions"
            reply = httpx2.post(url, json={**body, "stream": streams}, timeout=60)
            assert reply.status_code == 200
        assert "The answer is 4." in reply.text
        assert '"stop_reason":"complete"' in reply.text.replace(": ", ":")
        assert upstream.left.wait(30)
        assert len(stub.calls) == 3
