"""Find the option of a question that an answer names: by its letter, its number or its text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optillm.toolkit.answers.forms import MAX_STATED, Form, cleaned, form
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.texts import text_key
from optillm.toolkit.answers.vocabulary import LIMITING

_LABELLED = re.compile(
    r"(?:(?:the\s)?(?:correct\s)?(?:option|choice|answer|letter)s?\s(?:is\s)?)?"
    r"[(\[]?\**(?P<label>[A-Za-z]|\d{1,2})\**(?P<mark>[)\].:]+)?\**(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_SEPARATOR = re.compile(r"\s*[-–—:=,;(]\s*|\s+")
_CONFIRMED = re.compile(
    r"(?:is|must be|as|being)?\s?(?:the\s)?(?:only\s)?(?:correct|right|best|true)(?:\s(?:answer|option|choice|one))?"
    r"|(?:is|must be)\sthe\sanswer",
    re.IGNORECASE,
)
_ALL_RIGHT = re.compile(
    r"\s+are\s+(?:the\s)?(?:correct|true|right)(?:\s(?:ones|answers|options|choices|statements))?$"
)
_EXPLAINED = re.compile(r"\s*[,;]?\s*(?:\(?because\b|since\s\D|[,;]\s*(?:as|so|which)\b)", re.IGNORECASE)
_NEXT_SENTENCE = re.compile(r"\s+([A-Z][\w']*)(?:\s+\S+){2,}", re.DOTALL)
_JOINED = re.compile(r"\s*(?:,\s*(?:and\s)?|;\s*|\b(?:and|und|et|y|e|en|и)\b|[&、和与と]|\n)\s*(?:[-*•]\s+)?")


def choice(stated: str, question: Question) -> Form | None:
    """Return the option that a statement consists of, or the set of options; `None` for anything else."""
    listed = question.options
    if not listed or len(stated) > MAX_STATED:
        return None
    text = cleaned(stated)
    lines = [line for line in stated.splitlines() if line.strip()]
    if len(lines) < 2 and (label := _label(text, question)):
        return Form("choice", label)
    bare = re.sub(r"^(?:both|options?|choices?|answers?|statements?)\s+", "", text, flags=re.IGNORECASE)
    bare = _ALL_RIGHT.sub("", bare)
    parts = [part for part in _JOINED.split(re.sub(r"^[-*•]\s+", "", bare)) if part]
    labels = [_label(part, question) for part in parts]
    if len(labels) > 1 and all(labels):
        return _several([label for label in labels if label])
    run = re.fullmatch(r"[A-Z]{2,8}", text)
    if run and sorted(set(text)) == list(text) and set(text) <= listed.keys():
        return _several(list(text))  # "BC"
    return None


def _several(labels: list[str]) -> Form:
    distinct = sorted(set(labels))
    if len(distinct) == 1:
        return Form("choice", distinct[0])
    return Form("collection", "{" + "; ".join(distinct) + "}")


def _label(text: str, question: Question) -> str | None:
    """Return the label of the one option that `text` is."""
    listed = question.options
    labels_with_text = [label for label, option in listed.items() if _same(text, option)]
    match = _LABELLED.fullmatch(text)
    label = match["label"].upper() if match else ""
    if match and label in listed:
        rest = match["rest"]
        if rest.strip(" *.)]"):
            others = [option for other, option in listed.items() if other != label]
            if _confirms(rest, listed[label], others, marked=bool(match["mark"])):
                return label
        elif labels_with_text in ([], [label]) or len(text) > len(label):
            return label
        else:
            return None  # "2" where option 3 says "2"
    return labels_with_text[0] if len(labels_with_text) == 1 else None


def _confirms(rest: str, option: str, others: Sequence[str], *, marked: bool) -> bool:
    """Return whether what follows a label says which option it is, that it is right, or why."""
    separator = _SEPARATOR.match(rest)
    content = rest[separator.end() if separator else 0 :].strip(" *")
    content = content[:-1] if content.endswith(")") and "(" not in content else content
    if _same(content, option):
        return marked or separator is not None
    if any(_same(content, other) for other in others):
        return False
    if _EXPLAINED.match(rest) and not re.match(r"\s*\(?(?:but|only|if|unless)\b", rest, re.IGNORECASE):
        return True
    if marked and (sentence := _NEXT_SENTENCE.fullmatch(rest)):
        return sentence[1].casefold() not in LIMITING and not _names_another(rest, option, others)
    confirmed = _CONFIRMED.fullmatch(content.rstrip(". ")) is not None
    return confirmed and (marked or separator is not None)


_DENIED = re.compile(
    r"^\W*(?:is|was|are|were|cannot|can't)\b[^.]{0,40}\b(?:wrong|incorrect|mistake|misconception|until)\b"
)
_LETTERED = re.compile(r"(?:^|[\s(])[A-Z]\)")


def _names_another(rest: str, option: str, others: Sequence[str]) -> bool:
    """Return whether what follows a label has another label, or two options' texts: "Whale and C) Bat"."""
    own, text = option.casefold(), rest.casefold()
    if _LETTERED.search(rest):
        return True
    text = text.replace(own, " ") if own in text else ""
    if _DENIED.search(text):
        return True
    return any(len(other) > 2 and other.casefold() in text for other in others)


def _same(text: str, option: str) -> bool:
    if not text.strip() or not option.strip():
        return False
    left, right = form(text), form(option[:MAX_STATED])
    if left.kind == right.kind == "text":
        return text_key(cleaned(text)).casefold() == text_key(cleaned(option[:MAX_STATED])).casefold()
    units_differ = left.unit is not None and right.unit is not None and left.unit != right.unit
    return left[:2] == right[:2] and not units_differ
