"""Statements built at random: a change of any word that carries meaning changes the answer."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optillm.toolkit.answers import FinalAnswer, canonical, clusters, extract
from optillm.toolkit.answers.units import conversion, unit_of
from optillm.toolkit.answers.vocabulary import BOUNDS, LEADING, NUMERALS, SCALES, TRAILING

FORMS = (
    "{}",
    "The answer is {}.",
    "**Final answer:** {}",
    "\\boxed{{\\text{{{}}}}}",
    "So, in total:\n\n#### {}",
)
QUESTIONS = ("", "How much is it?", "How many are there, and when?", "What is the result for Tom?")
COMPOUNDS = (
    ("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24), ("weeks", "days", 7),
    ("feet", "inches", 12), ("yards", "feet", 3), ("pounds", "ounces", 16), ("years", "months", 12),
    ("gallons", "quarts", 4), ("kg", "g", 1000), ("km", "m", 1000), ("degrees", "minutes", 60),
    ("dollars", "cents", 100), ("euros", "cents", 100),
)  # fmt: skip
QUALIFIERS = (
    "", "each", "per person", "per day", "more", "less", "north", "south", "up", "down", "before noon", "after noon",
    "not counting Tom", "at least", "at most", "or more", "or fewer", "below zero", "above zero", "late", "early",
    "unless it rains", "if it rains", "only on Sundays", "ago", "from now", "clockwise", "counterclockwise",
    "short", "over budget", "under budget", "twice", "squared", "modulo 7", "in base 8", "excluding tax", "with tax",
    "eaten", "sold", "too many", "too few", "of 12", "out of 12", "percent", "million", "to the left", "away from home",
)  # fmt: skip
PREFIXES = (
    "", "not", "at least", "at most", "more than", "less than", "up to", "over", "under", "before", "after", "since",
    "until", "minus", "a loss of", "a profit of", "an increase of", "a decrease of", "half of", "twice", "no more than",
    "no fewer than", "nearly", "almost", "neither", "anything but", "a minimum of", "a maximum of", "between 1 and",
    "+/-", "√", "∛", "≠", "<", ">", "~not~", "fewer than", "exceeding", "by", "from", "every", "un-",
)  # fmt: skip


def one_vote(*texts: str, question: str = "") -> bool:
    answers: list[FinalAnswer | None] = [extract(text, question) for text in texts]
    return None not in answers and len(clusters(answers)) == 1


amounts = st.integers(1, 5000)
forms = st.sampled_from(FORMS)
questions = st.sampled_from(QUESTIONS)


@given(st.sampled_from(COMPOUNDS), amounts, st.data(), forms, questions)
def test_compound_measures_are_equal_when_their_sums_are(
    units: tuple[str, str, int], whole: int, data: st.DataObject, form: str, question: str
) -> None:
    large, small, ratio = units
    rest, other = data.draw(st.tuples(st.integers(0, ratio - 1), st.integers(0, ratio - 1)))
    one, two = (form.format(f"{whole} {large} {part} {small}") for part in (rest, other))
    assert one_vote(one, two, question=question) is (rest == other)
    assert one_vote(one, form.format(f"{whole} {large} and {rest} {small}"), question=question)
    assert one_vote(one, form.format(f"{whole} {large}"), question=question) is (rest == 0)


@given(
    amounts,
    amounts,
    st.sampled_from(("km", "miles", "kg", "minutes", "dollars", "apples", "°C", "m^2", "km/h")),
)
def test_signs_and_digits_count(value: int, other: int, unit: str) -> None:
    stated = f"The answer is {value} {unit}."
    assert one_vote(stated, f"Answer: {other} {unit}") is (value == other)
    assert not one_vote(stated, f"Answer: -{value} {unit}")
    assert not one_vote(stated, f"Answer: {value / 10} {unit}")
    assert one_vote(f"Answer: minus {value} {unit}", f"Answer: -{value} {unit}")


@given(amounts, st.lists(st.sampled_from(QUALIFIERS), min_size=2, max_size=2, unique=True), forms, questions)
def test_what_stands_behind_a_number_counts(
    value: int, qualifiers: list[str], form: str, question: str
) -> None:
    one, other = (form.format(f"{value} {qualifier}".strip()) for qualifier in qualifiers)
    assert (
        not one_vote(one, other, question=question)
        or set(qualifiers) <= {"at least", "or more"}
        or set(qualifiers) <= {"at most", "or fewer"}
    )


@given(amounts, st.lists(st.sampled_from(PREFIXES), min_size=2, max_size=2, unique=True), forms, questions)
def test_what_stands_before_a_number_counts(
    value: int, prefixes: list[str], form: str, question: str
) -> None:
    alike = (
        {"at least", "a minimum of", "no fewer than"}, {"at most", "up to", "a maximum of", "no more than"},
        {"more than", "over", ">", "exceeding"}, {"less than", "under", "<", "fewer than"},
    )  # fmt: skip
    one, other = (form.format(f"{prefix} {value}".strip()) for prefix in prefixes)
    assert not one_vote(one, other, question=question) or any(set(prefixes) <= group for group in alike)


WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=2, max_size=9)


@given(
    amounts,
    WORDS,
    st.sampled_from(("{1} {0}", "{0} {1} {0}", "{1}: not {0}", "{0} apples {1}", "{0}, {1} {0}")),
)
def test_a_word_that_nobody_knows_is_never_passed_over(value: int, word: str, template: str) -> None:
    assume(
        word not in LEADING | TRAILING | BOUNDS | NUMERALS.keys() | SCALES.keys() and unit_of(word) is None
    )
    assert not one_vote(f"Answer: {template.format(value, word)}", f"Answer: {value}")


@given(st.sampled_from("ABCD"), st.sampled_from("ABCD"))
def test_only_the_stated_option_counts(right: str, distractor: str) -> None:
    question = "Which is it?\nA) red\nB) green\nC) blue\nD) brown"
    assume(right != distractor)
    for reply in (
        f"The answer is {right}. Note that {distractor} is tempting.",
        f"I considered ({distractor}), but it is wrong.\n\nAnswer: {right}",
        f"It is {right}, not {distractor}.",
        f"Answer: {distractor}. Wait, no. The answer is {right}.",
        f"The answer is not {distractor}. It is {right}.",
    ):
        assert one_vote(reply, right, question=question), reply
        assert not one_vote(reply, distractor, question=question), reply
    assert not one_vote(f"{right} and {distractor}", right, question=question)
    assert not one_vote(f"{right} or {distractor}", right, question=question)
    assert not one_vote(f"not {right}", right, question=question)


@given(amounts, amounts)
def test_the_last_statement_counts(first: int, last: int) -> None:
    assume(first != last)
    for reply in (
        f"\\boxed{{{first}}}\n\nFinal answer: {last}",
        f"Answer: {first}\n\nWait, I forgot something.\n\nAnswer: {last}",
        f"The answer is {first}. Correction: the answer is {last}.",
        f"The answer is {first}, no, \\boxed{{{last}}}",
        f"Final answer: {first}\n\n#### {last}",
    ):
        assert one_vote(reply, f"{last}"), reply
        assert not one_vote(reply, f"{first}"), reply


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("km/h", "m/s", Fraction(5, 18)),
        ("mph", "miles per hour", Fraction(1)),
        ("square meters", "cm^2", Fraction(10_000)),
        ("days", "hours", Fraction(24)),
        ("km", "kg", None),
        ("m", "m^2", None),
        ("dollars", "euros", None),
        ("apples", "pears", None),
    ],
)
def test_units_convert_exactly_or_not_at_all(one: str, other: str, ratio: Fraction | None) -> None:
    assert conversion(one, other) == ratio


@given(
    st.sampled_from(
        (("2.5 hours", "150 minutes"), ("1 km", "1000 m"), ("72 km/h", "20 m/s"), ("3 dozen", "36"))
    )
)
def test_amounts_in_different_units_are_compared(pair: tuple[str, str]) -> None:
    assert canonical(pair[0]).matches(canonical(pair[1]))
