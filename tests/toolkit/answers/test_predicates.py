"""Sentences that say something of what their question asks for; courtesies behind the answer; cut replies."""

from __future__ import annotations

import pytest

from optillm.toolkit.answers import canonical, extract

SUM = "What is 13 + 15?"
PRODUCT = "What is 5 x 4?"
CAPITAL = "What is the capital of Greece?"
DIVISOR = "What is the greatest common divisor of 12 and 8?"
LETTERS = "How many times does the letter p occur in the word pepper?"
YEAR = "In which year did humans first land on the Moon?"
LARGER = "Which is larger, 9.9 or 9.11?"


@pytest.mark.parametrize(
    ("question", "reply", "stated"),
    [
        (CAPITAL, "The answer to this question is Athens.", "Athens"),
        (CAPITAL, 'The answer to the question "What is the capital of Greece?" is Athens.', "Athens"),
        (CAPITAL, "The capital of Greece is Athens, a city known for its history. It has a port.", "Athens"),
        (CAPITAL, "Athens is the capital of Greece. It is old, and 3 million people live there.", "Athens"),
        (CAPITAL, "The capital of Greece, as of 2023, is Athens.", "Athens"),
        (CAPITAL, "The capital of Greece is Athens, Greece.", "Athens"),
        (CAPITAL, "The capital of Greece is Athens, which is officially known as Sparta.", "Athens"),
        (CAPITAL, "The capital of Greece is Athens, not Sparta.", "Athens"),
        (CAPITAL, "Athens is the capital of Greece. Greece is a country in Europe.", "Athens"),
        (PRODUCT, "5 x 4 = 20", "20"),
        (PRODUCT, "5 × 4 equals 20. When you multiply, you add 5 times.", "20"),
        (PRODUCT, "So 4 * 5 = 20.\n\nThis is called multiplication, as taught in school.", "20"),
        (PRODUCT, 'The answer to the question "What is 5 * 4?" is 20.', "20"),
        (PRODUCT, "Five times four equals twenty.", "20"),
        (PRODUCT, "We need to evaluate 5 * 4 as 20.", "20"),
        (SUM, "To add 13 and 15, you simply add them together, which is 28.", "28"),
        (SUM, "To add 13 + 15, you simply add them together: 13 + 15 equals 28.", "28"),
        (SUM, "The sum of 13 and 15 is 28.\n\nThis is a classic example of arithmetic.", "28"),
        (SUM, "So, 13 + 15 = 28 is the result of the addition of these two numbers.", "28"),
        ("What is 15% of 200?", "So, 15% of 200 is approximately 30.", "30"),
        (DIVISOR, "The greatest common divisor (GCD) of 12 and 8 is 4.\n\nIt divides both.", "4"),
        (DIVISOR, "This goes on until we reach the GCD of 12 and 8, which is 4.\n\nThe Euclidean", "4"),
        (LETTERS, "The letter p occurs twice in the word pepper, as it is doubled.", "2"),
        (LETTERS, 'The letter "p" appears 2 times in the word "pepper" (E, P).', "2"),
        (LETTERS, 'In short, the letter "p" occurs only once in the word "pepper."', "1"),
        (f"{LETTERS} Answer in one word or number.", "The letter p occurs twice in the word pepper.", "2"),
        (LETTERS, 'The letter "p" occurs in the word "pepper" twice.', "2"),
        (DIVISOR, "In the end, the last remainder is 4, which is the GCD of 12 and 8.", "4"),
        (PRODUCT, 'You may write: "The answer to the question is: 5 x 4 = 20."', "20"),
        (YEAR, "Humans first landed on the Moon in 1969.", "1969"),
        (YEAR, "It was first landed on July 20, 1969, by the Apollo 11 mission, which came back.", "1969"),
        (LARGER, "To see which, we compare.\n\nSo, the larger number is 9.9.", "9.9"),
        ("Is the sun a planet?", "The sun is not actually a planet. It is a star.", "no"),
        ("Is the sun a planet?", "1. no", "no"),
        ("Who discovered penicillin?", "The discovery of penicillin is attributed to Fleming.", "Fleming"),
    ],
)
def test_a_sentence_that_repeats_the_question_says_its_answer(question: str, reply: str, stated: str) -> None:
    answer = extract(reply, question)
    assert answer is not None
    assert answer.matches(canonical(stated, question))


@pytest.mark.parametrize(
    "courtesy",
    [
        "Let me know if you have more questions!",
        "Hope this helps!",
        "I hope that helps! Feel free to ask. 😊",
        "If you have any other questions, please ask.",
        "Is there anything else I can help you with?",
        "Thank you!",
    ],
)
@pytest.mark.parametrize("space", [" ", "\n\n"])
def test_courtesies_behind_the_answer_do_not_hide_it(courtesy: str, space: str) -> None:
    for question, reply, stated in (
        (SUM, "28.", "28"),
        (CAPITAL, "Athens.", "Athens"),
        (PRODUCT, "5 x 4 is 20.", "20"),
    ):
        answer = extract(f"{reply}{space}{courtesy}", question)
        assert answer is not None
        assert answer.matches(canonical(stated, question))


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (CAPITAL, "The capital of Greece is not Athens."),
        (CAPITAL, "The capital of Greece is Athens. However, some say it is Sparta."),
        (CAPITAL, "The capital of Greece is Athens. It is old. Actually, I am not sure about that."),
        (CAPITAL, "The capital of Greece, a country in Europe that has many islands in the sea, has a port."),
        (CAPITAL, "If the capital of Greece is Athens, it has a port."),
        (
            DIVISOR,
            "To find the greatest common divisor of 12 and 8, we divide.\n\nIn this case, we have 12 and",
        ),
        (DIVISOR, "To find the greatest common divisor of 12 and 8, we divide.\n\nAt"),
        (DIVISOR, "1. We divide 12 by 8.\n2. We take the rest.\n3."),
        ("What is the square root of 81?", "It is the square root of 81, which has no simple form."),
        (SUM, "The answer is a well-known puzzle."),
        (SUM, "When you add 13 and 15 and 2, you get 30 in all, not counting the rest."),
    ],
)
def test_what_says_no_answer_is_not_read(question: str, reply: str) -> None:
    assert extract(reply, question) is None


@pytest.mark.parametrize("limited", ["before 1970", "in 1969 or 1970", "not in 1970", "since 1970"])
def test_a_year_with_a_limit_is_not_the_year(limited: str) -> None:
    answer = extract(f"Humans first landed on the Moon {limited}.", YEAR)
    assert answer is None or not answer.matches(canonical("1970", YEAR))


@pytest.mark.parametrize("reply", ["Respuesta: Kitten total", "Die Antwort ist Kitten total."])
def test_a_word_is_cut_off_only_where_it_is_a_word(reply: str) -> None:
    answer = extract(reply, "¿Cuál es?")
    assert answer is not None
    assert answer.value == "kitten total"
