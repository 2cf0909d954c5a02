"""Correct usage that counts only the first of several choices.

The length of their texts shows it. llama.cpp's server reports the tokens of the first of `n` choices. Correct usage
must not be changed: few tokenizers have tokens for more than one word, so a text has at least about as many tokens as
words, and mostly more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from optillm.chat import Usage

_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Characters of scripts without spaces: Japanese and Chinese."""
FEWEST_PER_WORD: Final = 0.8
"""The fewest tokens that a word takes, on average over a text."""
MOST_IN_TOKEN: Final = 4
"""The most characters of such scripts that a token has, on average over a text."""
PER_TOKEN: Final = 4
"""Characters that a token is taken to have when the reported usage does not show it."""


def of_all_choices(usage: Usage | None, texts: Sequence[str]) -> Usage | None:
    """Return the usage of a reply with these texts as choices.

    It is estimated if it cannot have counted all of them.
    """
    if usage is None or len(texts) < 2 or usage.completion_tokens >= sum(map(_fewest_tokens, texts)):
        return usage
    counted = len(texts[0]) if usage.completion_tokens else 0
    rate = usage.completion_tokens / counted if counted else 1 / PER_TOKEN
    others = round(rate * (sum(map(len, texts)) - counted))
    return replace(usage, completion_tokens=usage.completion_tokens + others, estimated=True)


def _fewest_tokens(text: str) -> float:
    """Return the fewest tokens that a text can have."""
    return max(FEWEST_PER_WORD * len(text.split()), len(_UNSPACED.findall(text)) / MOST_IN_TOKEN)
