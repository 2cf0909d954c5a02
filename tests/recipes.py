"""The blocks of docs/recipes.md, as the tests that run them take them from the page."""

from __future__ import annotations

import re

from tests.e2e.proxy import ROOT, Proxy

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
UPSTREAMS, CLIENTS = PAGE.split("\n## Clients\n")
ANSWER = "395"
"""What every client's block asks for."""


def headings(part: str) -> list[str]:
    """The headings of a part of the page, in order."""
    return re.findall(r"^### (.+)$", part, re.MULTILINE)


def section(heading: str) -> str:
    """What stands under a heading."""
    return re.split(r"^##+ ", PAGE.split(f"\n### {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of one language under a heading."""
    return re.findall(rf"```{language}\n(.*?)```", section(heading), re.DOTALL)


def block(heading: str, language: str, proxy: Proxy) -> str:
    """The one block of a client, for a proxy on the demo model."""
    (text,) = blocks(heading, language)
    return text.replace("http://localhost:8000", proxy.url).replace("gpt-4o-mini", "demo-large")
