"""Where `make clients-heavy` installs what, and the upstream that its chat frontends talk to."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.stub import Call, completion, delta

HERE: Final = Path(__file__).parent
LIBRECHAT: Final = HERE / "librechat"
AIDER: Final = Path(sys.prefix) / "aider" / "bin"
OPEN_WEBUI: Final = Path(sys.prefix) / "openwebui" / "bin"


def installed(folder: Path) -> pytest.MarkDecorator:
    """Skips the tests of a client that is not installed."""
    return pytest.mark.skipif(not folder.exists(), reason="not installed: run `make clients-heavy`")


class Clerk:
    """An upstream that gives titles, follow-ups and tags in the form a frontend asks for, and an answer otherwise.

    `asked` counts the calls by what they were for.
    """

    SAYS: Final = {  # what is asked for, words of the prompt, reply
        "title": (("title",), '{"title": "A sum"}'),
        "tags": (("tags",), '{"tags": ["arithmetic"]}'),
        "follow-ups": (("send next",), '{"follow_ups": ["And minus 4?"]}'),
    }

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, call: Call) -> None:
        if call.method == "GET":
            return call.json({"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model"}]})
        purpose, text = self._purpose(str(call.sent["messages"][-1]["content"]))
        self.asked[purpose] += 1
        if call.sent.get("stream"):
            return call.events(*(delta(piece) for piece in text.split(" ")), delta(finish="stop"))
        return call.json(completion(*[text] * (call.sent.get("n") or 1)))

    def _purpose(self, prompt: str) -> tuple[str, str]:
        if prompt.startswith("### Task:"):
            task = prompt.split("### Guidelines:")[0]
            for purpose, (words, text) in self.SAYS.items():
                if all(word in task for word in words):
                    return purpose, text
        if "title for the conversation" in prompt:
            return "title", "A sum"
        return "answer", "The answer is 395."
