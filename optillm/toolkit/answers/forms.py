"""Canonical forms: one answer, one value, however it was written.

`form` tries the kinds from the most to the least specific. A kind is read only if it accounts for every word and
sign of the statement; what nothing more specific claims is a text, compared word by word. A text that could have
been read costs one judge call; an overlooked word would let different answers share a vote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final, Literal, NamedTuple

from optillm.toolkit.answers.algebra import GROWTH, expression_source, growth_of, is_expression
from optillm.toolkit.answers.dates import iso_date, time_of_day, year_of_era
from optillm.toolkit.answers.explanations import EXPLANATION, head_of, limits_answer
from optillm.toolkit.answers.extraction import sentences
from optillm.toolkit.answers.frames import without_kind
from optillm.toolkit.answers.intervals import intervals_of
from optillm.toolkit.answers.jsontext import canonical_json, is_json, parse_json
from optillm.toolkit.answers.languages import bounds, denying, truths
from optillm.toolkit.answers.lists import Items, bare_items, bracketed, matrix_rows
from optillm.toolkit.answers.quantities import Quantity, quantity, same_amount
from optillm.toolkit.answers.questions import NO_QUESTION, Question
from optillm.toolkit.answers.texts import text_key
from optillm.toolkit.answers.typography import delatex, peel, plain
from optillm.toolkit.answers.units import conversion, unit_of
from optillm.toolkit.answers.vocabulary import (
    BOUND_PHRASES,
    BOUNDS,
    LEADING,
    NEVER_ACCOUNTED,
    TRAILING,
    TRAILING_BOUNDS,
)

Kind = Literal[
    "number", "bound", "choice", "truth", "date", "collection", "json", "code", "tools", "expression", "text"
]  # fmt: skip
MAX_STATED: Final = 500


class Form(NamedTuple):
    """The kind of an answer and its canonical value; if stated, its unit and what it is the value of.

    `subject` is a variable ("x" of "x = 3") or a name ("Tom" of "Tom has 3").
    """

    kind: Kind
    value: str
    unit: str | None = None
    subject: str | None = None


# One reply tries the same words in several places, and samples of a vote often say the same.
@lru_cache(maxsize=128)
def form(stated: str, question: Question = NO_QUESTION) -> Form:
    """Return the canonical form of a stated answer to `question`."""
    if json := json_form(stated):
        return json
    if len(stated) > MAX_STATED:
        return Form("text", " ".join(stated.casefold().split()))
    if code := inline_code(stated):
        return code
    text = cleaned(stated)
    if (based := _BASED.fullmatch(text)) and f"to {_BASES[based[2]]}" in question.text.casefold():
        text = based[1]  # "1101_2"
    return _Reader(question).read(text) or Form("text", text_key(without_kind(text, question)))


_BASED = re.compile(r"([0-9A-Fa-f]+)_\{?(2|8|16)\}?")
_BASES: Final = {"2": "binary", "8": "octal", "16": "hexadecimal"}
_INLINE_CODE = re.compile(r"\**(`{1,2})(?!`)([^`\n]+)\1\**[.,;:]?")


def inline_code(stated: str) -> Form | None:
    """Return code between single backticks as it is, unless a plain word or number stands there."""
    match = _INLINE_CODE.fullmatch(stated.strip())
    if match is None:
        return None
    code = match[2].strip()
    if re.fullmatch(r"[\w%$€£.,]*\w%?", code) or quantity(cleaned(code)):
        return None
    return Form("text", code)


_HALF_BOLD = re.compile(r"(?<![\w)\]}])\*\*|\*\*(?![\w(\[{*])")  # not the power of "2**3"
_SYMBOLS = (
    (re.compile(r"\\(?:emptyset|varnothing)(?![A-Za-z])|\\?\{\s*\\?\}"), "∅"),
    (re.compile(r"\\neq?(?![A-Za-z])|\\not\s?="), "≠"),
    (re.compile(r"\\(?:leq?|leqslant)(?![A-Za-z])"), "≤"),
    (re.compile(r"\\(?:geq?|geqslant)(?![A-Za-z])"), "≥"),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\pm(?![A-Za-z])"), "±"),
)


def cleaned(stated: str) -> str:
    """Return a stated answer as plain characters, without its wrapping."""
    text = peel(delatex(peel(plain(stated))))
    if "\\" in text or "{" in text:
        for pattern, symbol in _SYMBOLS:
            text = pattern.sub(symbol, text)
    return re.sub(r" {2,}", " ", peel(_HALF_BOLD.sub("", text)))


class _Reader:
    """Reads the forms that a statement may take in answer to one question."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._words = question.words

    def read(self, text: str, depth: int = 0) -> Form | None:
        """Return the form of a text of any kind but choices and texts."""
        if depth > 3 or not text or _BRACKETED_MONEY.fullmatch(text):
            return None  # accounts put losses in brackets
        for reader in (
            self._truth,
            _date,
            self._number,
            _ratio,
            _remainder,
            self._bound,
            self._range,
        ):
            if result := reader(text):
                return result
        if interval := intervals_of(text, self._question):
            return Form("collection", interval[0], subject=interval[1])
        for nested in (self._collection, self._equation):
            if result := nested(text, depth + 1):
                return result
        if text.casefold().lstrip("+") in ("infinity", "∞", "positive infinity"):
            return Form("expression", r"\infty")
        if text.casefold() in ("∅", "empty set", "the empty set"):
            return Form("collection", "{}")
        if growth := GROWTH.fullmatch(text):
            return Form("collection", f"{growth[1]}({growth_of(growth[2])})")
        if is_expression(text):
            return Form("expression", expression_source(text))
        head = head_of(text)
        if head is None:
            return None
        read = self.read(peel(head), depth + 1)
        return read if read and read.kind != "truth" else None

    def _truth(self, text: str) -> Form | None:
        if value := truths().get(text.casefold()):
            return Form("truth", value)
        match = _truth().match(text)
        if match is None:
            return None
        value = truths().get(match[1].casefold()) or str(match[1].casefold() in ("yes", "true")).casefold()
        return Form("truth", value) if self._restates(text[match.end() :], value == "false") else None

    def _restates(self, rest: str, negated: bool) -> bool:
        """Return whether what follows a yes or no only says the same at length: "17 is prime", "it is not"."""
        explained = EXPLANATION.match(f", {rest.lstrip(' ,.;:!—–-(')}")
        pieces = sentences(rest.strip(" ,;:!—–-()"))
        rest = pieces[0] if pieces and not explained else ""
        if len(pieces) > 1 and limits_answer(pieces[1]):
            return False
        if "=" in rest and not re.search(r"[^\W\d_]", rest):
            return True  # "No, 91 = 7 × 13."
        if self._words.limits:
            rest = rest.replace("'", "' ")  # "n'est" is two words
        words = [word.casefold() for word in (_FOREIGN_WORD if self._words.limits else _WORD).findall(rest)]
        denials = [word for word in words if word in _DENIALS or word in self._words.limits & denying()]
        value = str(not negated).casefold()
        others = [word for word in words if word not in denials and truths().get(word) != value]
        if len(denials) > negated or any(word in NEVER_ACCOUNTED | BOUNDS for word in others):
            return False
        if all(self._words.account_for(word, _RESTATING) for word in others):
            return bool(denials) == negated or not others  # "No, it is prime." contradicts itself
        return (
            (negated or not self._question)
            and bool(_SHORT_CLAUSE.fullmatch(rest))
            and not re.search(r"\b(?:on|in|at|for|with)\b", rest)
        )

    def _number(self, text: str) -> Form | None:
        if self._question.asks_for_version and "." in text:
            return None
        amount = quantity(text, self._words)
        if self._question.asks_for_probability and (odds := _ODDS.fullmatch(text)) and int(odds[2]):
            return Form("number", str(Fraction(int(odds[1]), int(odds[2]))))
        if amount is None and (glossed := _GLOSSED.fullmatch(text)):
            head, gloss = quantity(glossed[1], self._words), quantity(glossed[2], self._words)
            amount = head if head and gloss and same_amount(head, gloss) else None
        if amount is None and (restated := _RESTATED.fullmatch(text)):
            first, second = (quantity(side, self._words) for side in restated.groups())
            amount = first if first and second and same_amount(first, second) else None
        if amount is None and (contrast := _CONTRAST.fullmatch(text)) and quantity(contrast[2], self._words):
            amount = quantity(contrast[1], self._words)
        if amount is None:
            return None
        amount = _in_unit_asked(amount, self._question)
        in_pounds = amount.unit == "pound" and self._question.pays_in_pounds
        read = Form("number", str(amount.value), "pound-sterling" if in_pounds else amount.unit)
        return _as_percentage(read, text) if self._question.asks_for_percentage else read

    def _bound(self, text: str) -> Form | None:
        """Return "≥18" for "at least 18" and "18 or more", with the unit."""
        before, behind = _BOUND.fullmatch(text), _TRAILING_BOUND.search(text)
        if before and (amount := quantity(before[2], self._words)):
            return Form("bound", f"{BOUND_PHRASES[before[1].casefold()]}{amount.value}", amount.unit)
        if behind and (amount := quantity(text[: behind.start()], self._words)):
            return Form("bound", f"{TRAILING_BOUNDS[behind[1].casefold()]}{amount.value}", amount.unit)
        if (foreign := _foreign_bound().fullmatch(text)) and (amount := quantity(foreign[2], self._words)):
            return Form("bound", f"{bounds()[foreign[1].casefold()]}{amount.value}", amount.unit)
        return None

    def _range(self, text: str) -> Form | None:
        """Return "4:6" for "4 to 6 days", "between 4 and 6 days" and "4–6 days", with the unit."""
        match = _BETWEEN.fullmatch(text) or _RANGE.fullmatch(text)
        if match is None:
            return None
        first, second = (iso_date(side) or time_of_day(side) for side in match.groups())
        if first and second:
            return Form("bound", f"{first}:{second}")
        low, high = (quantity(side, self._words) for side in match.groups())
        if low is None or high is None or (low.unit and low.unit != high.unit):
            return None
        return Form("bound", f"{low.value}:{high.value}", high.unit)

    def _collection(self, text: str, depth: int) -> Form | None:
        """Return a tuple, list, set, interval, vector or matrix; order matters in all of them but the set."""
        if text.startswith("±") and (amount := quantity(text[1:], self._words)):
            values = sorted({str(amount.value), str(-amount.value)})
            return Form("collection", "{" + "; ".join(values) + "}")
        if rows := matrix_rows(text):
            if len(rows) == 1 or all(len(row) == 1 for row in rows):
                return self._joined("(", [item for row in rows for item in row], ")", depth)
            return self._joined("(", [f"({', '.join(row)})" for row in rows], ")", depth)
        if read := bracketed(text):
            opening, items, closing = read
            if len(items) == 1 and opening != "[" and not bracketed(items[0]):
                return self.read(items[0], depth) or Form("text", text_key(items[0]))
            return self._joined(opening, items, closing, depth)
        listed = bare_items(
            text,
            in_order=self._question.asks_for_order or self._question.asks_for_two,
            as_set=self._question.asks_for_set,
            direction=self._question.direction,
        )
        return self._listed(listed, depth) if listed else None

    def _listed(self, listed: Items, depth: int) -> Form:
        read = self._joined(listed.opening, listed.items, listed.closing, depth)
        return read._replace(subject=listed.subject)

    def _joined(self, opening: str, items: list[str], closing: str, depth: int) -> Form:
        forms = [self._item(item, depth) for item in items]
        values = [f"{_item_value(item)} {item.unit}" if item.unit else _item_value(item) for item in forms]
        units = {item.unit for item in forms}
        if closing in (")", " and}") and None not in units and len(units) == len(forms) and opening != "[":
            opening, closing = "{", "}"  # "12 adults and 30 children": the order means nothing
        if opening == "{" and not any(map(_ELLIPSIS.fullmatch, items)):
            values = sorted(set(values))
        elif (opening, closing) == ("[", "]") and (
            len(items) != 2 or any(item.kind in ("text", "collection") for item in forms)
        ):
            # Two numbers in square brackets are a closed interval, anything else a list, which is a tuple.
            opening, closing = "(", ")"
            values = [f"({value[1:-1]})" if value.startswith("[") else value for value in values]
        return Form("collection", f"{opening}{'; '.join(values)}{closing}")

    def _item(self, item: str, depth: int) -> Form:
        """Return the form of an item of a list; a number in quotation marks is a string."""
        text = cleaned(item)
        read = self.read(text, depth)
        if read and item[:1] in "'\"" and item[:1] == item[-1:]:
            return Form("text", item)
        return read or Form("text", text_key(text))

    def _equation(self, text: str, depth: int) -> Form | None:
        """Return what a variable, a name or an arithmetic term equals; a true equation stays an expression."""
        relations = list(_RELATION.finditer(text))
        if not relations or _INEQUALITY.search(text):
            return None
        left, right = text[: relations[0].start()].strip(), text[relations[-1].end() :].strip()
        left = _TIMES.sub("*", left)
        if len(relations) == 1 and _VARIABLE.fullmatch(right) and quantity(left, self._words):
            left, right = right, left
        if not left or not right or left.count("{") != left.count("}") or left.count("(") != left.count(")"):
            return None  # the "=" of "\\sum_{i=1}^n" belongs to it
        subject: str | None = None
        if variables := _VARIABLES.fullmatch(left):
            subject = ",".join(re.findall(r"[A-Za-z]\w?", variables[0]))
        elif _DERIVATIVE.fullmatch(left):
            subject = None  # "dy/dx", "y'" and "f'(x)" are one
        elif _VARIABLE.fullmatch(left):
            subject = "".join(left.lstrip("\\").split())
        elif re.search("[A-Za-z]", re.sub(r"\\[a-z]+", "", left)) and not self._names_result(left):
            return None
        read = self.read(peel(right), depth)
        return read._replace(subject=subject) if read and not read.subject else read

    def _names_result(self, left: str) -> bool:
        """Return whether the words before an equals sign say nothing that the question does not."""
        if len(sentences(left)) > 1:
            return False
        words = [word for word in _WORD.findall(left) if not word[0].isdigit()]
        harmless = LEADING | {"total", "result", "cost", "price"} - NEVER_ACCOUNTED
        return all(self._words.account_for(word, harmless) for word in words) and bool(words)


