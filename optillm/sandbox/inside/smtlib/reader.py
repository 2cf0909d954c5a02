"""Read text as S-expressions and print them again.

z3's own tokenizer and any filter in front of it may differ over escapes, quotes and control characters. So the text
is read by stricter rules than either, into a tree, and z3 gets what `show` prints from that tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ..outcome import Failed, Refused

MAX_LENGTH: Final = 100_000
MAX_TOKENS: Final = 60_000
MAX_DEPTH: Final = 400
MAX_NUMERAL: Final = 10_000

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\n]+)
    |(?P<comment>;[^\n]*)
    |(?P<open>\()|(?P<close>\))
    |(?P<string>"(?:[^"]|"")*+")
    |(?P<quoted>\|[^|\\]*+\|)
    |(?P<decimal>[0-9]++\.[0-9]++(?![A-Za-z0-9_.]))
    |(?P<numeral>[0-9]++(?![A-Za-z0-9_.]))
    |(?P<binary>\#b[01]++|\#x[0-9a-fA-F]++)
    |(?P<keyword>:[A-Za-z0-9~!@$%^&*_\-+=<>.?/]++)
    |(?P<symbol>[A-Za-z~!@$%^&*_\-+=<>.?/][A-Za-z0-9~!@$%^&*_\-+=<>.?/]*+)""",
    re.VERBOSE,
)
_PRINTABLE: Final = re.compile(r"[ -~\n\t]*")
_ESCAPE: Final = re.compile(r"u\{[0-9a-fA-F]{1,5}\}|u[0-9a-fA-F]{4}")


@dataclass(slots=True)
class Atom:
    """A token that is not a bracket; `text` is already in the form that z3 will see."""

    kind: str
    text: str
    line: int


@dataclass(slots=True)
class SExpr:
    """A bracketed list and the line on which it starts."""

    line: int
    parts: list[Atom | SExpr] = field(default_factory=list)

    @property
    def head(self) -> str:
        """Return the symbol a command or application starts with; empty if it starts otherwise."""
        first = self.parts[0] if self.parts else None
        return first.text if isinstance(first, Atom) and first.kind == "symbol" else ""


Node = Atom | SExpr


def read(text: str) -> list[Node]:
    """Return the expressions of a text, in order.

    Raises `Failed` (syntax) or `Refused` with the line.
    """
    if len(text) > MAX_LENGTH:
        raise Refused(f"more than {MAX_LENGTH} characters of SMT-LIB")
    top: list[Node] = []
    open_lists: list[SExpr] = []
    for count, atom in enumerate(_atoms(text.replace("\r\n", "\n"))):
        if count >= MAX_TOKENS:
            raise Refused(f"more than {MAX_TOKENS} tokens", atom.line)
        if atom.kind == "open":
            if len(open_lists) >= MAX_DEPTH:
                raise Refused(f"nested deeper than {MAX_DEPTH}", atom.line)
            expr = SExpr(atom.line)
            (open_lists[-1].parts if open_lists else top).append(expr)
            open_lists.append(expr)
        elif atom.kind == "close":
            if not open_lists:
                raise _unreadable("a closing parenthesis too many", atom.line)
            open_lists.pop()
        else:
            (open_lists[-1].parts if open_lists else top).append(atom)
    if open_lists:
        raise _unreadable("an opening parenthesis is never closed", open_lists[-1].line)
    return top


def show(node: Node) -> str:
    """Return the one printed form of a tree: single spaces, no comments."""
    pieces: list[str] = []
    # A stack of our own, so that deep nesting cannot exhaust Python's.
    stack: list[Node | str] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, SExpr):
            stack.append(")")
            for index, part in enumerate(reversed(item.parts)):
                if index:
                    stack.append(" ")
                stack.append(part)
            stack.append("(")
        else:
            pieces.append(item if isinstance(item, str) else item.text)
    return "".join(pieces)


def inner_lists(node: Node) -> Iterator[SExpr]:
    """Yield every list within `node`, itself included."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, SExpr):
            yield item
            stack.extend(item.parts)


def _atoms(text: str) -> Iterator[Atom]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise _unreadable(f"unexpected {text[position : position + 12]!r}", line)
        kind, word = match.lastgroup or "", match.group()
        if kind not in {"space", "comment"}:
            yield Atom(kind, _clean(kind, word, line), line)
        line += word.count("\n")
        position = match.end()


def _clean(kind: str, word: str, line: int) -> str:
    if kind == "string":
        return '"' + _clean_string(word[1:-1], line) + '"'
    if kind == "quoted" and not _PRINTABLE.fullmatch(word):
        raise Refused("a quoted symbol with a character outside printable ASCII", line)
    if kind == "quoted":
        return word.replace("\n", " ").replace("\t", " ")
    if kind in {"numeral", "decimal"} and len(word) > MAX_NUMERAL:
        raise Refused(f"a number of more than {MAX_NUMERAL} digits", line)
    return word


def _clean_string(body: str, line: int) -> str:
    for piece in body.split("\\")[1:]:
        if not _ESCAPE.match(piece):
            raise Refused("a backslash in a string that is no \\u{...} escape", line)
    if any((ord(c) < 32 and c not in "\n\t") or ord(c) == 127 for c in body):
        raise Refused("a control character in a string", line)
    return "".join(c if " " <= c <= "~" else f"\\u{{{ord(c):x}}}" for c in body)


def _unreadable(message: str, line: int) -> Failed:
    return Failed("syntax", "SmtSyntaxError", message, line)
