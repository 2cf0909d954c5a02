"""What a question expects as its answer: a yes or no, one of the alternatives that it names, an amount, a time, a name.

A reply is read relative to it: in an answer to "How many boys are there?" only an amount can be the answer, and all
other words are those of the question or add nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from optillm.toolkit.answers.questions import Question, question_of
from optillm.toolkit.answers.typography import plain
from optillm.toolkit.answers.vocabulary import words_of

_NUMBER = re.compile(r"(?<![\w.,])\d[\d.,]*")
_TRUTH = re.compile(r"\btrue or false\b|\byes or no\b|\byes/no\b|\btrue/false\b", re.IGNORECASE)
_POLAR = re.compile(
    r"(?:(?:^|[.!?:,\n]\s{0,4})(?:so\s|then\s|and\s)?)(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|must|may|am)(?:n't)?\b(?!\syou\b)",
    re.IGNORECASE,
)
_INTERROGATIVE = re.compile(r"\b(?:who|whose|whom|what|which|where|when|why|how)\b", re.IGNORECASE)
_AMOUNT = re.compile(
    r"\b(?:what|which)(?:'s| is| was| will be| are| were| would be)?\s"
    r"(?:the\s|her\s|his\s|its\s|their\s)?(?:[\w-]+\s){0,3}?"
    r"(?:percent(?:age)?|fraction|probability|chances?|odds|speed|velocity|distance|area|volume|perimeter|circumference|mass"
    r"|weight|height|length|width|depth|radius|diameter|temperature|time difference|price|cost|total|sum"
    r"|difference|product"
    r"|quotient|remainder|average|mean|median|mode|range|value|ratio|rate|interest|profit|loss|discount|tip|tax|salary"
    r"|change|number|amount|age|force|acceleration|energy|power|voltage|current|resistance|density|pressure|angle"
    r"|slope|root|factorial|gcd|lcm|next (?:number|term))\b"
    r"|\bconvert\b|\bexpress\b[^.?!]{1,60}\bas an?\b"
    r"|\bwhat (?:is|'s|are)\s[-(]?[\d$€£√]|\bround\b|\bin (?:decimal|binary|hexadecimal)\b",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\bwhen\b(?=\s(?:is|are|was|were|did|does|do|will|would|has|have|had|can|should)\b)"
    r"|\b(?:what|which|in what|in which|on what|on which|at what|give the|name the|extract the)\s(?:[a-z]+\s){0,2}?"
    r"(?:time|day|date|weekday|month|year)\b(?!\s(?:zone|difference)|s\b)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:prints?|printed|outputs?|evaluates?|commands?|regex|regular expression|expression|condition|exceptions?"
    r"|errors?|methods?|functions?|keyword|operator|statement|query|snippet|code|syntax|flag|tag|attribute|returns?|type"
    r"|json|data type|one-liner|lambda|decorator|module|library|selector|property|header)\b",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"\b(?:simplify|differentiate|integrate|factor(?:i[sz]e)?|expand|derivative|integral|antiderivative|solve|evaluate|equation"
    r"|formula|expression|inverse|polynomial|f\(x\)|limit)\b",
    re.IGNORECASE,
)


_EXPLAINED = re.compile(
    r"^\W*(?:(?:[\w' ]+,\s)?(?:why|how))\b(?!.*\b(?:say|spell|write|called|translate)\b)", re.IGNORECASE
)
_TRANSLATION = re.compile(
    r"(?i:\btranslate\b|\bhow do you say\b)"
    r"|\b[Ww](?:hat|hich)(?:'s| is)? the [A-Z]\w+ (?:word|term|translation|phrase|name)\b"
)
_NAMING = re.compile(
    r"\b(?:extract|translate|identify|name|complete|how do you say|(?:who|what|which|where)(?:'s)?)\b",
    re.IGNORECASE,
)
_NAMES = re.compile(
    r"\b(?:what|which|name|list)\s(?:are\s)?(?:the\s|all\s)?(?:(?:two|three|four|five|six|seven|\d)\b"
    r"|(?:[a-z]+\s)?(?:colou?rs|countries|elements|gases|planets|continents|cities|states|primes|animals|ingredients|languages)\b)",
    re.IGNORECASE,
)


class Expected(NamedTuple):
    """What kind of answer a question expects; all are false for a question that leaves it open."""

    truth: bool = False
    amount: bool = False
    moment: bool = False
    code: bool = False
    formula: bool = False
    name: bool = False
    translation: bool = False
    reason: bool = False
    names: bool = False
    alternatives: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def expected_of(question: Question) -> Expected:
    """Return what a question expects; one about several things at once is left open."""
    named = () if question.options else alternatives(question)
    if question.language.name != "English":
        polar = question.language.asks_polar(question.last)
        amount = question.asks_for_quantity or len(_NUMBER.findall(question.last)) > 1
        return Expected(truth=polar, amount=amount, name=not (polar or amount or question.words.coordinated))
    last = question.last
    open_question = _INTERROGATIVE.search(re.sub(r"\b(?:that|, which|, who)\b.*", "", last))
    truth = bool(_TRUTH.search(question.text)) or (bool(_POLAR.search(last)) and not open_question)
    amount = question.asks_for_quantity or bool(_AMOUNT.search(question.text))
    moment = bool(_MOMENT.search(last)) or bool(_MOMENT.search(question.text) and not open_question)
    formula = bool(_FORMULA.search(question.text))
    several = bool(question.words.coordinated) and _several(last)
    return Expected(
        truth=truth and not named and not question.options,
        amount=amount and not truth and not moment and not several,
        moment=moment and not truth and not several,
        code=bool(_CODE.search(question.text)),
        formula=formula and not truth,
        name=bool(question.asks_for_fact or _NAMING.search(question.text))
        and not (
            truth or amount or moment or formula or several or question.options or _EXPLAINED.search(last)
        ),
        reason=last.casefold().lstrip().startswith("why") or ", why " in last.casefold(),
        translation=bool(_TRANSLATION.search(question.text)),
        names=bool(_NAMES.search(last)) and not question.asks_for_order,
        alternatives=named,
    )


_JOINED = re.compile(
    r"\b(?:between|sum|product|difference|ratio|total|average|mean|average|both|multiple|divisor|factor)\b[^?]{1,60}?\sand\s"
    r"|\d\s(?:[a-z]+\s)?and\s(?:an?\s|one\s)?\d|\band\b[^?]*\b(?:together|altogether|combined|in total)\b",
    re.IGNORECASE,
)


_CONDITION = re.compile(r"\b(?:if|when|given|among|with|after|before|from|for|that)\b", re.IGNORECASE)


def _several(last: str) -> bool:
    """Return whether a question with an "and" asks for several things; "between 3 and 5" is one."""
    asking = _INTERROGATIVE.search(last)
    phrase = last[asking.end() :] if asking else last
    first, *rest = _CONDITION.split(_JOINED.sub(" ", _QUOTED.sub(" ", phrase)))
    return " and " in first or any(_INTERROGATIVE.search(part) and " and " in part for part in rest)


_QUOTED = re.compile(r"\"[^\"\n]*\"|(?<!\w)'[^'\n]{1,200}'(?!\w)")
_BOUNDARY = re.compile(
    r"[:(?!;\n\[]|\.\s|\b(?:as|into|is|are|was|were|be|either|whether|between|among|of|to be|does|do|did|has|have)\b",
    re.IGNORECASE,
)
_SLASHED = re.compile(r"(?<![\w/.])([A-Za-z][\w-]{1,20}(?:\s?/\s?[A-Za-z][\w-]{1,20}){1,6})(?![\w/])")
_CLASSIFYING = re.compile(
    r"\b(?:sentiment|label|labels|classify|classification|categor\w+|class|intent|tone|topic|choose|priority|one of)\b",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"\b(?:one of|one of the following|labels?|categories|classes|options|intents|choose from|into|as)\b"
    r"[^:.?!\n]{0,40}:\s*(?P<list>[^.?!\n]{3,160})",
    re.IGNORECASE,
)
_NO_ITEM: Final = words_of(
    "true false yes no not more less fewer other-than why how it them both if whether one two three four five"
)
_DETERMINERS: Final = words_of("the a an this that these those my your his her its their our")
_STAYING: Final = words_of("stay stays remain remains be is are a an the it's was were does did do it they")
_COMPARATIVE = re.compile(r"(?:more|less|most|least)\s\w+|\w{2,}(?:er|est)$", re.IGNORECASE)
_MOST_WORDS: Final = 4


def alternatives(question: Question) -> tuple[str, ...]:
    """Return the alternatives that a question names, of which its answer is one; empty for any other question."""
    text = _QUOTED.sub(_label_or_nothing, plain(question.text))
    if question.language.name != "English" or _TRUTH.search(text):
        return ()
    if _CLASSIFYING.search(text):
        for sentence in (question.last, text):
            for joint in re.finditer(r",?\s+or\s+", sentence):
                if joined := _joined_by(sentence[: joint.start()], sentence[joint.end() :]):
                    return joined
        if listed := _LISTED.search(text):
            items = re.split(r"\s*,\s*(?:and\s|or\s)?|\s+(?:and|or)\s+", listed["list"].strip())
            if len(items) > 1 and all(0 < len(item.split()) <= _MOST_WORDS for item in items):
                return _distinct(items)
        if slashed := _SLASHED.search(text):
            return _distinct(re.split(r"\s?/\s?", slashed[1]))
    elif question.asks_for_quantity and not re.search(r"\b(?:which|who)\b", text, re.IGNORECASE):
        return ()
    last = _QUOTED.sub(_label_or_nothing, question.last)
    for joint in re.finditer(r",?\s+or\s+", last):
        if joined := _joined_by(last[: joint.start()], last[joint.end() :]):
            return joined
    return ()


def _label_or_nothing(quoted: re.Match[str]) -> str:
    """Return a quoted label; a quoted sentence is what the question is about."""
    return quoted[0][1:-1] if len(quoted[0].split()) <= 2 else " "


def _joined_by(before: str, behind: str) -> tuple[str, ...]:
    """Return the alternatives on both sides of "or"."""
    right = re.split(r"[?,:;()\n\"]|\.(?!\d)", behind.strip())[0].split()
    while right and right[0].casefold() in _STAYING:
        right = right[1:]
    boundaries = [match for match in _BOUNDARY.finditer(before) if not (match[0] == "of" and "of" in right)]
    left = before[boundaries[-1].end() if boundaries else 0 :]
    items = [item.strip() for item in left.split(",") if item.strip()]
    if not right or not items:
        return ()
    last = right if len(right) <= 3 and not right[0][0].isupper() else list(_run(right))
    first = items[0].split()
    if not boundaries or first[0].casefold() in _DETERMINERS or len(first) > _MOST_WORDS:
        first = first if first[0] == "A" and boundaries else list(_run(first[::-1]))[::-1]
        if len(last) > 1 and not last[0][0].isupper():
            last = last[:1]
    items[0] = " ".join(word for word in first)
    items.append(" ".join(last))
    items = [" ".join(w for w in item.split() if w.casefold() not in _DETERMINERS) for item in items]
    if len(items) > 2 and _COMPARATIVE.fullmatch(items[0]):
        items = items[1:]  # "Which is larger, 2 or 3?"
    items = [item for item in items if item]
    if len(items) < 2 or any(
        item.casefold() in _NO_ITEM or len(item.split()) > _MOST_WORDS for item in items
    ):
        return ()
    return _distinct(items)


def _run(words: list[str]) -> Iterator[str]:
    """Yield the first word, and those after it that are capitalised like it."""
    for index, word in enumerate(words):
        if index and not (word[0].isupper() and words[0][0].isupper()):
            return
        yield word


def _distinct(items: list[str]) -> tuple[str, ...]:
    distinct = {item.casefold(): item.strip(" \"'`*") for item in items}
    return tuple(distinct.values()) if len(distinct) > 1 else ()


def without_options(question: Question) -> Question:
    """Return a question without the options that it lists."""
    first = next(iter(question.options.values()), "")
    at = question.text.find(first) if first else -1
    return question_of(re.sub(r"[(\[]?\w\**[)\].:]*\s*$", "", question.text[:at])) if at > 0 else question


def _is_passage(quoted: str) -> bool:
    return len(quoted.split()) > 7 or (len(quoted.split()) > 3 and quoted.rstrip("\"'")[-1:] in ".!?")


_PASSAGE = re.compile(
    r"(?:^|\n)\s*(?:passage|text|context|excerpt|paragraph|article|review|document|story|sentence|email|message)s?\s?:.*?(?=\n\n|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def without_passages(question: Question) -> Question:
    """Return a question without the sentences that it quotes: their words may be the answer."""
    text = _QUOTED.sub(
        lambda quoted: " " if _is_passage(quoted[0]) else quoted[0], _PASSAGE.sub("\n", question.text)
    )
    return question_of(text) if text.strip() and text != question.text else question
