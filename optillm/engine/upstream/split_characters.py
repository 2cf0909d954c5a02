"""Put characters together that servers cut in two: UTF-16 pairs, and bytes of UTF-8.

Python keeps both as surrogates: a half as it is, a byte as `surrogateescape` has it. Neither may leave the process.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_HALVES: Final = re.compile("[\ud800-\udfff]")
_NOT_BYTES: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_BEGUN: Final = re.compile("(?:[\ud800-\udbff]|(?<![\ud800-\udbff])[\udcc2-\udcf4][\udc80-\udcbf]{0,2})\\Z")
"""The beginning of a character; a low surrogate that completes a pair is not taken for a byte."""


def mended(text: str) -> str:
    """Return the text with halves joined where they meet.

    One that stays alone becomes a replacement character.
    """
    if text.isascii() or not _HALVES.search(text):
        return text
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _NOT_BYTES.sub("?", joined).encode("utf-8", "surrogateescape").decode(errors="replace")


def read_cut(content: bytes) -> Any:
    """Read JSON that the strict reader refuses, and keep the halves of characters.

    It may have infinities and a byte order mark, too. Raises `ValueError` or `RecursionError` where it is no JSON at
    all.
    """
    return json.loads(content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape"))


def all_mended(value: Any) -> Any:
    """A JSON value with every text in it mended."""
    return json.loads(mended(json.dumps(value, ensure_ascii=False)))


class HalfKeeper:
    """Takes text in pieces.

    The beginning of a character that ends one piece goes before the next.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Take in a piece; what of it is whole."""
        if self._half:
            text, self._half = self._half + text, ""
        if text.isascii():
            return text
        begun = _BEGUN.search(text)
        if begun is not None:
            text, self._half = text[: begun.start()], begun[0]
        return mended(text)

    def end(self) -> str:
        """What is left when nothing follows."""
        half, self._half = self._half, ""
        return mended(half)
