"""The parts of a reply."""

from __future__ import annotations

import pytest

from optillm.toolkit.answers.extraction import beginnings


@pytest.mark.parametrize(
    ("text", "count", "cut"),
    [
        (
            "One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten.",
            2,
            ["One. Two.", "One. Two. Three. Four. Five."],
        ),
        ("no sentence ends here at all", 2, ["no sentence en"]),
        ("A. B.", 0, []),
        ("", 2, []),
    ],
)
def test_a_text_is_cut_at_the_ends_of_sentences(text: str, count: int, cut: list[str]) -> None:
    assert beginnings(text, count) == cut
