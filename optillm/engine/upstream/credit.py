"""Distinguish an account that has used up its credit from one that has met a rate limit.

Vendors report both with status 429, often in nearly the same words. Waiting helps only against a rate limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_CODES: Final = re.compile(
    r"insufficient (account )?(quota|balance|credits?|funds?)|not enough (balance|credits?)|exceeded current quota"
    r"|billing (hard limit|not active|limit|quota)|(credits?|budget|spend(ing)?) (limit )?(exceeded|exhausted|reached)"
    r"|(out of|no) credits?|payment required|arrear(s|age)?|account overdue"
)
"""Error codes and types of vendors, with spaces between their words."""
_WORDS: Final = re.compile(
    r"insufficient (account |remaining )?(quota|balance|credits?|funds?)"
    r"|not enough (account )?(balance|credits?|funds?)"
    r"|exceeded (your|the) current (token )?quota"
    r"|balance (is |was )?(too low|insufficient|negative|exhausted|used up)|(negative|overdue) balance"
    r"|\b(exceeded|depleted|exhausted|reached|used (up )?all|used up|(ran|run) out of|out of|no)\b"
    r"[^.]{0,40}\b(credits?|spend(ing)? (limit|cap)|(billing|credit) (hard )?(limit|cap))\b"
    r"|\b(credits?|budget|(spend(ing)?|billing|credit) (hard )?(limit|cap))\b[^.]{0,20}"
    r"\b(exceeded|depleted|exhausted|reached|used up|run out|ran out)\b"
    r"|billing (is |account is )?not (yet )?active|payment (is )?required|unpaid|past invoices|\boverdue\b|\barrear"
    r"|欠费|余额不足|请充值"
)
_PACE: Final = re.compile(
    r"rate.?limit|per[ _-](second|minute|min|hour)\b|\b[rt]p[ms]\b|requests per|too many requests"
    r"|(retry|try again|wait)\b.{0,12}\b(in|after|for)?\b.{0,4}\d|slow down"
)
"""Phrases of rate limits, which may also mention credit when they advise paying for a higher limit."""
_BETWEEN_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")


def out_of_credit(message: str, codes: Iterable[str] = ()) -> bool:
    """Return whether an error says that there is no credit left, so that no retry can help.

    `codes` are the error's codes and types; they are decisive, whatever the message says.
    """
    if any(_CODES.search(_BETWEEN_WORDS.sub(" ", code).lower()) for code in codes):
        return True
    words = " ".join(message.lower().split())
    return _WORDS.search(words) is not None and _PACE.search(words) is None
