"""Canonical forms: one answer, one value, however it was written.

`form` tries the kinds from the most to the least specific; what nothing more specific claims is a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from optillm.toolkit.dates import iso_date
from optillm.toolkit.jsontext import canonical_json, is_json, parse_json
from optillm.toolkit.lists import bare_items, bracketed, letters, matrix_rows
from optillm.toolkit.quantities import quantity
from optillm.toolkit.questions import NO_QUESTION, Question
from optillm.toolkit.typography import delatex, peel, plain
from optillm.toolkit.vocabulary import FUNCTIONS, SHORT_WORDS

Kind = Literal[
    "number", "choice", "truth", "date", "collection", "json", "code", "tools", "expression", "text"
]  # fmt: skip
MAX_STATED = 500


class Form(NamedTuple):
    """The kind of an answer, its canonical value, and the unit it was stated in."""

    kind: Kind
    value: str
    unit: str | None = None


def form(stated: str, question: Question = NO_QUESTION) -> Form:
    """The canonical form of a stated answer; `question` supplies the options and whether percents are asked."""
    found = json_form(stated)
    if found:
        return found
    if len(stated) > MAX_STATED:
        return Form("text", " ".join(stated.casefold().split()))
    text = cleaned(stated)
    listed = question.options
    found = (_choice(text, listed) if listed else None) or _specific(text)
    if found and found.kind == "number" and question.asks_for_percentage:
        found = _as_percentage(found, text)
    return found or Form("text", _text(text))


_HALF_BOLD = re.compile(r"(?<![\w)\]}])\*\*|\*\*(?![\w(\[{*])")  # not the power of "2**3"


def cleaned(stated: str) -> str:
    """A stated answer as plain characters, without its wrapping."""
    return peel(_HALF_BOLD.sub("", peel(delatex(peel(plain(stated))))))


def _specific(text: str, depth: int = 0) -> Form | None:
    """The form of any kind but a choice and a text."""
    for reader in (_truth, _date, _number):
        if found := reader(text):
            return found
    if depth < 3:
        for nested in (_collection, _equation):
            if found := nested(text, depth + 1):
                return found
    if is_expression(text):
        return Form("expression", _expression(text))
    if depth < 3 and (head := _head(text)) is not None:
        return _specific(peel(head), depth + 1)
    return None


_TRUTH = re.compile(r"(yes|no|true|false)(?:\s*[,.;:!—–]|\s+[-—–(]|\s+because\b|$)", re.IGNORECASE)


def _truth(text: str) -> Form | None:
    match = _TRUTH.match(text)
    return Form("truth", str(match[1].casefold() in ("yes", "true")).casefold()) if match else None


def _date(text: str) -> Form | None:
    found = iso_date(text)
    return Form("date", found) if found else None


_GLOSS = re.compile(r"\s\([A-Za-z]{2}[A-Za-z ,'-]*\)$")  # "42 (forty-two)", not "2 (x+1)"


def _number(text: str) -> Form | None:
    found = quantity(text) or quantity(_GLOSS.sub("", text))
    return Form("number", str(found.value), found.unit) if found else None


def _as_percentage(found: Form, text: str) -> Form:
    """25 for 25% where a percentage is asked; a number up to one is taken for the fraction it is."""
    value = Fraction(found.value)
    if found.unit is None and abs(value) > 1 and "%" not in text and "cent" not in text.casefold():
        return found._replace(value=str(value / 100))
    return found


_CHOICE = re.compile(
    r"(?:(?:the\s)?(?:correct\s)?(?:option|choice|answer|letter)\s(?:is\s)?)?[(\[]?\**([A-Za-z])\**([)\].:]+)?\**(.*)",
    re.IGNORECASE | re.DOTALL,
)
_AFTER_CHOICE = re.compile(
    r"\s*[,;]|\s+[-–—(]|\s+(?:because|is (?:the )?(?:correct|right|best|answer))\b", re.IGNORECASE
)


def _choice(text: str, listed: Mapping[str, str]) -> Form | None:
    """The option of the question that `text` names, by its letter or by what the option says."""
    several = letters(text)
    if several and set(several) <= listed.keys():
        return Form("collection", "{" + "; ".join(sorted(set(several))) + "}")
    if match := _CHOICE.fullmatch(text):
        label, mark, rest = match[1].upper(), match[2], match[3]
        named = not rest.strip() or mark or _AFTER_CHOICE.match(rest)
        if label in listed and (named or _same(rest, listed[label])):
            return Form("choice", label)
    said = [label for label, option in listed.items() if _same(text, option)]
    return Form("choice", said[0]) if len(said) == 1 else None


def _same(text: str, option: str) -> bool:
    left, right = cleaned(text), cleaned(option[:MAX_STATED])
    one, other = (_specific(side) or Form("text", _text(side)) for side in (left, right))
    units_differ = one.unit is not None and other.unit is not None and one.unit != other.unit
    return bool(one.value) and one[:2] == other[:2] and not units_differ


def _collection(text: str, depth: int) -> Form | None:
    """A tuple, list, set, interval, vector or matrix; order matters in all of them but the set."""
    if rows := matrix_rows(text):
        if len(rows) == 1 or all(len(row) == 1 for row in rows):
            return _joined("(", [item for row in rows for item in row], ")", depth)
        return _joined("(", [f"({', '.join(row)})" for row in rows], ")", depth)
    if found := bracketed(text):
        opening, items, closing = found
        if len(items) == 1:
            return _specific(items[0], depth) or Form("text", _text(items[0]))
        return _joined(opening, items, closing, depth)
    if found := bare_items(text):
        return _joined(*found, depth)
    return None


def _joined(opening: str, items: list[str], closing: str, depth: int) -> Form:
    forms = [_specific(cleaned(item), depth) or Form("text", _text(cleaned(item))) for item in items]
    values = [item.value for item in forms]
    if opening == "{":
        values = sorted(set(values))
    elif (opening, closing) == ("[", "]") and (
        len(items) != 2 or any(item.kind in ("text", "collection") for item in forms)
    ):
        # Two numbers in square brackets are a closed interval, anything else a list, which is a tuple.
        opening, closing = "(", ")"
        values = [f"({value[1:-1]})" if value.startswith("[") else value for value in values]
    return Form("collection", f"{opening}{'; '.join(values)}{closing}")


_VARIABLE = re.compile(r"\\?[A-Za-z][A-Za-z']{0,12}(?:_\{?\w{1,4}\}?)?\s?(?:\([^()=]{0,12}\))?")
_WORDS_ONLY = re.compile(r"[A-Za-z][A-Za-z ']*")
_RELATION = re.compile(r"(?<![<>!=:\\])=(?!=)|≈|∈|\\approx(?![a-z])|\\in(?![a-z])")


def _equation(text: str, depth: int) -> Form | None:
    """What stands on the right of "x =", "the total =" or "6 × 7 ="; a true equation stays an expression."""
    relations = list(_RELATION.finditer(text))
    if not relations:
        return None
    left, right = text[: relations[-1].start()].strip(), text[relations[-1].end() :].strip()
    named = _VARIABLE.fullmatch(left) or _WORDS_ONLY.fullmatch(left)
    if not right or not (
        named or len(relations) > 1 or not re.search("[A-Za-z]", re.sub(r"\\[a-z]+", "", left))
    ):
        return None
    return _specific(peel(right), depth)


_COMMAND = re.compile(r"\\[A-Za-z]+")
_RUN = re.compile(r"[A-Za-z]{2,}")
_OPERATOR = re.compile(r"[\\^+*/=<>√π≤≥!|()-]|\d[A-Za-z]\b")


def is_expression(text: str) -> bool:
    """Whether `text` is algebra: operators and at most single-letter names, functions aside."""
    if not _OPERATOR.search(text) or not re.search(r"[A-Za-z0-9π]", text):
        return False
    runs = _RUN.findall(_COMMAND.sub(" ", text))
    return not any((len(run) > 2 or run.casefold() in SHORT_WORDS) and run not in FUNCTIONS for run in runs)


def _expression(text: str) -> str:
    """The source with only the blanks that end a LaTeX command."""
    text = re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\0", text)
    return "".join(text.split()).replace("\0", " ")


_SENTENCE_END = re.compile(r"[.!?](?=\s)|,?\s(?=(?:because|since|but|which|where|so)\b)", re.IGNORECASE)


def _head(text: str) -> str | None:
    """What comes before the first full stop or explaining clause; `None` when `text` is all one piece."""
    end = _SENTENCE_END.search(text)
    return text[: end.start()] if end and end.start() > 0 else None


_ARTICLE = re.compile(r"(?:a|an|the)\s+(?=\S)")
_PUNCTUATION = " \t\n.,;:!?\"'`*_~()[]{}<>#-–—"


def _text(text: str) -> str:
    """A short text without case, articles and surrounding punctuation."""
    folded = " ".join(plain(text).replace("**", "").casefold().split())
    trimmed = _ARTICLE.sub("", folded.strip(_PUNCTUATION), count=1)
    return trimmed or folded


LONGEST_JSON: Final = 32_000


def json_form(stated: str) -> Form | None:
    """The form of a JSON object, or of an array that holds one; bare arrays are lists like any other.

    What is long is compared as it was written.
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