def _item_value(item: Form) -> str:
    """Return the value of an item of a list, with fractions, roots and π in one spelling."""
    if item.kind != "expression":
        return item.value
    text = _SIMPLE_FRACTION.sub(r"\1/\2", item.value).replace("\\pi", "π")
    return _SIMPLE_ROOT.sub(lambda root: f"√{root[1] or root[2]}", text)


_SIMPLE_FRACTION = re.compile(r"\\frac\{(\d+|\\?[a-z]+)\}\{(\d+)\}")
_SIMPLE_ROOT = re.compile(r"\\sqrt\s?(?:\{(\d+)\}|(\d))")
_BRACKETED_MONEY = re.compile(r"\(\s?[$€£¥]\s?[\d.,]+\)")
_ELLIPSIS = re.compile(r"\.{2,3}|…|\\[lc]?dots")
_WORD = re.compile(r"[^\W_][\w'.-]*(?<![.'-])|[^\W_]")


@cache
def _truth() -> re.Pattern[str]:
    """Return the pattern of yes or no in any language, followed by punctuation, "because" or the end."""
    words = "|".join(sorted(map(re.escape, ("yes", "no", "true", "false", *truths())), key=len, reverse=True))
    return re.compile(rf"({words})(?:\s*[,.;:!—–]|\s+(?=[-—–(])|\s+(?=because\b)|$)", re.IGNORECASE)


