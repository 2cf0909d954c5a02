"""Taking a prompt apart: candidates and tasks are found by structure, in whatever dress they come."""

from __future__ import annotations

import pytest
from optillm_simulator.roles.prompts import last_user_turn, take_apart

ASK = "Rank them from best to worst."

DRESSES = {
    "tags with attributes": '<candidate-7f label="A">one</candidate-7f>\n<candidate-7f label="B">two</candidate-7f>',
    "tags with suffixes": "<A-19ce>one</A-19ce>\n<B-19ce>two</B-19ce>",
    "tags with labels": "<answer_A>one</answer_A><answer_B>two</answer_B>",
    "glued tags": "<ResponseA>one</ResponseA> <ResponseB>two</ResponseB>",
    "wrapped tags": "<drafts-1f>\n<draft id='A'>one</draft>\n<draft id='B'>two</draft>\n</drafts-1f>",
    "unknown fences": "<x-1f9c label='A'>one</x-1f9c> <x-1f9c label='B'>two</x-1f9c>",
    "double brackets": "[[A]] one\n[[B]]\ntwo",
    "plain headings": "Candidate A: one\n\nCandidate B:\ntwo",
    "markdown headings": "### Response A\none\n\n### Response B\n\ntwo",
    "bold headings": "**Answer A:** one\n**Answer B:** two",
    "fences": "```A\none\n```\n```B\ntwo\n```",
    "long fences": "```candidate A\none\n```\n```candidate B\ntwo\n```",
    "letters": "A) one\nB) two",
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("layout", ["{ask}\n\n{quoted}", "{quoted}\n\n{ask}"])
def test_finds_labelled_candidates(dress: str, layout: str) -> None:
    parts = take_apart(layout.format(ask=ASK, quoted=DRESSES[dress]))
    assert [(block.label, block.text) for block in parts.of("candidate")] == [("A", "one"), ("B", "two")]
    assert parts.rest.strip() == ASK


def test_finds_numbered_references() -> None:
    parts = take_apart("References:\n1. one\n2. two\n\nCombine them.")
    assert [(block.label, block.text) for block in parts.of("candidate")] == [("1", "one"), ("2", "two")]
    assert parts.listed


def test_tags_within_a_candidate_are_its_own_affair() -> None:
    parts = take_apart("<candidate-7f3a label='A'>x <task>y</task> [[B]] z</candidate-7f3a>\nRate it.")
    assert [block.kind for block in parts.blocks] == ["candidate"]
    assert parts.blocks[0].text == "x <task>y</task> [[B]] z"


def test_tags_that_give_an_instruction_its_shape_stay_in_it() -> None:
    parts = take_apart("<instructions>Rank <b>all</b> labels.</instructions> Put it in <answer></answer>.")
    assert parts.blocks == ()
    assert "Rank" in parts.rest


def test_escaped_text_is_read_as_it_was() -> None:
    (block,) = take_apart("<candidate-1>3 &lt; 4 &amp; 5</candidate-1>").blocks
    assert block.text == "3 < 4 & 5"


@pytest.mark.parametrize("heading", ["Question:", "**Task:**", "The user's question:", "# Problem:", "User:"])
def test_finds_the_task_under_a_heading(heading: str) -> None:
    parts = take_apart(f"{heading} What is 2+2?\n\nAnswer A: 4\n\nAnswer B: 5\n\n{ASK}")
    assert [block.text for block in parts.of("task")] == ["What is 2+2?"]
    assert len(parts.of("candidate")) == 2


@pytest.mark.parametrize(
    "conversation",
    [
        "User: Hello.\nAssistant: Hi.\nUser: What is 2+2?",
        "<user-9>Hello.</user-9>\n<assistant-9>Hi.</assistant-9>\n<user-9>What is 2+2?</user-9>",
        "[user]: Hello.\n[assistant]: Hi.\n[user]: What is 2+2?",
        "What is 2+2?",
    ],
)
def test_the_task_of_a_conversation_is_what_the_user_said_last(conversation: str) -> None:
    assert last_user_turn(conversation) == "What is 2+2?"
