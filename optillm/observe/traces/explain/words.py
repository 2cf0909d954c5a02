"""Words of the sentences that explain a trace: numbers, plurals, names of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final

NUMBERS: Final = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
LONGEST_NAME: Final = 60
"""Characters that an answer quoted in a sentence has at most."""

Document = Mapping[str, Any]


def number(count: int) -> str:
    """Return a number in words where it is small."""
    return NUMBERS[count] if 0 <= count < len(NUMBERS) else f"{count:,}"


def none_or(count: int) -> str:
    """Return a number that stands alone: "none", "one", "two"."""
    return number(count) if count else "none"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number of things: "one sample", "four samples"."""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def verb(count: int, singular: str, plural: str) -> str:
    """Return the form of a verb for so many subjects."""
    return singular if count == 1 else plural


def share(part: int, whole: int, noun: str) -> str:
    """Return which part of so many things: "all four samples", "one of four samples"."""
    if part == whole == 1:
        return f"the only {noun}"
    if part == whole:
        return f"both {noun}s" if whole == 2 else f"all {counted(whole, noun)}"
    return f"{none_or(part)} of {counted(whole, noun)}"


def singular_share(part: int, whole: int) -> bool:
    """Return whether such a part takes a verb in the singular."""
    return part == 1 or (part == 0 and whole > 0)


def mark(value: float) -> str:
    """Return a value between 0 and 1 with two digits."""
    return f"{value:.2f}"


def sentence(text: str) -> str:
    """Return a text as a sentence."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def listed(parts: Sequence[str]) -> str:
    """Return parts of a sentence as a list: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


def answer_name(document: Document, group_id: int | None) -> str:
    """Return an answer if it is short, else a letter for its group."""
    if group_id is None:
        return "an answer"
    answer = document["groups"][group_id]["answer"]
    if answer is not None and len(answer) <= LONGEST_NAME and "\n" not in answer:
        return str(answer)
    return f"answer {letter(group_id)}"


def letter(group_id: int) -> str:
    """Return the letter of a group: A to Z, then with numbers."""
    turn, position = divmod(group_id, len(ascii_uppercase))
    return ascii_uppercase[position] + (str(turn + 1) if turn else "")