_FOREIGN_WORD = re.compile(r"[^\W_][\w'.-]*(?<![.-])|[^\W_]")
_DENIALS = frozenset(
    ["not", "isn't", "aren't", "wasn't", "doesn't", "don't", "didn't", "cannot", "can't", "no", "isn", "aren"]
)
_RESTATING = LEADING | TRAILING
_SHORT_CLAUSE = re.compile(
    r"(?:the |an? )?[\w'-]{1,20} (?:is|are|was|were)(?: not|n't)?(?: an?)?(?: [\w-]{1,20})?", re.IGNORECASE
)


def _date(text: str) -> Form | None:
    date = iso_date(text) or time_of_day(text) or year_of_era(text)
    return Form("date", date) if date else None


_UNIT_ASKED = re.compile(r"\bhow many (?P<one>[a-z]+)\b|\bin (?P<other>[a-z]+(?:/[a-z]+)?)\?", re.IGNORECASE)


def _in_unit_asked(amount: Quantity, question: Question) -> Quantity:
    """Return an amount in the unit that its question asks for, if it can be converted."""
    match = _UNIT_ASKED.search(question.last)
    unit = unit_of(match["one"] or match["other"]) if match and amount.unit else None
    ratio = conversion(amount.unit, unit.name) if unit and amount.unit and not unit.counted else None
    return amount if ratio is None or unit is None else Quantity(amount.value * ratio, unit.name)


