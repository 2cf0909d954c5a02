"""What gives an answer away: stating it, or holding its value where the question does not."""

from __future__ import annotations

import pytest

from optillm.toolkit.answers import canonical
from optillm.toolkit.answers.leaks import gives_away

SUM = "A box holds 12 apples and 5 are eaten. How many are left?"
RACE = "Ann came in before Tom, and Tom before Bob. Who came first?"


@pytest.mark.parametrize(
    ("text", "answer", "question"),
    [
        ("How many apples are left? The answer is 7.", "7", SUM),
        ("After eating 5 of 12 apples, how do you get 7?", "7", SUM),
        ("After eating five of twelve apples, how are seven left?", "7", SUM),
        ("Which two numbers make 1,234?", "1234", "What is 1000 + 234?"),
        ("How do you write 0.50 as a fraction?", "1/2", "How much is one divided by two?"),
        ("Who came first? The answer is Ann.", "Ann", RACE),
        ("Why is Paris the capital of France?", "Paris", "What is the capital of France?"),
        ("Why do they stand in the order Ann, Bob, Tom?", "Ann, Bob, Tom", "In which order do they stand?"),
        ("Is it prime? The answer is no.", "no", "Is 21 prime?"),
    ],
)
def test_a_text_that_states_or_holds_the_answer_gives_it_away(text: str, answer: str, question: str) -> None:
    assert gives_away(text, canonical(answer, question), question)


@pytest.mark.parametrize(
    ("text", "answer", "question"),
    [
        ("A box holds 12 apples and 5 are eaten. How many are left?", "7", SUM),
        ("A box holds 17 apples, 70 pears and 7.5 kg of figs. How many apples?", "7", SUM),
        ("A box holds 12 apples, and none is eaten. How many are left?", "12", SUM),
        ("Ann was faster than Tom, Tom faster than Bob. Who won?", "Ann", RACE),
        ("Which city is the capital of France?", "Paris", "What is the capital of France?"),
        ("There are no factors but 3 and 7. Is it prime?", "no", "Is 21 prime?"),
        ("A vowel is wanted. Which letter is one?", "A", "Which is a vowel?\nA) a\nB) b"),
        ("", "7", SUM),
    ],
)
def test_a_text_without_the_answer_or_with_facts_of_the_question_does_not(
    text: str, answer: str, question: str
) -> None:
    assert not gives_away(text, canonical(answer, question), question)
