"""Thoughts that models write into their replies: never in the answer, whole or in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.toolkit.thoughts import (
    FRAMES,
    LONGEST_LEAD,
    THOUGHTS,
    ThoughtReader,
    split_thoughts,
    strip_reasoning,
)

FINAL = "<|start|>assistant<|channel|>final<|message|>"
WITH_THOUGHTS = [
    ("<think>It is 3.</think>\n\nIt is 4.", "It is 4."),
    ("  <think>\nfirst</think><think>second</think>4", "4"),
    ("<Thinking>hm</Thinking>4", "4"),
    ("\n <THINK>hm</THINK>Yes.", "Yes."),
    ("<thinking>a</thinking> b </thinking> c", "b </thinking> c"),
    ("[THINK]hm[/THINK]4", "4"),
    ("<thought>hm</thought>\n4", "4"),
    ("<seed:think>hm <seed:cot_budget_reflect>9</seed:cot_budget_reflect></seed:think>4", "4"),
    ("◁think▷hm◁/think▷4", "4"),
    ("<reasoning>\nhm\n</reasoning>\n\n4", "4"),
    ("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>4<|END_RESPONSE|>", "4"),
    ("<|begin_of_thought|>hm<|end_of_thought|>\n\n<|begin_of_solution|>\n4<|end_of_solution|>\n", "4"),
    (f"<|channel|>analysis<|message|>hm<|end|>{FINAL}4", "4"),
    (f"<|channel|>analysis<|message|>hm<|end|>{FINAL}4<|return|>", "4"),
    (f"<|start|>assistant<|channel|>analysis<|message|>hm<|end|>{FINAL}4<|end|>", "4"),
    (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|>"
        f"I look<|end|>{FINAL}4",
        "4",
    ),
    (f"<|channel|>analysis<|message|>hm{FINAL}4", "4"),
    ('<|channel|>final <|constrain|>json<|message|>{"a": 1}<|return|>', '{"a": 1}'),
    ("<think>cut off in the midd", ""),
    ("<think>", ""),
    ("<|channel|>analysis<|message|>hm", ""),
    (f"<|channel|>analysis<|message|>hm<|end|>{FINAL}", ""),
]
WITHOUT = [
    "",
    "no tags",
    " \n blanks stay ",
    "<table>x</table>",
    "<thi",
    "<thinker>a</thinker>",
    "[THIN ice]",
    "Answer first. <think>quoted</think>",
    "Write `<think>a</think>` first.",
    "User: hi\nAssistant: ho",
    "<|im_start|> is another token",
]
MENTIONED = [
    "Use </think> to close it.",
    "Close it with </think>, then go on.",
    "The tag `</think>` ends it.",
    "Split at '</think>' and take the rest.",
    'text.split("</think>")[1]',
    "It ends (</think>) there.",
    "The closing tag is </think>",
    "```xml\nhm\n</think>\nyes\n```\nThat is the form.",
    "Open with <think>, write\n</think>\nand answer.",
    '<step>\n<reasoning id="1">\na\n</reasoning>\n</step>',
    "Its last channel is `<|channel|>final<|message|>`.",
    "Schließe mit </think> ab.",
    'User: hi\nAssistant: ho </think> === \n<candidate-0 label="A">\n\nThe answer is 42.',
]
LONE = [
    ("2 + 2 is 4, not 99.\n</think>\n\nThe answer is 4.", "The answer is 4."),
    ("not 99.</think>The answer is 4.", "The answer is 4."),
    ("not 99</think>four", "four"),
    ("not 99 </think> The answer is 4.", "The answer is 4."),
    ("not 99. </think> it is 4", "it is 4"),
    ("not 99 </think> **4**", "**4**"),
    ("not 99 </think> 4", "4"),
    ("not 99 </think> \n4", "4"),
    ('not 99</think>{"a": 4}', '{"a": 4}'),
    ('He said "99"</think>**4**', "**4**"),
    ("I could use `99`.\n</think>\n`4`", "`4`"),
    ("</think>\n\n4", "4"),
    ("hm\n</think>", ""),
    ("hm\n</thinking>\n4", "4"),
    ("hm[/THINK]4", "4"),
    ("hm◁/think▷4", "4"),
    ("hm</seed:think>4", "4"),
    ("hm<|end_of_thought|><|begin_of_solution|>4<|end_of_solution|>", "4"),
    (f"hm<|end|>{FINAL}4<|return|>", "4"),
    ("hm</think>Use </think> to close it.", "Use </think> to close it."),
]


def live(*pieces: str) -> str:
    """The answer as a client sees it that reads along."""
    reader = ThoughtReader()
    return "".join(map(reader.feed, pieces)) + reader.end()


@pytest.mark.parametrize(("text", "answer"), [*WITH_THOUGHTS, *((text, text) for text in WITHOUT)])
def test_thoughts_are_no_part_of_the_answer(text: str, answer: str) -> None:
    assert strip_reasoning(text) == answer
    for size in (1, 2, 7):
        assert live(*(text[start : start + size] for start in range(0, len(text), size))) == answer


@pytest.mark.parametrize("text", MENTIONED)
def test_a_tag_that_the_answer_is_about_stays(text: str) -> None:
    assert strip_reasoning(text) == text == live(*text)


@pytest.mark.parametrize(("text", "answer"), LONE)
def test_a_closing_tag_without_its_opening_ends_thoughts_too(text: str, answer: str) -> None:
    assert strip_reasoning(text) == answer
    assert strip_reasoning(answer) == answer


@pytest.mark.parametrize(("opening", "closings"), THOUGHTS)
def test_every_pair_of_the_table_is_known_in_any_case(opening: str, closings: tuple[str, ...]) -> None:
    for closing in closings:
        assert strip_reasoning(f"{opening.upper()} hm {closing.upper()}\n4") == "4"
        assert live(*f"{opening}hm{closing}4") == "4"


@pytest.mark.parametrize("frame", FRAMES)
def test_every_frame_of_the_table_is_taken_off(frame: str) -> None:
    assert (
        strip_reasoning(f"{frame}\n4 < 5, says <|end|>, and more<|end|>") == "4 < 5, says <|end|>, and more"
    )


def test_what_was_thought_is_kept_apart() -> None:
    assert split_thoughts("<think>a</think>\n<think>b</think>4") == ("a\nb", "4")
    assert split_thoughts("a\n</think>4") == ("a", "4")
    assert split_thoughts("4") == ("", "4")


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", " ", "a", "\n", "[THINK]", "<|end|>", FINAL])))
def test_any_cut_of_a_reply_gives_the_same_answer(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert live(*text) == live(*pieces) == live(text)


def test_blanks_without_end_are_not_hoarded() -> None:
    reader = ThoughtReader()
    shown = "".join(reader.feed(" ") for _ in range(2 * LONGEST_LEAD))
    assert 0 < len(shown) <= 2 * LONGEST_LEAD
    assert len(shown + reader.end()) == 2 * LONGEST_LEAD


def test_after_thoughts_the_answer_comes_at_once_and_blanks_before_it_never() -> None:
    reader = ThoughtReader()
    pieces = ("<think>hm</think>", *([" "] * 9), "Yes", " ")
    assert [reader.feed(piece) for piece in pieces] == [""] * 10 + ["Yes", " "]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", ["<think>", "<think>a</think>", "use </think> to ", "a </think>", "<|end|>", FINAL]
)
def test_no_reply_takes_long_to_split(unit: str) -> None:
    text = unit * (2_000_000 // len(unit))
    split_thoughts(text)
    split_thoughts("<think>" + text)
    live(*(text[start : start + 50] for start in range(0, len(text), 50)))