_GLOSSED = re.compile(r"(.{1,60}?)\s?\(([^()]{1,60})\)")  # "42 (forty-two)"
_ODDS = re.compile(r"(\d{1,9}) (?:in|out of) (\d{1,9})")
_RESTATED = re.compile(
    r"(.{1,60}?),?\s\(?(?:i\.e\.|that is|or,? equivalently|equivalently|in other words|or)[,:]?\s(.{1,60}?)\)?",
    re.IGNORECASE,
)
_CONTRAST = re.compile(r"(.{1,60}?)(?:,\s|\s\()(?:and\s)?not\s([^,;]{1,40}?)\)?")  # "42, not 40"


def _as_percentage(stated: Form, text: str) -> Form:
    """Return 25 as 25% where a percentage is asked; a number up to one is taken for the fraction it is."""
    value = Fraction(stated.value)
    if stated.unit is None and abs(value) > 1 and "%" not in text and "cent" not in text.casefold():
        return stated._replace(value=str(value / 100))
    return stated


def _phrases(table: Mapping[str, str]) -> str:
    return "|".join(re.escape(phrase) for phrase in sorted(table, key=len, reverse=True))


_BOUND = re.compile(rf"({_phrases(BOUND_PHRASES)})\s?(?=[\d$€£-])(.+)", re.IGNORECASE)


