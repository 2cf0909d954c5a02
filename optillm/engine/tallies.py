"""Usage that counts one choice where several were written: noticed by the words of the others, and mended.

llama.cpp's server reports the tokens of the first of `n` choices. Honest usage is not to be touched: few tokenizers
have tokens for more than one word, so that a text has about as many tokens as words at least, and mostly more.
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
"""Tokens that a word takes at least, on average over a text."""
MOST_IN_TOKEN: Final = 4
"""Characters of such scripts that are in a token at most, on average over a text."""
PER_TOKEN: Final = 4
"""Characters that a token has, where nothing better is known."""


def of_all_choices(usage: Usage | None, texts: Sequence[str]) -> Usage | None:
    """The usage of a reply whose choices say these texts; estimated if the upstream cannot have counted all of them."""
    if usage is None or len(texts) < 2 or usage.completion_tokens >= sum(map(_fewest_tokens, texts)):
        return usage
    counted = len(texts[0]) if usage.completion_tokens else 0
    rate = usage.completion_tokens / counted if counted else 1 / PER_TOKEN
    others = round(rate * (sum(map(len, texts)) - counted))
    return replace(usage, completion_tokens=usage.completion_tokens + others, estimated=True)


def _fewest_tokens(text: str) -> float:
    """The tokens that a text has at least."""
    return max(FEWEST_PER_WORD * len(text.split()), len(_UNSPACED.findall(text)) / MOST_IN_TOKEN)
