"""Read plain expressions: "What is 17 * 23 + 4?", "15 plus 3 times 4", "25% of 80"."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from optillm_simulator.skills.language import number, words
from optillm_simulator.skills.sums import Op, Sheet, Sum, Term
from optillm_simulator.vocabulary import vocabulary

_SIGNS: dict[str, str] = {
    "+": "+", "plus": "+", "-": "-", "−": "-", "–": "-", "minus": "-",
    "*": "*", "×": "*", "·": "*", "x": "*", "times": "*",
    "/": "/", "÷": "/", "over": "/", "(": "(", ")": ")",
}  # fmt: skip
_PRECEDENCE: dict[str, int] = {"+": 1, "-": 1, "*": 2, "/": 2}
_OPS: dict[str, Op] = {"+": "+", "-": "-", "*": "*", "/": "/"}
_POLITE = vocabulary(
    "what what's whats is are the value of result calculate compute evaluate solve simplify find work out how"
    " much does do equal equals give tell me please can could you expression following sum product difference"
    " quotient add multiply divide"
    " between hi hello so thanks answer to question for = ? . ! : , $ \\ ` ' \""
)
_NAMED: dict[str, str] = {"sum": "+", "product": "*", "difference": "-", "quotient": "/"}
_NAMED |= {"add": "+", "multiply": "*", "divide": "/"}
_MAX_PIECES = 60


def read_expression(sentence: str) -> Sum | None:
    """Return the sum in a sentence that holds only one expression and polite words around it."""
    pieces = _pieces([word.text for word in words(sentence)])
    if pieces is None or len(pieces) > _MAX_PIECES or not any(piece in _PRECEDENCE for piece in pieces):
        return None
    sheet = Sheet()
    parser = _Parser(pieces, sheet)
    wanted = parser.expression(0)
    if wanted is None or parser.at != len(pieces):
        return None
    return sheet.finish(wanted)


def _pieces(words: Sequence[str]) -> list[str] | None:
    """Return numbers and signs; `None` if a word belongs to neither the expression nor the question."""
    pieces: list[str] = []
    named = next((_NAMED[word] for word in words if word in _NAMED), None)
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        if number(word) is not None:
            pieces.append(word)
        elif word == "percent":  # "15% of 80": so many hundredths times what follows
            pieces += ["/", "100"] + (["*"] if words[index + 1 : index + 2] == ["of"] else [])
        elif word in _SIGNS:
            pieces.append(_SIGNS[word])
        elif word in ("and", "by") and named and pieces:  # "the product of 6 and 7", "divide 12 by 4"
            pieces.append(named)
        elif word in ("multiplied", "divided"):
            pieces.append("*" if word == "multiplied" else "/")
        elif word not in _POLITE and not (word == "by" and before in ("multiplied", "divided")):
            return None
    return pieces


class _Parser:
    """Precedence climbing over the pieces; each operation becomes a step on the sheet."""

    def __init__(self, pieces: Sequence[str], sheet: Sheet) -> None:
        self.pieces = pieces
        self.sheet = sheet
        self.at = 0

    def expression(self, floor: int) -> Term | None:
        left = self.operand()
        while left is not None and self.at < len(self.pieces):
            sign = self.pieces[self.at]
            if _PRECEDENCE.get(sign, 0) <= floor:
                break
            self.at += 1
            right = self.expression(_PRECEDENCE[sign])
            if right is None:
                return None
            left = self.sheet.do(_OPS[sign], left, right)
        return left

    def operand(self) -> Term | None:
        if self.at >= len(self.pieces):
            return None
        piece = self.pieces[self.at]
        self.at += 1
        if piece == "(":
            inner = self.expression(0)
            if inner is None or self.pieces[self.at : self.at + 1] != [")"]:
                return None
            self.at += 1
            return inner
        if piece == "-":
            negated = self.operand()
            if isinstance(negated, Fraction):
                return -negated
            return None if negated is None else self.sheet.do("-", Fraction(0), negated)
        return number(piece)
