"""What reads clients' and models' text costs time in proportion to it, whatever the text: one loop serves everybody.

Each reading of half a megabyte has a processor time far beyond what it needs; anything worse than linear exceeds it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from optillm.toolkit import answers
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.similarity import medoid
from optillm.toolkit.judging import phrases, verdicts
from optillm.toolkit.programs import code
from optillm.toolkit.programs.equivalence import alike

SIZE = 500_000
SECONDS = 4.0
OPTIONS = "Which is it?\nA) one\nB) two\nC) three"
UNITS = [
    *("a", "1", "1,", ",000", "1+", "9^", "1 ", "-", ".", ",", ":", "(", "()", "[", "[1,[", "{", "}", "{}"),
    *("*", "**", "_", "__", "~", "~~", "`", "```\n", "```py\na\n```\n", "$", "$1$ ", "'", '"', "|a|", "#", "/*"),
    *("\n", " ", "\t", "\r", "\u2003", "\u00a0", "\u200b", "²", "1½", "٣", "ﷺ", "\u0301"),
    *("\\", "\\(", "\\[", "\\{", "\\boxed{", "\\frac{1}{", "\\sqrt(", "\\text{a}", "\\text{", "\\left("),
    *('{"', "{'", '{"a":1},', '{"```json,', '"a":1,', '{"score":', "<think>", "<think></think>", "<answer>"),
    *("The answer is 4. ", "Final answer\n", "#### 1\n", "- a\n", "1. A ", "(A) ", "A, ", "A > B > ", "a and "),
    *("1 or ", "a then ", "x=", "January 1, ", "one hundred ", " million", "10% of ", "Score: 10/10\n", "A is better "),
    *("option A is correct ", "x is no ", "order ", ", because", "def f():\n  0\n", "lambda:", "import a\n", "? "),
]  # fmt: skip
WRAPPED: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "stated": lambda text: f"The answer is {text}",
    "boxed": lambda text: f"\\boxed{{{text}}}",
    "before a number": lambda text: f"{text}0.1",
    "fenced": lambda text: f"```python\n{text}\n```",
    "bracketed": lambda text: f'[{{"a": 1}}, {text}]',
}
READERS: dict[str, Callable[[str], object]] = {
    "answer": lambda text: answers.extract(text, "What is 2 + 2?"),
    "program": lambda text: answers.extract(text, "Write a Python function."),
    "option": lambda text: answers.extract(text, OPTIONS),
    "canonical": answers.canonical,
    "ranking": lambda text: verdicts.read(text, verdicts.Ranking),
    "examination": lambda text: verdicts.read(text, verdicts.Examination),
    "preference": lambda text: verdicts.read(text, verdicts.Preference),
    "refusal": phrases.declines,
    "behaviour": code.behaviour_key,
    "interface": code.interface,
    "leak": lambda text: code.leaked(text, text),
    "arguments": lambda text: answers.of_tool_calls([{"function": {"name": "f", "arguments": text}}]),
    "alike": lambda text: alike([text, text + "1"], "", "answers"),
    "medoid": lambda text: medoid([text, text + " 1"]),
    "question": lambda text: Question(text).options,
}
ANSWERING = ("answer", "ranking", "behaviour")


@pytest.fixture
def hurried() -> Iterator[Callable[[], None]]:
    """Starts the count of processor time anew; what takes too long fails."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, give_up)
    yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS) and None
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_no_text_takes_long_to_read(reader: str, hurried: Callable[[], None]) -> None:
    for unit in UNITS:
        hurried()
        READERS[reader](unit * (SIZE // len(unit)))


@pytest.mark.slow
@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize("reader", ANSWERING)
def test_no_text_takes_long_to_read_inside_another(
    reader: str, wrapping: str, hurried: Callable[[], None]
) -> None:
    for unit in UNITS:
        hurried()
        READERS[reader](WRAPPED[wrapping](unit * (SIZE // 4 // len(unit))))


def test_long_texts_side_by_side_are_compared_by_their_ends(hurried: Callable[[], None]) -> None:
    texts = [" ".join(f"w{n * step}" for n in range(50_000)) for step in range(1, 65)]
    hurried()
    assert medoid([*texts, texts[0]]) == 0


def test_many_small_broken_objects_are_not_all_repaired(hurried: Callable[[], None]) -> None:
    hurried()
    assert verdicts.read("{a: }" * 20_000, verdicts.Ranking) is None
    assert verdicts.read("{a: }" * 20_000 + '{"ranking": ["A", "B"]}', verdicts.Ranking) is not None


# What is long is still read where answers stand.


def test_the_end_and_the_beginning_of_a_long_reply_are_read() -> None:
    essay = "So it goes on and on. " * 50_000
    for reply in (
        f"{essay}\n\nThe answer is 42.",
        f"The final answer is 42.\n\n{essay}",
        f"{essay}\\boxed{{42}}",
    ):
        answer = answers.extract(reply, "What is 6 times 7?")
        assert answer is not None
        assert answer.value == "42"


def test_long_json_that_is_the_whole_reply_equals_itself_only() -> None:
    rows = ",".join(f'{{"answer is": {n}}}' for n in range(5_000))
    one, same, other = (answers.extract(f"[{text}]") for text in (rows, f" {rows}".lstrip(), rows + ",{}"))
    assert one is not None
    assert other is not None
    assert one.kind == "json"
    assert one == same
    assert not one.matches(other)


def test_a_long_program_is_compared_line_by_line() -> None:
    lines = "\n".join(f"def f{n}(x):\n    return x + {n}" for n in range(2_000))
    asked = "Write a Python module of functions."
    one = answers.extract(f"Here:\n```python\n{lines}\n```", asked)
    same = answers.extract(f"```python\n{lines}   \n\n```\nDone.", asked)
    assert one is not None
    assert same is not None
    assert one.kind == "code"
    assert one.matches(same)


def test_a_verdict_after_long_reasoning_is_read() -> None:
    read = verdicts.read("Hm. {x} " * 50_000 + '{"score": 8}', verdicts.Rating)
    assert read is not None
    assert read.score == 8
