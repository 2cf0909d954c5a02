"""Shortening: what stays of long texts, and how several share their room."""

from optillm.toolkit.shortening import fitted, shortened


def test_a_long_text_keeps_its_two_ends_and_says_how_much_is_missing() -> None:
    assert shortened("begin" + "x" * 90 + "end", 8) == "begi\n[90 characters left out]\nxend"


def test_a_text_of_the_full_length_stays_whole() -> None:
    assert shortened("12345678", 8) == "12345678"


def test_short_texts_leave_their_room_to_the_long_ones() -> None:
    short, long, longer = fitted(["short", "y" * 100, "z" * 100], 60)
    assert short == "short"
    assert long.count("y") == longer.count("z") == 26  # 20 each, and half of what the short one leaves


def test_texts_that_fit_stay_whole() -> None:
    assert fitted(["one", "two"], 6) == ["one", "two"]
