"""LibreChat's packages: the one that reads librechat.yaml and the one that calls models; its server is not here."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.heavy.environment import LIBRECHAT, Clerk, installed
from tests.clients.programs import run
from tests.e2e.proxy import Proxy, serving
from tests.recipes import ANSWER, blocks
from tests.stub import Stub

pytestmark = installed(LIBRECHAT / "node_modules")


def chat(proxy: Proxy, model: str) -> Any:
    """What LibreChat shows of an answer and its title, with the block of the page."""
    (text,) = blocks("LibreChat", "yaml")
    text = text.replace("http://host.docker.internal:8000", proxy.url).replace("gpt-4o-mini", model)
    return json.loads(run("node", LIBRECHAT / "chat.mjs", "What is 17 * 23 + 4?", stdin=text))


def test_librechat(demo: Proxy) -> None:
    shown = chat(demo, "demo-large")
    assert ANSWER in shown["text"]
    assert shown["pieces"] > 1
    assert shown["usage"][0]["output_tokens"] > 0


def test_a_title_takes_one_plain_call() -> None:
    clerk = Clerk()
    with Stub(clerk) as stub, serving("--base-url", stub.base_url) as proxy:
        shown = chat(proxy, "gpt-4o-mini")
    assert shown["title"] == "A sum"
    assert clerk.asked["title"] == 1
    assert "Using approach none, with gpt-4o-mini" in proxy.log[-1]
