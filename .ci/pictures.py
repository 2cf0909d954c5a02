"""The pictures of the documentation: pages of a proxy on the demo model, in a real browser.

    make pictures

One request of each technique is made, and its trace page is saved as docs/images/trace-<technique>.png; the playground
is saved after it has answered. The seeds are those with which the demo model's samples differ, so that there is
something to decide.
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.proxy import COMMAND, serving  # noqa: E402 - a script outside of packages

IMAGES: Final = ROOT / "docs" / "images"
QUESTION: Final = (
    "Tom has 14 bags with 36 marbles each. He gives away 129 marbles, buys 85 marbles, loses 47 marbles "
    "and then doubles what he has. How many marbles does he have?"
)
REQUESTS: Final[Mapping[str, tuple[str, int]]] = {
    "bon": ("bon(n=4)", 7),
    "bon-proof": ("bon(n=5)", 8),
    "mcts": ("mcts", 3),
    "moa": ("moa", 1),
    "pvg": ("pvg", 1),
    "rstar": ("rstar", 3),
    "rto": ("rto", 3),
    "self_consistency": ("self_consistency", 2),
    "z3": ("z3", 1),
    "composition": ("moa|z3", 1),
}
"""The expression and the seed of each picture."""
WIDTH: Final = 1180
OPENING: Final = {"x": 0, "y": 0, "width": WIDTH, "height": 1270}
"""The part of a trace page that README shows: the reasons, the lanes, the first candidates and ballots."""
SETTLED: Final = 1500
"""Milliseconds until a page has drawn everything."""


def completion(base_url: str, expression: str, seed: int) -> Mapping[str, Any]:
    """Make one request, and return the completion."""
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": f"{expression}-demo-small", "messages": messages, "seed": seed}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{base_url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310 - our own server
        parsed: Mapping[str, Any] = json.load(reply)
    return parsed


def save(page: Page, name: str, **options: Any) -> None:
    """Save the page that is shown."""
    page.wait_for_timeout(SETTLED)
    page.screenshot(path=IMAGES / f"{name}.png", **options)
    print(f"docs/images/{name}.png")


def main() -> None:
    """Make all pictures, or those that the arguments name."""
    chosen = sys.argv[1:] or [*REQUESTS, "playground"]
    IMAGES.mkdir(exist_ok=True)
    flags = ("--demo", "--demo-latency", "0.4")
    with serving(*flags, command=COMMAND) as proxy, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        completion(proxy.base_url, "bon(n=4)", 1)  # by which the proxy learns that this model honours `n`
        for name in filter(REQUESTS.__contains__, chosen):
            report = completion(proxy.base_url, *REQUESTS[name])["optillm"]
            page.goto(report["trace_url"])
            save(page, f"trace-{name}", full_page=True)
            if name == "bon-proof":
                save(page, "trace", full_page=True, clip=OPENING)
        if "playground" in chosen:
            page.set_viewport_size({"width": WIDTH, "height": 1300})
            page.goto(f"{proxy.url}/playground")
            page.get_by_label("Question").fill(QUESTION)
            page.get_by_role("button", name="Send to all").click()
            page.wait_for_timeout(4 * SETTLED)
            save(page, "playground")
        browser.close()


if __name__ == "__main__":
    main()
