"""Tags of quoted text that a model copies are cut, in whole replies and in streams; no other tag is."""

from __future__ import annotations

import re

import pytest

from optillm.chat import Delta, Reply
from optillm.engine.run.quote_tags import TagFilter, Tags
from tests.fakes import Sent, World, run

FENCE = "ab12cd34"
LEAKS = (
    (f'<candidate-{FENCE} label="A">\nIt is 4.\n</candidate-{FENCE}>', "It is 4.\n"),
    (f"It is 4.</candidate-{FENCE}> Indeed.", "It is 4. Indeed."),
    (f"<user-{FENCE}>\nHi\n</user-{FENCE}>\n<assistant-{FENCE}>\nIt is 4.", "Hi\n\nIt is 4."),
    (f"It is 4.\n</candidate-{FENCE}", "It is 4.\n"),
    (f'It is 4.<candidate-{FENCE} label="', "It is 4."),
    (f"<candidate-{FENCE}><user-{FENCE}>", ""),
)
HARMLESS = (
    "",
    "<",
    "It is <",
    "a < b and b > c",
    "</candidate>",
    "<candidate-ab12>It is 4.</candidate-ab12>",
    f"candidate-{FENCE}",
    f"=== {FENCE} ===",
    f"<candidate-{FENCE}" + " and so on" * 9 + ">",
    '<candidate-ab12cd3 label="A">\nIt is 4.\n\n',
)


@pytest.mark.parametrize(("text", "left"), [*LEAKS, *((text, text) for text in HARMLESS)])
def test_tags_with_the_fence_are_cut(text: str, left: str) -> None:
    reply = Reply({"role": "assistant", "content": text}, "stop")
    cut = Tags(FENCE).without(reply)
    assert cut.text == left
    assert (cut is reply) is (text == left)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("text", [*(text for text, _ in LEAKS), *HARMLESS])
def test_a_stream_shows_the_text_without_tags_wherever_its_pieces_break(text: str, size: int) -> None:
    shown: list[str] = []

    async def show(piece: str) -> None:
        shown.append(piece)

    async def feed() -> None:
        tag_filter = TagFilter(Tags(FENCE), show)
        for start in range(0, len(text), size):
            await tag_filter.show(text[start : start + size])

    run(feed())
    whole, seen = Tags(FENCE).cut(text), "".join(shown)
    assert whole.startswith(seen)
    assert re.fullmatch(r"(?:<[^>\n]*)?", whole[len(seen) :])  # the end of the stream shows the rest


@pytest.mark.parametrize(
    "text", ["a <", "a <b", "a </candidate-", f"a <candidate-{FENCE}", f"a <candidate-{FENCE}>"]
)
def test_what_may_become_a_tag_waits(text: str) -> None:
    assert Tags(FENCE).settled(text) == 2


@pytest.mark.parametrize("text", ["a < b", "a <candidate-abc", "a <b>", "a\n", f"a </candidate-{FENCE}>."])
def test_all_other_text_is_shown_at_once(text: str) -> None:
    assert Tags(FENCE).settled(text) == len(text)


def test_log_probabilities_of_tags_are_cut_with_them() -> None:
    pieces = ["It is", " 4", f".</candidate-{FENCE}", ">", " Yes"]
    logprobs = {"content": [{"token": piece, "logprob": -0.1} for piece in pieces]}
    reply = Reply({"role": "assistant", "content": "".join(pieces)}, "stop", logprobs=logprobs)
    cut = Tags(FENCE).without(reply)
    assert cut.text == "It is 4. Yes"
    assert [token["token"] for token in cut.logprobs["content"]] == [
        pieces[0],
        pieces[1],
        pieces[2],
        pieces[4],
    ]


def copied(sent: Sent) -> str:
    """The candidates of the prompt with their tags, and an answer."""
    if sent.role == "generate":
        return f"The answer is {sent.number}."
    tags = re.findall(r"</?candidate-[^<>]*>", str(sent.body["messages"]))
    return f"{tags[0]}\nIt is 4.\n{tags[1]}" if len(tags) > 1 else "Nothing to add."


def test_what_a_synthesis_copies_of_its_prompt_never_reaches_the_client() -> None:
    assert World(copied).text("moa-m") == "It is 4.\n"
    shown = [event.content for _, event in World(copied).events("moa-m") if isinstance(event, Delta)]
    assert "".join(shown) == "It is 4.\n"
