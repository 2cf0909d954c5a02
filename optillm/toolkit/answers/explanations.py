"""The clause that explains an answer, and the one that changes it."""

from __future__ import annotations

import re

from optillm.toolkit.answers.extraction import sentences
from optillm.toolkit.answers.quantities import quantity, same_amount
from optillm.toolkit.answers.typography import peel
from optillm.toolkit.answers.vocabulary import LIMITING

_WORD = re.compile(r"[^\W_][\w'.-]*(?<![.'-])|[^\W_]")


def limits_answer(sentence: str) -> bool:
    """Return whether a sentence changes or limits the one before it."""
    words = _WORD.findall(sentence)
    return bool(words) and words[0].casefold() in LIMITING


EXPLANATION = re.compile(
    r"(?:,?\s(?=because\b)|,\s(?=(?:as(?!\s(?:long|far|soon|if)\b)|so(?!\slong\b)|which|where|hence|thus|therefore|meaning"
    r"|also known|also called|officially|formerly)\b)|,?\s(?=since\s(?!\d{4}\b)))"
    r"(?:\w+\s){1,2}\S",
    re.IGNORECASE,
)


def head_of(text: str) -> str | None:
    """Return what precedes the first full stop or explaining clause; `None` if nothing may be cut.

    A sentence that limits or takes back the first one is part of the answer.
    """
    explanation = EXPLANATION.search(text)
    pieces = sentences(text)
    end = len(pieces[0]) if len(pieces) > 1 else len(text)
    if explanation and 0 < explanation.start() < end:
        head = text[: explanation.start()]
        return None if _gives_another(head, text[explanation.start() : end]) else head
    if end == len(text) or limits_answer(pieces[1]):
        return None
    if text[end - 1] == "!":  # no factorial, if a sentence ends there
        return None if pieces[1][:1].islower() else text[: end - 1]
    return text[:end]


def unexplained(text: str) -> str:
    """Return a text without the clause that explains it, unless that gives another amount."""
    explanation = EXPLANATION.search(text)
    if explanation is None or not explanation.start():
        return text
    head = text[: explanation.start()]
    return text if _gives_another(head, text[explanation.start() :]) else head


_CONVERTED = re.compile(r",?\swhich\s(?:is|equals|makes|gives|means)\s(?:about\s)?(?P<amount>[\d$€£][^,;]*)")
_LAST_AMOUNT = re.compile(r"[$€£]?\d[\d.,]*(?:\s[^\d\s]+){0,3}$")


def _gives_another(head: str, explanation: str) -> bool:
    """Return whether an explanation of an amount gives another one: "300 cm, which is 30 m"."""
    converted = _CONVERTED.match(explanation)
    amount = quantity(peel(converted["amount"])) if converted else None
    last = _LAST_AMOUNT.search(head) if amount else None
    stated = quantity(peel(last[0])) if last else None
    return amount is not None and stated is not None and not same_amount(stated, amount)
