"""What judges see beside text. The rest of the table is held by the contract test of the techniques."""

from __future__ import annotations

import pytest

from tests.fakes import Sent, World

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def script(sent: Sent) -> str:
    return '{"ranking": ["A", "B"]}' if sent.role == "judge" else f"The answer is {sent.number}."


@pytest.mark.parametrize(("images", "shown"), [(0, 0), (1, 1), (4, 4), (5, 0)])
def test_judges_see_a_few_images(images: int, shown: int) -> None:
    world = World(script)
    content = [{"type": "text", "text": "How many dots?"}, *[IMAGE] * images]
    world.complete("bon-m", [{"role": "user", "content": content}])
    for sent in world.of("judge"):
        content = sent.body["messages"][0]["content"]
        assert (content[1:] if shown else []) == [IMAGE] * shown
        assert isinstance(content, list) is bool(shown)
        assert "How many dots?" in sent.prompt


def test_images_reach_every_generating_call() -> None:
    world = World(lambda sent: "Written." if sent.role == "write" else f"Town {sent.number}.\n\nYes?")
    message = {"role": "user", "content": [IMAGE, {"type": "text", "text": "Where is this?"}]}
    world.complete("moa-m", [message])
    assert all(sent.body["messages"][0] == message for sent in world.sent)
