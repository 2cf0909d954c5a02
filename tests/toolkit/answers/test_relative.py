"""Replies read relative to their question: what it expects, which words around the answer add nothing, which do.

`asked_pairs.jsonl` holds pairs of replies as models write them, each a line: kind, question, reply, other reply, and
whether they answer the same. Those of the kind "built" were made for one rule or against it, the others were written
by somebody who had not seen the code.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optillm.toolkit.answers import FinalAnswer, clusters, extract
from optillm.toolkit.answers.concluding import clauses, closing, heads
from optillm.toolkit.answers.expected import expected_of
from optillm.toolkit.answers.questions import question_of

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "asked_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
BUILT = "built"


def one_vote(question: str, *replies: str) -> bool:
    answers: list[FinalAnswer | None] = [extract(reply, question) for reply in replies]
    return None not in answers and len(clusters(answers)) == 1


def test_no_two_different_answers_are_one() -> None:
    merged = [
        (question, one, other)
        for _, question, one, other, relation in PAIRS
        if relation == "different" and one_vote(question, one, other)
    ]
    assert merged == []


@pytest.mark.parametrize(("is_built", "share"), [(False, 0.97), (True, 0.91)], ids=["blind", "built"])
def test_most_equal_answers_are_seen(is_built: bool, share: float) -> None:
    same = [
        (question, one, other)
        for kind, question, one, other, relation in PAIRS
        if relation == "same" and (kind == BUILT) is is_built
    ]
    seen = [pair for pair in same if one_vote(*pair)]
    assert len(seen) >= share * len(same)


@pytest.mark.parametrize(
    ("question", "alternatives"),
    [
        ("Is this email spam or ham?", ("spam", "ham")),
        ("Which is larger, 9.11 or 9.9?", ("9.11", "9.9")),
        ("Which city is larger, Los Angeles or Chicago?", ("Los Angeles", "Chicago")),
        ('Sentiment (positive/negative/neutral): "I guess."', ("positive", "negative", "neutral")),
        ('Classify it into World, Business or Sci/Tech: "A new chip"', ("World", "Business", "Sci/Tech")),
        ("Does the text express joy, anger or sadness?", ("joy", "anger", "sadness")),
        ("Does A entail, contradict or stay neutral to B?", ("entail", "contradict", "neutral")),
        ("Is it true or false?", ()),
        ("How many apples or pears are there?", ()),
        ("What is the capital of France?", ()),
    ],
)
def test_a_question_may_name_its_alternatives(question: str, alternatives: tuple[str, ...]) -> None:
    assert expected_of(question_of(question)).alternatives == alternatives


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("Is 7 prime?", {"truth"}),
        ("True or false: 7 is prime.", {"truth"}),
        ("How many boys are there?", {"amount"}),
        ("What is her speed?", {"amount"}),
        ("When does it end?", {"moment"}),
        ("Who wrote it?", {"name"}),
        ("What are the radius and the height?", set()),
        ("Tell me about France.", set()),
        ("Ist 7 eine Primzahl?", {"truth"}),
    ],
)
def test_a_question_expects_one_kind_of_answer(question: str, kinds: set[str]) -> None:
    expected = expected_of(question_of(question))
    assert {kind for kind in ("truth", "amount", "moment", "name") if getattr(expected, kind)} == kinds


def test_a_sentence_concludes_after_so_and_after_a_colon() -> None:
    assert list(clauses("5 + 7 = 12, so there are 12 boys.")) == [
        "there are 12 boys.",
        "5 + 7 = 12, so there are 12 boys.",
    ]
    assert next(clauses("London is 5 hours ahead: it is 10:00.")) == "it is 10:00."
    assert list(clauses("If 5 were sold, so 12 are left.")) == ["If 5 were sold, so 12 are left."]


def test_a_head_is_what_precedes_an_addition() -> None:
    sentence = "Paris is the capital, which lies on the Seine (France)"
    assert [head for head, _ in heads(sentence)] == [
        sentence,
        "Paris is the capital, which lies on the Seine",
        "Paris is the capital",
    ]


def test_the_last_sentence_closes_a_reply_but_for_asides_and_offers() -> None:
    assert closing("It is 5.\n\nSo it is 6. (That is right.)") == "So it is 6."
    assert closing("The derivative is\n\\[\n2x.\n\\]") == "The derivative is 2x."


UNITS_AND_FORMS = [
    ("How fast is it?", "It goes 60 mph.", "60 miles per hour"),
    ("How much water is it?", "500 m³", "It is 500 cubic meters of water."),
    ("How long is it in minutes?", "It takes 1 h 25 min.", "85 minutes"),
    ("Which element is it?", "It is gold (Au).", "Gold"),
    ("What is the SI unit of force?", "It is the newton (N).", "Newton"),
    ("Who is the author?", "The author is Gabriel García Márquez.", "Gabriel Garcia Marquez"),
    ("What is the highest mountain?", "The highest mountain is Mt. Everest.", "Mount Everest"),
    ("Solve x^2 = 5x - 6.", "So x = 2 or x = 3.", "The solutions are $x = 3$ and $x = 2$."),
    ("Differentiate x^2.", "dy/dx = 2x", "y' = 2x"),
    ("Convert 13 to binary.", "So it is 1101.", "$\\boxed{1101_2}$"),
    ("Write an SQL query.", "```sql\nSELECT a FROM t;\n```", "```sql\nselect a\nfrom t\n```"),
    ("Give it as JSON.", '{"a": 1, "b": 2}', 'Here it is:\n\n```json\n{\n  "b": 2,\n  "a": 1\n}\n```'),
]


@pytest.mark.parametrize(("question", "one", "other"), UNITS_AND_FORMS)
def test_a_value_is_the_same_in_any_of_its_forms(question: str, one: str, other: str) -> None:
    assert one_vote(question, one, other)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("Which Springfield?", "It is Springfield (Ohio).", "It is Springfield (Illinois)."),
        ("Which hepatitis is it?", "Hepatitis (B)", "Hepatitis (C)"),
        ("What is 'nice' in German?", '"schön"', '"schon"'),
        ("Convert 10 to binary.", "1011_8", "1011"),
        ("Write an SQL query.", "```sql\nSELECT 'A';\n```", "```sql\nSELECT 'a';\n```"),
        ("How far is it?", "It is 300 cm, which is 30 m.", "It is 300 cm."),
        ("How long is it in minutes?", "It takes 85 minutes.", "It takes 85 hours."),
        ("Give it as JSON.", '{"a": 1}', '```json\n{"a": 2}\n```'),
    ],
)
def test_a_form_that_changes_the_value_is_kept(question: str, one: str, other: str) -> None:
    assert not one_vote(question, one, other)


OPTIONS = "Which one is it?\nA. apple\nB. pear\nC. plum"
QUALIFIED = [
    ("Is the review positive or negative?", "The review is {}.", "positive",
     ("not {}", "slightly {}", "far from {}", "non-{}", "{} at first", "rarely {}", "a bit {}", "too {}")),
    (OPTIONS, "It must be {}.", "pear",
     ("not {}", "half a {}", "unripe {}", "{} or plum", "similar to {}", "before {}", "all except {}")),
    ("Is it safe?", "{}", "Yes",
     ("{}, in theory", "{}, with exceptions", "{}, typically", "{}, as long as it is dry", "{}, unless it rains",
      "{}, assuming x > 0", "almost {}", "{}. However, it may break.")),
    ("Is it safe?", "{}", "No",
     ("{}, in theory", "{}, except at night", "{}, if it rains", "{}, for most people", "{}. But it can be.")),
    ("When was it?", "It was on {}.", "July 4, 1976",
     ("the eve of {}", "the day after {}", "or before {}", "{} or May 3", "{} at the earliest", "a week from {}")),
    ("Who won?", "It was won by {}.", "Anna",
     ("{}'s brother", "not {}", "{} or Bob", "{} Smith", "the second {}", "all except {}", "{} II", "{} and Bob")),
    ("How much does it cost?", "It costs {}.", "**$5**",
     ("more than {}", "{} each", "√{}", "half of {}", "a minimum of {}", "{} less than before", "exceeding {}")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "frame", "answer", "qualifiers"),
    QUALIFIED,
    ids=[f"{row[0][:20]}-{row[2]}" for row in QUALIFIED],
)
def test_what_qualifies_an_answer_is_never_passed_over(
    question: str, frame: str, answer: str, qualifiers: tuple[str, ...]
) -> None:
    bare = frame.format(answer)
    assert one_vote(question, bare, answer)
    assert [
        words for words in qualifiers if one_vote(question, bare, frame.format(words.format(answer)))
    ] == []


@pytest.mark.parametrize("reply", ["The phone number is +1 (555) 010-4477.", "It is (555) 010-4477."])
def test_parts_of_a_telephone_number_are_no_amounts(reply: str) -> None:
    question = 'What phone number is given? "Call our hotline on +1 (555) 010-4477 from 9 to 5."'
    assert not one_vote(question, reply, reply.replace("4477", "4478"))
