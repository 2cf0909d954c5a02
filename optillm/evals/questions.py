"""Questions and their answers, from the rows of a file or a suite.

A row that cannot be used is named with its file and line before anything is spent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson

from optillm.chat import Message, content_text
from optillm.config.sources import SettingsError
from optillm.evals.files import BadRow, rows_of
from optillm.evals.shapes import Row, normalised

MOST_NAMED: Final = 5
"""Bad rows that are named one by one."""
OPTIONS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of an evaluation.

    `answers` are those that are right, any of them. `choices` are the options to choose from, if there are any; the
    answer is then a letter. `score` names a scorer of this question's own. `row` is all that its file says of it, for
    scorers that read more; `where` is the file and line.
    """

    id: str
    messages: Sequence[Message]
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    score: str | None = None
    group: str | None = None
    row: Row = field(default_factory=dict)
    where: str = ""

    @property
    def digest(self) -> str:
        """Return a mark that changes with what is asked and what is right."""
        parts = [[*self.messages], self.answers, self.score]
        return sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

    @property
    def text(self) -> str:
        """Return the last user turn."""
        turns = [message for message in self.messages if message.get("role") == "user"]
        return content_text(turns[-1]) if turns else ""


def load(path: str) -> list[Question]:
    """Return the questions of a file.

    Raises `SettingsError` with a line for each bad row, or for the first few of many.
    """
    return questions_of(rows_of(path))


def questions_of(rows: Iterable[tuple[str, Row | BadRow]]) -> list[Question]:
    """Return the questions of rows, each of which comes with its place in a file.

    Raises `SettingsError` as `load` does.
    """
    questions: list[Question] = []
    faults: list[str] = []
    places: dict[str, str] = {}
    for number, (where, row) in enumerate(rows, start=1):
        try:
            question = _read(row, where, str(number))
        except BadRow as error:
            faults.append(f"{where}: {error}")
            continue
        if question.id in places:
            faults.append(f"{where}: the id {question.id!r} is that of {places[question.id]}, too")
        places.setdefault(question.id, where)
        questions.append(question)
    refuse(faults)
    if not questions:
        raise SettingsError("there are no questions: the file is empty")
    return questions


def refuse(faults: Sequence[str]) -> None:
    """Raise `SettingsError` about what is wrong with questions, if anything is."""
    if faults:
        more = len(faults) - MOST_NAMED
        raise SettingsError("\n".join([*faults[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])]))


def _read(row: Row | BadRow, where: str, number: str) -> Question:
    if isinstance(row, BadRow):
        raise row
    fields = normalised(row)
    messages = _messages(fields)
    choices = _texts(fields, "choices")
    answers = _answers(fields)
    if choices:
        answers = tuple(_letter(answer, choices) for answer in answers)
        messages = _with_options(messages, choices)
    return Question(
        id=_word(fields, "id") or number,
        messages=messages,
        answers=tuple(map(_text, answers)),
        choices=choices,
        score=_word(fields, "score"),
        group=_word(fields, "group"),
        row=fields,
        where=where,
    )


def _messages(fields: Row) -> list[Message]:
    question, messages = fields.get("question"), fields.get("messages")
    if (question is None) == (messages is None):
        there = ", ".join(fields) or "nothing"
        raise BadRow(f"it needs either question or messages; it has {there}")
    if messages is None:
        if not isinstance(question, str) or not question.strip():
            raise BadRow("question is no text")
        messages = [{"role": "user", "content": question}]
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise BadRow("messages is no list of messages, each with a role and a content")
    system = _word(fields, "system")
    return [*([{"role": "system", "content": system}] if system else []), *messages]


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("role"), str)
        and isinstance(value.get("content"), str | list)
    )


def _answers(fields: Row) -> tuple[Any, ...]:
    if "answer" in fields and "answers" in fields:
        raise BadRow("it has both answer and answers: keep one")
    answers = fields.get("answers", [fields["answer"]] if "answer" in fields else [])
    if not isinstance(answers, list):
        answers = [answers]
    if any(answer is None or (isinstance(answer, str) and not answer.strip()) for answer in answers):
        raise BadRow("an answer is empty")
    return tuple(answers)


def _texts(fields: Row, name: str) -> tuple[str, ...]:
    values = fields.get(name)
    if values is None:
        return ()
    if not isinstance(values, list) or not 2 <= len(values) <= len(OPTIONS):
        raise BadRow(f"{name} is no list of 2 to {len(OPTIONS)} texts")
    return tuple(map(_text, values))


def _text(value: Any) -> str:
    """Return a value of a row as text: a number as it is written, a list or an object as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _word(fields: Row, name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(f"{name} is neither text nor number")
    return str(value)


def _letter(answer: Any, choices: Sequence[str]) -> str:
    """Return the letter of the right option.

    The answer is an index from 0, a letter, or the option itself.
    """
    letters = OPTIONS[: len(choices)]
    if type(answer) is int and 0 <= answer < len(choices):
        return letters[answer]
    text = _text(answer).strip()
    if text in choices:
        return letters[choices.index(text)]
    if len(text) == 1 and text.upper() in letters:
        return text.upper()
    if text.isdecimal() and int(text) < len(choices):
        return letters[int(text)]
    raise BadRow(f"the answer {text!r} is none of the {len(choices)} choices")


def _with_options(messages: list[Message], choices: Sequence[str]) -> list[Message]:
    """Return the conversation with the options below its last turn.

    A turn that lists them already stays as it is.
    """
    last = messages[-1]
    content = content_text(last)
    listed = [(letter, choice) for letter, choice in zip(OPTIONS, choices, strict=False)]
    if all(re.search(rf"\b{letter}[.):]\s*{re.escape(choice)}", content) for letter, choice in listed):
        return messages
    options = "\n\n" + "\n".join(f"{letter}. {choice}" for letter, choice in listed)
    if isinstance(last["content"], str):
        return [*messages[:-1], {**last, "content": content + options}]
    return [*messages[:-1], {**last, "content": [*last["content"], {"type": "text", "text": options}]}]
