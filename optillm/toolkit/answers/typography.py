"""Remove the typography of an answer: unusual digits and signs, LaTeX spacing, emphasis, quotes.

Every function here costs time linear in its text.
"""

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_VULGAR_AFTER_DIGIT = re.compile("(?<=\\d)(?=[¼½¾⅐-⅞])")
_THIN_THOUSANDS = re.compile("(?<=\\d)[\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_DASH_AS_SIGN = re.compile("(?<![^\\s(\\[{,=$€£])[‒–](?=[\\d.])")
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_SIGNS = str.maketrans({"−": "-", "⁄": "/", "’": "'", "‘": "'", "“": '"', "”": '"', "\u200b": None})


def plain(text: str) -> str:
    """Return `text` with the digits, signs, spaces and quotes of any script as ASCII.

    A superscript becomes `^` and its digits before compatibility folding can glue it to its base, and a vulgar
    fraction keeps its distance from the integer in front of it.
    """
    if text.isascii():
        return text
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^" + run[0].translate(_SUPERSCRIPTS), text)
    text = _VULGAR_AFTER_DIGIT.sub(" ", text)
    text = _THIN_THOUSANDS.sub("", text)
    text = _DASH_AS_SIGN.sub("-", text)
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)


_DIGIT_SPACING = re.compile(r"(?<=\d)(?:\{,\}|\\[,!]|,\\!)(?=\d{3}(?!\d))")
_WORDS = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt|bb)|mbox|operatorname)\s?\{([^{}]*)\}"
)
_SIZES = re.compile(r"\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z])")
_SPACES = re.compile(r"(?<!\\)\\(?:[,;: ]|quad|qquad)|(?<=\S)~(?=\S)")
_DEGREE = re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")


def delatex(text: str) -> str:
    """Return `text` without the LaTeX that only concerns layout: spacing, sizes, upright text, escapes."""
    if not any(mark in text for mark in ("\\", "~", "{,}")):
        return text
    text = _DIGIT_SPACING.sub("", text)
    text = _WORDS.sub(r" \1", text)
    text = _SIZES.sub("", text)
    text = _SPACES.sub(" ", text).replace("\\!", "")
    text = _DEGREE.sub("°", text)
    text = _FRACTIONS.sub(r"\\frac", text)
    return text.replace("\\%", "%").replace("\\$", "$").strip()


_PAIRS = (
    ("**", "**"),
    ("__", "__"),
    ("~~", "~~"),
    ("*", "*"),
    ("_", "_"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
)
_WRAPPER = re.compile(r"\\(?:boxed|fbox|text(?:bf|it|rm)?|math(?:rm|bf)|mbox)\s?\{")


_LONGEST_PEELED = 1_000  # each layer costs a pass over the text


def peel(text: str) -> str:
    """Return `text` without closing punctuation and what wraps all of it: emphasis, quotes, math, boxes.

    Texts longer than a thousand characters are left alone: no answer is that long.
    """
    if len(text) > _LONGEST_PEELED:
        return text.strip()
    while True:
        shorter = _peel_once(text.strip())
        if shorter == text:
            return text
        text = shorter


def _peel_once(text: str) -> str:
    if not text.endswith("..."):
        text = text.rstrip(".,;:") if not text.endswith(("\\,", "\\;", "\\:")) else text[:-2]
    text = text.lstrip(":")
    if not text or (text[0].isalnum() and text[-1].isalnum()):
        return text  # the usual case: nothing wraps it
    for opening, closing in _PAIRS:
        if text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : -len(closing)]
            if inner and opening not in inner:
                return inner
    wrapper = _WRAPPER.match(text)
    if wrapper and closing_brace(text, wrapper.end() - 1) == len(text) - 1:
        return text[wrapper.end() : -1]
    # Cutting a statement out of its line leaves one half of an emphasis behind.
    for mark in ("**", "__", "`"):
        text = text.removeprefix(mark).removesuffix(mark)
    return text


def closing_brace(text: str, opening: int) -> int:
    """Return where the brace, bracket or parenthesis at `opening` closes; -1 if it does not."""
    left = text[opening]
    right = {"{": "}", "(": ")", "[": "]"}[left]
    depth = 0
    for at in range(opening, len(text)):
        if text[at] in "{}" and at and text[at - 1] == "\\":
            continue
        if text[at] == left:
            depth += 1
        elif text[at] == right:
            depth -= 1
            if depth == 0:
                return at
    return -1
