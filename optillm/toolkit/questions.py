"""What a question asks for, as far as that decides where its answer stands and how it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from optillm.toolkit.extraction import ends

_LABEL = re.compile(r"(?:(?<=\s)|^)[(\[]?\**([A-Za-z])\**[)\].:]\**(?=\s)", re.MULTILINE)
_LOWER_CASE_OPTIONS = re.compile(
    r"\b(?:which|choose|select|options?|choices?|the following)\b", re.IGNORECASE
)
_MOST_OPTIONS = 26


_MAKING = re.compile(
    r"\b(?:write|implement|create|code|complete|fix|refactor|debug|generate|give|provide|rewrite|translate|port"
    r"|optimi[sz]e|build|define|modify)\b",
    re.IGNORECASE,
)
_MADE = re.compile(
    r"\b(?:functions?|programs?|scripts?|code|class(?:es)?|methods?|algorithms?|snippets?|modules?|regex(?:es)?"
    r"|quer(?:y|ies)|sql|html|css|python|javascript|typescript|java|rust|golang|bash|c\+\+)(?!\w)",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|fast|big|heavy|high|deep|wide|often|large|likely)\b"
    r"|\b(?:calculate|compute|evaluate|solve|determine|find)\b"
    r"|\b(?:number|amount|total|sum|product|value|percent|percentage|probability|average|mean|median|area|volume"
    r"|perimeter|distance|speed|price|cost|age|length|width|height|remainder|ratio|difference|quotient) of\b"
    r"|\bwhat(?: i|')s -?\d",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"\b(?:what|which|how many|as a) (?:percent|per cent|percentage)\b|\bpercentage of\b", re.IGNORECASE
)
_ORDER = re.compile(r"\b(?:order|orders|ranking|rank|sequence|arrange|arrangement|sort)\b", re.IGNORECASE)
_POLAR = re.compile(
    r"(?:^|[.!?:,\n]\s{0,4})(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|must)\b"
    r"(?! you\b)[^.!?\n]{1,400}\?",
    re.IGNORECASE,
)
_FACT = re.compile(
    r"(?:^|[.!?\n]\s{0,4})(?:(?:in|on|at|from|of|for|to|by|with) )?"
    r"(?:who|whose|whom|what|which|where|when|name the)\b[^.!?\n]{1,400}(?:\?|$)",
    re.IGNORECASE,
)

_LONGEST_HEAD = 4_000
_LONGEST_TAIL = 8_000


class Question:
    """One question and what it asks for, each looked up at most once.

    Of a question that quotes whole documents only both ends are read: that is where people ask.
    """

    def __init__(self, text: str) -> None:
        self._text = ends(text, _LONGEST_HEAD, _LONGEST_TAIL)

    def __bool__(self) -> bool:
        return bool(self._text.strip())

    @cached_property
    def options(self) -> Mapping[str, str]:
        """The options a multiple-choice question lists, label to text; empty for any other question.

        Labels run A, B, C… without a gap and carry a bracket, a full stop or a colon, so that an article or
        an initial is none. The last such run counts: few-shot examples come before the question.
        """
        return _options(self._text)

    @cached_property
    def asks_for_code(self) -> bool:
        """Whether the reply is to contain a program."""
        return bool(_MAKING.search(self._text) and _MADE.search(self._text))

    @cached_property
    def asks_for_quantity(self) -> bool:
        """Whether the answer is a number or a mathematical expression."""
        return bool(_QUANTITY.search(self._text))

    @cached_property
    def asks_for_percentage(self) -> bool:
        """Whether a bare number is a percentage because the question asks for one."""
        return bool(_PERCENT.search(self._text))

    @cached_property
    def asks_for_order(self) -> bool:
        """Whether the answer is a list whose order matters."""
        return bool(_ORDER.search(self._text))

    @cached_property
    def asks_yes_or_no(self) -> bool:
        """Whether the question is polar; a polite request ("Can you…?") is not."""
        return bool(_POLAR.search(self._text))

    @cached_property
    def asks_for_fact(self) -> bool:
        """Whether the question is one for a name, a place, a time or a thing."""
        return bool(_FACT.search(self._text))


def _options(question: str) -> dict[str, str]:
    lower = _LOWER_CASE_OPTIONS.search(question) is not None
    run: list[re.Match[str]] = []
    for label in _LABEL.finditer(question):
        if label[1].islower() and not lower:
            continue
        position = ord(label[1].upper()) - ord("A")
        if position == 0:
            run = [label]
        elif position == len(run) < _MOST_OPTIONS:
            run.append(label)
    if len(run) < 2:
        return {}
    ends = [label.start() for label in run[1:]] + [len(question)]
    texts = (question[label.end() : end].strip() for label, end in zip(run, ends, strict=True))
    return {
        label[1].upper(): text.split("\n\n")[0].strip(" \n;,") for label, text in zip(run, texts, strict=True)
    }


NO_QUESTION: Final = Question("")
