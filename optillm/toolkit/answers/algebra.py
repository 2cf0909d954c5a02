"""Algebra in an answer: what counts as an expression, and its source in one spelling."""

from __future__ import annotations

import re

from optillm.toolkit.answers.vocabulary import FUNCTIONS, SHORT_WORDS

_COMMAND = re.compile(r"\\[A-Za-z]+")
_RUN = re.compile(r"[A-Za-z]{2,}")
GROWTH = re.compile(r"(?:\\mathcal\s?\{)?(\\?(?:O|o|Θ|Ω|Theta|Omega))\}?\s?\((.{1,40})\)")


def growth_of(argument: str) -> str:
    """Return the argument of an order of growth in one spelling: "n log n"."""
    text = argument.replace("\\", "").replace("·", "").replace("cdot", "").replace("*", "")
    return "".join(re.sub(r"log\s?\(([a-z])\)", r"log\1", text).split())


_FOREIGN_RUN = re.compile(r"[^\W\d_A-Za-z\u0370-\u03ff]{2,}")
_ION = re.compile(r"(?:[A-Z][a-z]?_?\d{0,2})+\^\{?\d?[+-]\}?")
_OPERATOR = re.compile(r"[\\^+*/=<>√π≤≥≠±!|()-]|\d[A-Za-z]\b")
_FORMULA = re.compile(
    r"(?<![A-Za-z\\])[A-Za-z]{1,3}\d"
)  # "H2O", "x2": a name or a formula of chemistry, no product


def is_expression(text: str) -> bool:
    """Return whether `text` is algebra: operators and at most single-letter names, functions aside."""
    if not _OPERATOR.search(text) or not re.search(r"[A-Za-z0-9π]", text):
        return False
    if (text[-1] in "+-" and len(text) > 1) or _ION.fullmatch(text) or _FOREIGN_RUN.search(text):
        return False  # "Fe3+", "A-"
    bare = _COMMAND.sub(" ", text)
    runs = _RUN.findall(bare)
    if any((len(run) > 2 or run.casefold() in SHORT_WORDS) and run not in FUNCTIONS for run in runs):
        return False
    return all(match[0][:-1] in FUNCTIONS for match in _FORMULA.finditer(bare))


def expression_source(text: str) -> str:
    """Return the source with only the blanks that end a LaTeX command, inequalities from small to large."""
    text = re.sub(
        r"(\\[A-Za-z]+)\s+(?=[A-Za-z])|(?<=\d)\s+(?=\d)|(?<=_\w)\s+(?=\w)",
        lambda match: (match[1] or "") + "\0",
        text,
    )
    text = "".join(text.split()).replace("\0", " ").replace(">=", "≥").replace("<=", "≤").replace("!=", "≠")
    if re.search("[>≥]", text) and not re.search("[<≤≠=]", text):
        pieces = re.split("([>≥])", text)
        text = "".join({">": "<", "≥": "≤"}.get(piece, piece) for piece in reversed(pieces))
    return text
