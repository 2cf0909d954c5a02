"""Tags in messages."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.server.api.tags import cut_tags

TAG = "<optillm_approach> moa </optillm_approach>"
USER = {"role": "user", "content": "hi"}


def test_gives_the_same_messages_when_there_is_no_tag() -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": TAG}]
    cut, tag = cut_tags(messages, in_user_messages=False)
    assert cut is messages
    assert tag is None


@pytest.mark.parametrize("role", ["system", "developer"])
def test_cuts_a_tag_and_leaves_the_other_text_as_it_is(role: str) -> None:
    cut, tag = cut_tags(
        [{"role": role, "content": f" a {TAG} b\n", "name": "x"}, USER], in_user_messages=False
    )
    assert cut == [{"role": role, "content": " a  b\n", "name": "x"}, USER]
    assert tag == "moa"


def test_drops_a_message_that_was_nothing_but_a_tag() -> None:
    cut, _ = cut_tags([{"role": "system", "content": f"{TAG}\n"}, USER], in_user_messages=False)
    assert cut == [USER]


def test_cuts_tags_out_of_text_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    parts: list[Any] = [{"type": "text", "text": TAG}, {"type": "text", "text": f"{TAG}a"}, image]
    cut, tag = cut_tags([{"role": "system", "content": parts}, USER], in_user_messages=False)
    assert cut[0]["content"] == [{"type": "text", "text": "a"}, image]
    assert tag == "moa"


def test_the_first_of_several_tags_counts_and_all_are_cut() -> None:
    second = "<optillm_approach>bon</optillm_approach>"
    messages = [
        {"role": "system", "content": f"a{TAG}b{second}"},
        {"role": "developer", "content": f"{second}c"},
        {"role": "assistant", "content": TAG},
    ]
    cut, tag = cut_tags(messages, in_user_messages=False)
    assert [message["content"] for message in cut] == ["ab", "c", TAG]
    assert tag == "moa"


@pytest.mark.parametrize("text", ["<optillm_approach>moa", "</optillm_approach><optillm_approach>", "moa"])
def test_half_a_tag_is_text(text: str) -> None:
    messages = [{"role": "system", "content": text}]
    assert cut_tags(messages, in_user_messages=False) == (messages, None)


def test_many_open_tags_take_no_more_than_linear_time() -> None:
    messages = [{"role": "system", "content": "<optillm_approach>" * 200_000}]
    assert cut_tags(messages, in_user_messages=False) == (messages, None)
