"""Statements built at random: a change of any word that carries meaning changes the answer."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optillm.toolkit.answers import FinalAnswer, canonical, clusters, extract
from optillm.toolkit.answers.languages import bounds
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


SENTENCES = (
    ("How much rope does she need?", "She {}needs {} metres of {}.", "rope", "wire"),
    ("When does the train arrive?", "So the train {}arrives at 1{}:30.", "", ""),
    ("How many apples are left?", "There are {}{} {} left.", "apples", "pears"),
    ("Wie viele Äpfel hat Tom noch?", "Tom hat {}noch {} {}.", "Äpfel", "Birnen"),
    ("Combien de pommes reste-t-il ?", "Il reste {}{} {}.", "pommes", "poires"),
    ("¿Cuántas manzanas quedan?", "Quedan {}{} {}.", "manzanas", "peras"),
    ("小明还剩几个苹果?", "小明还{}剩{}个{}。", "苹果", "梨"),
)


@given(st.sampled_from(SENTENCES), st.integers(3, 9), st.integers(3, 9))
def test_a_sentence_in_the_frame_of_its_question_says_its_value(
    sentence: tuple[str, str, str, str], value: int, other: int
) -> None:
    question, template, noun, another = sentence
    stated = template.format("", value, noun)
    assert one_vote(f"Answer: {stated}", stated.replace("so ", ""), question=question)
    assert one_vote(
        f"Answer: {stated}", f"Answer: {template.format('', other, noun)}", question=question
    ) is (value == other)
    for word in ("not ", "nicht ", "pas ", "不", "hardly "):
        assert not one_vote(
            f"Answer: {template.format(word, value, noun)}", f"Answer: {stated}", question=question
        )
    if noun:
        assert not one_vote(
            f"Answer: {template.format('', value, another)}", f"Answer: {stated}", question=question
        )


PLACES = (
    "4 miles east of the harbor",
    "in the box",
    "on the box",
    "under the box",
    "to the left",
    "at home",
    "north",
)


@given(
    st.lists(st.sampled_from(PLACES), min_size=2, max_size=2, unique=True),
    st.sampled_from(("boat", "red boat")),
)
def test_what_a_sentence_adds_to_its_question_counts_word_by_word(places: list[str], boat: str) -> None:
    question = f"Where does the {boat} end up?"
    one, other = places
    assert one_vote(f"Answer: The {boat} ends up {one}.", f"Answer: {one}", question=question)
    assert one_vote(f"Answer: It ends up {one}.", f"Answer: {one}", question=question)
    assert not one_vote(f"Answer: The {boat} ends up {one}.", f"Answer: {other}", question=question)
    assert not one_vote(f"Answer: The {boat} does not end up {one}.", f"Answer: {one}", question=question)
    assert not one_vote(
        f"Answer: The ship ends up {one}.", f"Answer: The {boat} ends up {one}.", question=question
    )


POLAR = (
    ("Is the graph connected?", "The graph is {}connected.", "disconnected"),
    ("Does light need a medium?", "Light does {}need a medium.", None),
    ("Is the function continuous at 0?", "The function is {}continuous at 0.", "discontinuous at 0"),
    ("Did the test pass?", "The test did {}pass.", None),
    ("Ist die Zahl durch 3 teilbar?", "Ja, sie ist {}durch 3 teilbar.", None),
)


@given(st.sampled_from(POLAR))
def test_a_restated_question_is_yes_and_its_denial_no(case: tuple[str, str, str | None]) -> None:
    question, template, opposite = case
    said, denied = template.format(""), template.format("not ")
    assert one_vote(f"Answer: {said}", "Answer: yes", question=question)
    assert not one_vote(f"Answer: {said}", "Answer: no", question=question)
    assert not one_vote(f"Answer: {denied}", "Answer: yes", question=question)
    assert not one_vote(f"Answer: no, {said}", "Answer: no", question=question)
    for changed in (
        said.replace("0", "1"),
        said.replace("3", "4"),
        f"some {said}",
        f"{said[:-1]} only if it rains.",
    ):
        assert changed == said or not one_vote(f"Answer: {changed}", "Answer: yes", question=question)
    if opposite:
        assert one_vote(f"Answer: It is {opposite}.", "Answer: no", question=question)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("What are the radius and the height?", "The radius is 10 cm.", "The height is 10 cm."),
        ("How long is the wall and how long the fence?", "The wall is 5 m long.", "The fence is 5 m long."),
        (
            "When will the train arrive and depart?",
            "The train arrives at 14:30.",
            "The train departs at 14:30.",
        ),
        ("Where are the cat and the dog?", "The cat is inside.", "The dog is inside."),
        ("How many passed and how many failed?", "12 students passed", "12 students failed"),
        ("小明和小红各有几个苹果？", "小明有7个苹果。", "小红有7个苹果。"),
        ("By how much did it increase?", "It increased to 5 dollars.", "It increased by 5 dollars."),
        ("Is every square a rectangle?", "Every rectangle is a square.", "Yes"),
        ("Is Anna older than Ben?", "Ben is older than Anna.", "Yes"),
        ("Who is taller, Jim or Kate?", "Kate is shorter than Jim.", "Kate"),
        ("Who beat Italy?", "Italy was beaten by Spain.", "Italy beat Spain."),
        ("", "42个苹果", "42个梨"),
        ("小明还剩几个苹果?", "7个", "7个梨"),
        ("How much did he weigh?", "14 pounds", "£14"),
        ("How many apples are left?", "none", "no pears"),
        ("How many fish are left?", "If 5 were sold, so 12 fish are left.", "12"),
        ("Which vitamin?", "vitamin B12", "vitamin B6"),
        ("What is the complexity?", "O(n)", "Ω(n)"),
        ("What is it?", "12° 34'", '12° 34"'),
        ("Order 1.5, 2.5 and 3.5 by size.", "1.5 > 2.5 > 3.5", "4.5 > 5.5 > 6.5"),
    ],
)
def test_words_that_a_question_has_may_still_tell_answers_apart(question: str, one: str, other: str) -> None:
    assert not one_vote(f"Answer: {one}", f"Answer: {other}", question=question)


ENDS = st.integers(-50, 50)
SIGNS = (("<", "("), ("≤", "["))


@given(ENDS, ENDS, st.sampled_from(SIGNS), st.sampled_from(SIGNS))
def test_an_inequality_is_its_interval(
    low: int, high: int, left: tuple[str, str], right: tuple[str, str]
) -> None:
    assume(low < high)
    question = "For which x does it hold?"
    closing = {"(": ")", "[": "]"}
    inequality = f"Answer: {low} {left[0]} x {right[0]} {high}"
    interval = f"{left[1]}{low}, {high}{closing[right[1]]}"
    assert one_vote(inequality, f"Answer: {interval}", f"Answer: $x \\in {interval}$", question=question)
    assert not one_vote(inequality, f"Answer: {low} {left[0]} x {right[0]} {high + 1}", question=question)
    for one, other in ((SIGNS[0], SIGNS[1]), (SIGNS[1], SIGNS[0])):
        if left == one:
            changed = f"Answer: {low} {other[0]} x {right[0]} {high}"
            assert not one_vote(inequality, changed, question=question)
    half = f"Answer: x {'>' if left[0] == '<' else '≥'} {low}"
    assert one_vote(half, f"Answer: {left[1]}{low}, ∞)", question=question)
    assert not one_vote(half, f"Answer: x {left[0]} {low}", question=question)
    assert not one_vote(
        f"Answer: {low} < x < {high}", f"Answer: ({low}, {high})", question="Where do they meet?"
    )


@given(
    st.permutations(["3", "7", "9"]),
    st.sampled_from((("smallest to largest", "<"), ("largest to smallest", ">"))),
)
def test_the_direction_of_a_ranking_counts(items: list[str], direction: tuple[str, str]) -> None:
    words, sign = direction
    question = f"Order 9, 3 and 7 from {words}."
    listed = f"Answer: {', '.join(items)}"
    turned = {"<": ">", ">": "<"}[sign]
    assert one_vote(listed, f"Answer: {f' {sign} '.join(items)}", question=question)
    assert one_vote(listed, f"Answer: {f' {turned} '.join(reversed(items))}", question=question)
    assert not one_vote(listed, f"Answer: {f' {turned} '.join(items)}", question=question)


FOREIGN_BOUNDS = sorted(bounds())


@given(amounts, st.lists(st.sampled_from(FOREIGN_BOUNDS), min_size=2, max_size=2, unique=True))
def test_a_bound_in_another_language_is_the_bound_that_it_names(value: int, phrases: list[str]) -> None:
    one, other = (f"Answer: {phrase} {value}" for phrase in phrases)
    assert one_vote(one, other) is (bounds()[phrases[0]] == bounds()[phrases[1]])
    assert not one_vote(one, f"Answer: {value}")
