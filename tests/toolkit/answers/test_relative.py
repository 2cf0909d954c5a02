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


BALL = "A bat and a ball cost $1.10. The bat costs $1.00 more than the ball. How much does the ball cost?"
MARBLES = "Tom and Anna have 30 marbles together. Tom has 6 more than Anna. How many marbles does Anna have?"
WAGES = "Peter earns $20 an hour and Paul $15. Both work 8 hours. How much more does Peter earn than Paul?"
BROTHER = "Lisa is 8 years old. Her brother is 4 years older. How old will her brother be in 10 years?"
SON = "Sara is three times as old as her son. In 12 years she will be twice as old. How old is her son?"
FARM = "A farm has chickens and cows, with 30 heads and 74 legs. How many chickens are there?"
MAMMALS = "Which of these are mammals?\nA) Whale\nB) Shark\nC) Bat\nD) Eagle"
CAPITAL = "What is the capital of Brazil?\nA) Rio de Janeiro\nB) Brasília\nC) São Paulo"
UNTRUE = "Which statement is NOT true?\nA) Ice floats\nB) Steam is a gas\nC) Water is an element"
NOT_CONCLUDED = [
    ("another subject", BALL, "The bat costs $1.05.", "1.05"),
    ("another subject", MARBLES, "Anna has 12 marbles. Tom has 18 marbles.", "18"),
    ("another subject", MARBLES, "Tom and Anna have 18 marbles.", "18"),
    ("another subject", BROTHER, "In 10 years, Lisa will be 18.", "18"),
    ("another subject", "Luis tiene 10 años y Ana 2 más. ¿Cuántos años tiene Ana?", "Luis tiene 12 años.", "12"),
    ("another noun", FARM, "There are 7 cows.", "7"),
    ("another noun", FARM, "Thus the farm has 23 cows.", "23"),
    ("another measure", "A rectangle is 30 cm around, its length twice its width. What is its width?",
     "The length is 10 cm.", "10 cm"),
    ("another measure", "What is the area of a circle with radius 3?", "The diameter is 6.", "6"),
    ("another step", "A shirt costs $40. It is discounted by 25%. What is the final price?",
     "The discount is $10.", "$10"),
    ("another time", BROTHER, "Her brother is 12 now.", "12"),
    ("one unit", "How many grams are in 3 kilograms?", "There are 1000 grams in a kilogram.", "1000"),
    ("one unit", "How many minutes are in 2.5 hours?", "An hour has **60 minutes**.", "60"),
    ("another subject", MARBLES, "So Tom has **18** marbles, which leaves Anna the rest.", "18"),
    ("another subject", SON, "Her son is 12 years old now, and Sara is 36.", "36"),
    ("another stage", "A train leaves at 2:00 PM and takes 3 hours. What time does it arrive?",
     "After one hour it is 3:00 PM.", "3:00 PM"),
    ("another stage", "Eggs cost $3 a dozen. How much do three dozen cost?", "A dozen costs $3, so two cost $6.", "$3"),
    ("no difference", WAGES, "Peter earns $160.", "$160"),
    ("no difference", WAGES, "Peter earns $160, which is $40 more than Paul.", "$160"),
    ("no difference", WAGES, "Together they earn $280.", "$280"),
    ("correction", "What is 17 × 6?", "17 × 6 = 112, sorry, 102.", "112"),
    ("correction", "How many legs does a spider have?", "A spider has 6 legs — correction, 8 legs.", "6"),
    ("correction", "What is the capital of Australia?", "The capital of Australia is Sydney (sorry, Canberra).",
     "Sydney"),
    ("several options", MAMMALS, "A) Whale and C) Bat", "A"),
    ("several options", MAMMALS, "**A) Whale** and **C) Bat**", "C"),
    ("several options", MAMMALS, "The mammals are A and C.", "C"),
    ("several options", MAMMALS, "A) Whale is a mammal, and so is C) Bat.", "A"),
    ("several options", MAMMALS, "A) Whale. C) Bat is also a mammal.", "C"),
    ("the true ones", UNTRUE, "A) is true, B) is true.", "A"),
    ("the true ones", UNTRUE, "C is true, so it's not C.", "C"),
    ("negated question", "Which planet has no moons, Mercury or Mars?", "Mars has moons.", "Mars"),
    ("the other way", "Which is larger, 9.11 or 9.9?", "9.9 is less than 9.11.", "9.9"),
    ("the other way", "Which is larger, 9.11 or 9.9?", "9.9 has fewer digits than 9.11.", "9.9"),
    ("the other way", "Which is larger, 9.11 or 9.9?", "**9.11** is smaller.", "9.11"),
    ("the other way", "Which is larger, 9.11 or 9.9?", "The smaller one is 9.11.", "9.11"),
    ("the other way", "Who is older, Anna or Ben?", "Anna is not as old as Ben.", "Ben"),
    ("supposed", "Is the number rational or irrational?", "Assume it is rational.", "Rational"),
    ("supposed", "Is the tone positive, negative or neutral?", "It would be positive without the end.", "Positive"),
    ("denied", "Is the tone positive, negative or neutral?", "**Positive** would be wrong here.", "Positive"),
    ("denied", "Is the tone positive, negative or neutral?", "I would not call it **negative**.", "Negative"),
    ("contradiction", "Is 91 a prime number?", "Yes, 91 is not a prime number.", "No"),
    ("contradiction", "Is 91 a prime number?", "No, 91 is prime.", "No"),
    ("contradiction", "Is 91 a prime number?", "No. Only 1 and 91 divide it, so it is prime.", "No"),
    ("contradiction", "Can penguins fly?", "Yes, they cannot fly.", "No"),
    ("not wholly", "Is it safe to eat raw eggs?", "No, it is not always safe.", "No"),
    ("another event", "When was the treaty signed?", "The treaty was ratified on May 3, 1815.", "May 3, 1815"),
    ("another event", "In what year did the Berlin Wall fall?", "The Berlin Wall was built in 1961.", "1961"),
    ("another event", "What time does the meeting end? It starts at 2 pm.", "It starts at 2:30 PM.", "2:30 PM"),
    ("in brackets", "When was the treaty signed?", "It was signed on May 3, 1815 (Old Style: April 21).", "April 21"),
    ("another noun", "The ratio of boys to girls is 3:5 for 40 students. How many girls are there?",
     "Girls: 25, boys: 15", "15"),
    ("another subject", "A red box weighs 4 kg and a blue box twice as much. How much does the blue box weigh?",
     "The boxes weigh 12 kg together.", "12 kg"),
    ("denied", CAPITAL, "C) São Paulo is wrong.", "C"),
    ("denied", CAPITAL, "C) São Paulo is not the capital.", "C"),
    ("denied", CAPITAL, "**A) Rio de Janeiro** is a common mistake.", "A"),
    ("denied", CAPITAL, "Rio de Janeiro was the capital until 1960.", "A"),
    ("denied", "Should I use a list or a tuple?", "Avoid a list.", "A list"),
    ("restricted", "Is it legal to drive at 16?", "Yes, once you have a license.", "Yes"),
    ("restricted", "Is it legal to drive at 16?", "Yes, as a learner.", "Yes"),
    ("restricted", "Is it legal to drive at 16?", "Yes, subject to restrictions.", "Yes"),
    ("restricted", "Is it legal to drive at 16?", "No, only with an adult.", "No"),
    ("restricted", "Is it legal to drive at 16?", "No, not until 18.", "No"),
    ("another role", "Who painted The Dance?", "It was inspired by Matisse.", "Matisse"),
    ("another role", "Who painted The Dance?", "It was painted for Matisse.", "Matisse"),
    ("another role", "Who did Anna call?", "Anna was called by Ben.", "Ben"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "reply", "answer"),
    [row[1:] for row in NOT_CONCLUDED],
    ids=[f"{row[0]}-{number}" for number, row in enumerate(NOT_CONCLUDED)],
)
def test_a_value_that_a_reply_does_not_conclude_with_is_not_its_answer(
    question: str, reply: str, answer: str
) -> None:
    assert extract(answer, question) is not None
    assert not one_vote(question, reply, answer)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("Which is heavier, a kilogram of feathers or a kilogram of iron?", "The iron is heavier.",
         "The feathers are heavier."),
        ("Does A entail B, contradict B or is it neutral?", "A entails B.", "A contradicts B."),
        ("When was the treaty signed?", "It was signed on May 3 (1815).", "It was signed on May 3 (1816)."),
    ],
)  # fmt: skip
def test_words_of_the_question_or_half_a_date_are_no_answer(question: str, one: str, other: str) -> None:
    assert not one_vote(question, one, other)


@pytest.mark.parametrize(
    ("question", "reply", "answer"),
    [
        (BALL, "The bat costs $1.05, so the ball costs $0.05.", "$0.05"),
        (MARBLES, "Tom has 18 marbles, so Anna has 12.", "12"),
        (FARM, "The farm has 7 cows, so 30 - 7 = 23 chickens.", "23"),
        (WAGES, "Peter earns $160, Paul $120, so Peter earns $40 more.", "$40"),
        (MAMMALS, "A) Whale and C) Bat", "A, C"),
        ("John has 5 apples and gets 3. How many does he have?", "John now has 8 apples.", "8"),
        ("A shop had 45 apples and sold 12. How many are left?", "The shop sold 12 of its 45, so 33 are left.", "33"),
        ("In what year did Germany reunify?", "Germany was reunified in 1990, on October 3.", "1990"),
        ("Which is heavier, a ton of bricks or a pound of feathers?", "A ton of bricks is heavier.", "A ton of bricks"),
    ],
)  # fmt: skip
def test_a_conclusion_behind_another_value_is_read(question: str, reply: str, answer: str) -> None:
    assert one_vote(question, reply, answer)
