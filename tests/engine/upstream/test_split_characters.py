"""Characters in two halves."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.engine.upstream.split_characters import HalfKeeper, all_mended, mended, read_cut

EMOJI = "\N{GRINNING FACE}"


def kept(*pieces: str) -> str:
    keeper = HalfKeeper()
    return "".join(map(keeper.feed, pieces)) + keeper.end()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("plain", "plain"),
        ("日本語", "日本語"),
        ("\ud83d\ude00", EMOJI),
        ("a\ud83d", "a?"),
        ("\ude00a", "?a"),
        ("\ud83dx\ude00", "?x?"),
        ("\ud83d\udc80", "\N{SKULL}"),
        ("\udcf0\udc9f\udc98\udc80", EMOJI),
        ("\udcff", "\ufffd"),
    ],
)
def test_halves_that_meet_are_one_character_and_others_none(text: str, whole: str) -> None:
    assert mended(text) == whole == kept(text) == kept(*text)


@given(st.text(), st.integers(0, 99))
def test_text_cut_anywhere_in_utf_16_is_whole_again(text: str, cut: int) -> None:
    units = text.encode("utf-16-le")
    first, second = (
        half.decode("utf-16-le", "surrogatepass") for half in (units[: 2 * cut], units[2 * cut :])
    )
    assert kept(first, second) == text


@given(st.text(), st.integers(0, 99))
def test_text_cut_anywhere_in_utf_8_is_whole_again(text: str, cut: int) -> None:
    content = text.encode()
    first, second = (half.decode(errors="surrogateescape") for half in (content[:cut], content[cut:]))
    assert kept(first, second) == text


def test_json_with_halves_and_infinities_is_read() -> None:
    parsed = read_cut(b'\xef\xbb\xbf{"a": ["\\ud83d", "\xff"], "b": -Infinity}')
    assert parsed["a"] == ["\ud83d", "\udcff"]
    assert all_mended(parsed) == {"a": ["?", "\ufffd"], "b": -math.inf}
    json.dumps(all_mended(parsed), ensure_ascii=False).encode()
