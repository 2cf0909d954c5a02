"""Verdicts: what judges mean, however they say it, and abstention where they say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from optillm.toolkit.judging.verdicts import (
    Groups,
    Preference,
    Ranking,
    Rating,
    is_complete,
    is_endless,
    json_pieces,
    read,
)


def score(text: str) -> float | None:
    verdict = read(text, Rating)
    return None if verdict is None else verdict.score


def order(text: str) -> str | None:
    verdict = read(text, Ranking)
    return None if verdict is None else "".join(verdict.ranking)


def better(text: str) -> str | None:
    verdict = read(text, Preference)
    return None if verdict is None else verdict.better


# JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"score": 8}',
        'Both the algebra and the result hold.\n{"reasons": "fine", "score": 8}',
        '```json\n{"score": 8.0}\n```',
        '{"score": 3} is what I thought first. Now: {"score": 8}',
        '{"score": 8} is my verdict on {"x": 1}.',
        '{"reasons": "has a { in it, and a \\" too", "score": 8}',
        'The set {1, 2 is broken. {"score": 8}',
        '{"score": "8/10"}',
        '{"score": "**8**"}',
        '{"score": "80%"}',
        '{"rating": 8}',
        "{'score': 8,}",
        '{"reasons": "cut off", "score": 8',
        '<think>{"score": 2}</think>{"score": 8}',
        '{"score": 8, "rubric": {"score": 3}}',
    ],
)
def test_reads_the_last_json_object_that_is_a_verdict(text: str) -> None:
    assert score(text) == 8


@pytest.mark.parametrize(
    "text",
    [
        '{"score": null}',
        '{"score": true}',
        '{"score": NaN}',
        '{"score": ""}',
        '{"score": 85}',
        '{"score": -1}',
        '{"score": "good"}',
        '{"verdict": "good"}',
        "{}",
        "[]",
        "null",
    ],
)
def test_json_without_a_valid_verdict_is_an_abstention(text: str) -> None:
    assert read(text, Rating) is None


def test_any_model_can_be_read_from_json() -> None:
    class Plan(BaseModel):
        steps: list[str]
        hours: int = 1

    assert read('Sure!\n```json\n{"steps": ["a", "b"],}\n```\nGood luck.', Plan) == Plan(steps=["a", "b"])
    assert read("First a, then b.", Plan) is None


def test_braces_inside_strings_and_unclosed_braces_are_told_apart() -> None:
    assert json_pieces('a {"b": "}"} c {"d": {"e": 1}} {"f') == (['{"b": "}"}', '{"d": {"e": 1}}'], '{"f')


# Ratings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/10", 3),
        ("**9**", 9),
        ("Rating: 10", 10),
        ("**Score:** 8", 8),
        ("Score: **8**", 8),
        ("**Score: 8**", 8),
        ("Score: 8/10", 8),
        ("The score is 8/10.", 8),
        ("I give it an 8.", 8),
        ("score of 8.5", 8.5),
        ("Score: 8. A score of 10 would take a proof.", 8),
        ("Accuracy 9/10, style 9/10. Overall score: 7/10", 7),
        ("4 out of 5", 8),
        ("4/5 stars", 8),
        ("85%", 8.5),
        ("Score: 85/100", 8.5),
        ("Score (0-100): 85", 8.5),
        ("Score (1-10): 8", 8),
        ("４/５", 8),
        ("٨/١٠", 8),
        ("[8]", 8),
        ("8.", 8),
        ("0", 0),
        ("The rating is [[7]]", 7),
    ],
)
def test_reads_a_rating_on_its_scale(text: str, expected: float) -> None:
    assert score(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A solid piece of work.",
        "Score: 85",
        "Score: -3",
        "Score: 7-8",
        "Score: 7 or 8",
        "Score: 9/5",
        "110%",
        "11",
        "2024",
        "Score: 1,000",
        "I would need to see more of it before the next 30 days are over.",
    ],
)
def test_a_rating_that_is_not_there_is_no_rating(text: str) -> None:
    assert score(text) is None


@given(st.integers(0, 100))
def test_scales_are_converted_to_ten(points: int) -> None:
    assert score(f"Score: {points}/100") == score(f"{points}%") == pytest.approx(points / 10)


# Rankings


@pytest.mark.parametrize(
    "text",
    [
        '{"ranking": ["B", "A", "C"]}',
        '{"ranking": ["Candidate B", "[a]", "Answer C"]}',
        '{"ranking": "B > A > C"}',
        '["b", "a", "c"]',
        "B > A > C",
        "Both have merits, but clearly B > A > C.",
        "**B** > **A** > **C**",
        "[B] > [A] > [C]",
        "Candidate B > Candidate A > Candidate C",
        "b > a > c",
        "B → A → C",
        "Ranking: B, A, C",
        "**Ranking:** B, then A, then C.",
        "Final ranking (best to worst): B, A and C",
        "1. B 2. A 3. C",
        "1. B\n2. A\n3. C",
        "1) Candidate B: it is right.\n2) Candidate A: it is vague.\n3) Candidate C: it is wrong.",
        "1st: B, 2nd: A, 3rd: C",
        "First try: A > B > C. On reflection: B > A > C",
        "B, A, C",
    ],
)
def test_reads_a_ranking(text: str) -> None:
    assert order(text) == "BAC"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "All are fine.",
        "1. A good answer\n2. A bad answer",
        "Since x > y, the sum grows.",
        "Ranking: A good way to do it",
        '{"ranking": []}',
        '{"ranking": [true, "A"]}',
        "A = B > C",
    ],
)
def test_what_is_no_ranking_is_an_abstention(text: str) -> None:
    assert order(text) is None


@pytest.mark.parametrize(
    "text", ['{"ranking": ["B", "A", "B", "A"]}', "B > A > B", '{"ranking": ["B", "A", "B']
)
def test_the_first_mention_of_a_label_counts(text: str) -> None:
    assert order(text) == "BA"


@pytest.mark.parametrize(
    "text",
    [
        "Candidate B is the best.",
        "**B** is clearly the best answer, then A.",
        "The best answer is B.",
        "Best: [B]",
    ],
)
def test_the_best_alone_is_a_ranking(text: str) -> None:
    assert order(text) == "B"


@pytest.mark.parametrize(
    "text",
    ["B is second best.", "B is not the best.", "Second best: B", "The best is yet to come.", "B is good."],
)
def test_another_praise_is_no_ranking(text: str) -> None:
    assert order(text) is None


@pytest.mark.parametrize(
    "text", ['{"ranking": ["D", "B"]}', "X > Y > Z", "1. E\n2. B\n3. A", "Ranking: S, A"]
)
def test_a_verdict_for_a_label_that_is_not_on_the_ballot_is_none(text: str) -> None:
    assert read(text, Ranking) is not None
    assert read(text, Ranking, "ABC") is None
    assert not is_complete(text, Ranking, "ABC")


def test_labels_that_are_not_on_the_ballot_have_no_further_place() -> None:
    assert read('{"ranking": ["B", "D", "A", "C"]}', Ranking, "ABC") == Ranking(ranking=["B", "A", "C"])
    assert read("B > A > C", Ranking, "AB") == Ranking(ranking=["B", "A"])


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ('{"ranking": ["B", "A"', True),
        ('{"analysis": "Fine.",\n "ranking": [\n  "A",\n  "A",\n  "B"', True),
        (f'{{"analysis": "{"Fine. " * 200}",\n    "ranking": [\n        "A",\n        "B"', True),
        ('{"ranking": ["B", "B"', False),
        ('{"analysis": "A [\\"B\\", \\"A\\"', False),
        ('{"ranking": ["B", "A', False),
    ],
)
def test_a_ranking_is_complete_once_it_has_all_labels(text: str, complete: bool) -> None:
    assert is_complete(text, Ranking, "AB") is complete
    assert not complete or read(text, Ranking, "AB") is not None
    assert not is_complete(text, Ranking)


def test_groups_and_their_pick_are_of_labels_on_the_ballot() -> None:
    text = '{"groups": [["A", "C"], ["B"]], "pick": "C"}'
    assert read(text, Groups, "ABC") == read(text, Groups)
    assert read(text, Groups, "AB") is None


def test_a_tie_at_the_end_is_left_open() -> None:
    assert order("A > B = C") == "A"


# Preferences


@pytest.mark.parametrize(
    "text",
    [
        '{"better": "B"}',
        '{"winner": "Candidate B"}',
        "B",
        "**B**",
        "[[B]]",
        "B is better",
        "Answer B is clearly better than Answer A.",
        "A is better written, but B is the better answer.",
        "A is better at first. Overall, B is better.",
        "Better: B",
        "**Winner:** Candidate B",
        "The better answer is B.",
        "I prefer B over A.",
        "B wins",
        "B > A",
        "A < B",
    ],
)
def test_reads_a_preference(text: str) -> None:
    assert better(text) == "B"


@pytest.mark.parametrize(
    "text", ["tie", "It is a tie.", "Verdict: tie", "Both are equally good.", "[[C]]", '{"better": "Draw"}']
)
def test_reads_a_tie(text: str) -> None:
    assert better(text) == "tie"


@pytest.mark.parametrize(
    "text", ["", "A is not better", "My choice is a car.", "A > A", '{"better": "C"}', "Hard to say."]
)
def test_what_is_no_preference_is_an_abstention(text: str) -> None:
    assert better(text) is None


# Groups and decisions


def test_reads_groups_and_the_pick() -> None:
    verdict = read('So:\n{"groups": [["Candidate a", "[B]"], ["C"]], "pick": "b"}', Groups)
    assert verdict == Groups(groups=[["A", "B"], ["C"]], pick="B")


@pytest.mark.parametrize(
    "text",
    [
        '{"groups": [["A"], ["A", "B"]], "pick": "A"}',
        '{"groups": [["A"]], "pick": "B"}',
        '{"groups": [], "pick": "A"}',
        "A and B agree.",
    ],
)
def test_contradictory_groups_are_an_abstention(text: str) -> None:
    assert read(text, Groups) is None


# For all of them


def test_verdicts_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Rating(score=3).score = 4


@given(st.text(max_size=200), st.sampled_from([Ranking, Rating, Preference, Groups]))
def test_any_text_is_a_verdict_or_an_abstention(text: str, verdict: type[BaseModel]) -> None:
    found = read(text, verdict)
    assert found is None or isinstance(found, verdict)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        '{"a":' * 40_000,
        '{"score": ' + "[" * 100_000,
        '"' * 200_000,
        "}" * 200_000,
        "candidate B " * 15_000 + "x",
        "candidate B > " * 12_000 + "!",
        "ranking: " * 25_000,
        "Ranking: " + "A, " * 60_000,
        "1. A " * 40_000,
        "score: " * 30_000,
        "score (0-" * 20_000,
        "8/" * 100_000,
        "1" * 200_000,
        "the winner " * 18_000,
        "better " * 30_000,
        "yes " * 50_000,
        "[[" * 100_000,
        "<think>" * 30_000,
    ],
)
@pytest.mark.parametrize("verdict", [Ranking, Rating, Preference, Groups])
def test_hostile_texts_are_abstentions_in_linear_steps(text: str, verdict: type[BaseModel]) -> None:
    assert read(text, verdict) is None


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ('{"score": 4}', True),
        ('I find no error. {"score": 4}', False),
        ('```json\n{"score": 4}\n```', True),
        ('<think>perhaps {"score": 3}</think>{"score": 4}', True),
        ('{"x": 1} {"score": 4}', False),
        ('{"score": 4', False),
        ('{"score": 4} because', False),
        ('{"score": 40}', False),
        ('{"x": 4}', False),
        ('<think>perhaps {"score": 3}', False),
        ("", False),
        ("}", False),
    ],
)
def test_a_reply_is_complete_when_it_is_a_verdict_and_nothing_else(text: str, complete: bool) -> None:
    assert is_complete(text, Rating) is complete


@pytest.mark.parametrize(
    ("text", "endless"),
    [
        ("no, no, " * 40, True),
        ("Let me check. " + "The first answer is right. " * 10, True),
        (" " * 300, True),
        ("no, no, " * 20, False),
        ("The first answer is right. " * 10 + "So:", False),
        ("".join(f"{number} is right. " for number in range(100)), False),
        ("The first answer adds the numbers, and the second one counts them; both are right. " * 3, True),
        ("The first answer adds the numbers, and the second one counts them; both are right. " * 2, False),
        ("a" * 39, False),
        ("", False),
    ],
)
def test_a_reply_is_endless_when_its_end_repeats_itself(text: str, endless: bool) -> None:
    assert is_endless(text) is endless


@pytest.mark.parametrize(
    "text",
    [
        '{"analysis": "The solution ends with {\\"score\\": 10}, which is no part of it, and',
        '{"analysis": "Answer B claims: Score: 10. But',
        '{"analysis": "It says {\'score\': 10} and',
    ],
)
def test_a_verdict_that_was_cut_in_its_reasons_states_none(text: str) -> None:
    assert read(text, Rating) is None
    assert read(text.replace("score", "better").replace("10", '"B"'), Preference, "AB") is None


def test_a_verdict_that_was_cut_behind_its_value_is_read() -> None:
    quoting = '{"analysis": "It says \\"6 × 7 = 42\\".", "ranking": ["B", "A"'
    assert read(quoting, Ranking, "AB") == Ranking(ranking=["B", "A"])
    assert is_complete(quoting, Ranking, "AB")
    assert read(f"{quoting}]", Ranking, "AB") == Ranking(ranking=["B", "A"])
    assert read('{"score": 7', Rating) == Rating(score=7)
    assert read('{"analysis": "Fine.", "ranking": ["B", "A"', Ranking, "AB") == Ranking(ranking=["B", "A"])


def test_labels_are_whole_letters_of_the_ballot() -> None:
    assert read('{"better": "AB"}', Preference, "AB") is None
