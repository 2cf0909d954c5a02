"""Tokens by a simple rule: a run of letters and digits is one, and so is any other visible character.

White space belongs to the token after it, so that joining a text's tokens gives the text back.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from typing import Any

from optillm_simulator.vocabulary import in_order

_TOKEN = re.compile(r"\s*+(?:\w+|[^\w\s])|\s++")
_VISIBLE = re.compile(r"\w+|[^\w\s]")
_PER_MESSAGE = 4
_COMMON = in_order(
    "the a of to and so then that is it we this now thus which here one what there if as let in for on with"
)


def split(text: str) -> list[str]:
    """Return the tokens of a text."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Return the number of tokens in a text."""
    return sum(1 for _ in _VISIBLE.finditer(text))


def count_prompt(texts: Sequence[str]) -> int:
    """Return the number of tokens in a conversation: those of its texts, plus four per message."""
    return sum(_PER_MESSAGE + count(text) for text in texts)


def logprobs(tokens: Sequence[str], top: int, rng: random.Random) -> dict[str, Any]:
    """Return plausible log probabilities with `top` alternatives per token.

    The token that was chosen is always the likeliest.
    """
    return {"content": [_logprob(token, top, rng) for token in tokens], "refusal": None}


def _logprob(token: str, top: int, rng: random.Random) -> dict[str, Any]:
    chosen = rng.uniform(0.55, 0.999)
    ranked = [_entry(token, math.log(chosen))]
    left = 1 - chosen
    for alternative in _alternatives(token, top - 1):
        left /= 2
        ranked.append(_entry(alternative, math.log(left)))
    return ranked[0] | {"top_logprobs": ranked[:top]}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _alternatives(token: str, wanted: int) -> list[str]:
    """Return what might have stood in the token's place: close numbers, other letters, common words."""
    word = token.lstrip()
    space = token[: len(token) - len(word)]
    if word.isdecimal() and len(word) < 9:
        close_numbers = (int(word) + gap for size in range(1, wanted + 1) for gap in (-size, size))
        others = [str(value) for value in close_numbers if value >= 0]
    elif len(word) == 1 and "A" <= word <= "Z":
        others = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter != word]
    else:
        others = [other for other in _COMMON if other != word]
    return [space + other for other in others[: max(wanted, 0)]]