@cache
def _foreign_bound() -> re.Pattern[str]:
    return re.compile(rf"({_phrases(bounds())})\s?(?=[\d$€£-])(.+)", re.IGNORECASE)


_TRAILING_BOUND = re.compile(rf"(?<=\S)\s?({_phrases(TRAILING_BOUNDS)})$", re.IGNORECASE)
_BETWEEN = re.compile(r"between\s(.{1,40}?)\s(?:and|to)\s(.{1,40})", re.IGNORECASE)
_RANGE = re.compile(r"(?:from\s)?([^–—]{1,40}?)\s?(?:\bto\b|–|—|(?<=\d)-(?=\d))\s?(.{1,40})", re.IGNORECASE)
_RATIO = re.compile(
    r"(\d{1,3}(?:,\d{3})+|\d{1,9})(?:\s?(?::|\bto\b)\s?(\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,9})){1,3}"
)


def _ratio(text: str) -> Form | None:
    """Return "3:4" for 3 to 4, which may be a ratio, a range or a score; an hour and minutes keep their zero."""
    if _RATIO.fullmatch(text) is None:
        return None
    parts = re.split(r"\s?(?::|to)\s?", text.replace(",", ""))
    return Form("bound", ":".join(part if part.startswith("0") else str(int(part)) for part in parts))


_REMAINDER = re.compile(
    r"(?:(?:the\s)?quotient\s(?:is\s|of\s|=\s)?)?(-?\d+),?\s(?:and\s)?(?:with\s)?(?:an?\s|the\s)?"
    r"(?:(?:remainder(?:\s(?:of|is|=))?|remaining|rem\.?|r)\s?(\d+)|(\d+)\s(?:left\sover|remaining))",
    re.IGNORECASE,
)


def _remainder(text: str) -> Form | None:
    match = _REMAINDER.fullmatch(text)
    return Form("collection", f"{match[1]} remainder {match[2] or match[3]}") if match else None


_TIMES = re.compile(r"(?<=\d)\s?x\s?(?=\d)")  # "5 x 4"
_VARIABLE = re.compile(
    r"\\?[A-Za-z][A-Za-z']{0,2}(?:_\{?\w{1,4}\}?)?\s?(?:\([^()=]{0,12}\))?|\\[A-Za-z]{2,8}"
)
_DERIVATIVE = re.compile(
    r"d[a-z]?\s?/\s?d[a-z](?:\s?\[[^\]=]{1,40}\])?|\\frac\s?\{d[a-z]?\}\s?\{d[a-z]\}|[a-z]'(?:\([a-z]\))?"
)
_VARIABLES = re.compile(r"\(\s*[A-Za-z]\w?(?:\s*,\s*[A-Za-z]\w?){1,5}\s*\)")
_RELATION = re.compile(r"(?<![<>!=:\\])=(?!=)|≈|∈|\\approx(?![a-z])|\\in(?![a-z])")
_INEQUALITY = re.compile(r"[<>≤≥≠](?!=)|[<>!]=|==")


LONGEST_JSON: Final = 32_000


def json_form(stated: str) -> Form | None:
    """Return the form of a JSON object, or of an array of objects; other arrays are plain lists.

    Long JSON is compared as it was written.
    """
    stated = stated.strip()
    if stated[:1] not in ("{", "[") or stated[-1:] not in ("}", "]"):
        return None
    if len(stated) > LONGEST_JSON:
        return Form("json", stated) if is_json(stated) else None
    try:
        value = parse_json(stated)
        if isinstance(value, dict) or any(isinstance(item, dict) for item in value):
            return Form("json", canonical_json(value))
    except ValueError:
        pass
    return None
