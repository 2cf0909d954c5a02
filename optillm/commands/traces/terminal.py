"""Text for a terminal: in boxes and colours where `rich` is installed, else plain.

What models wrote may try to control the terminal or to reorder what is read. Whatever is shown goes through `safe` or
`paragraphs`, which escape unprintable characters.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, NamedTuple

from optillm.logs import printable

NARROWEST: Final = 60
FRAME: Final = 4
"""Columns that a box takes of the terminal's width."""
WIDE: Final = ("W", "F")
"""Unicode's widths of characters that take two columns."""


class Piece(NamedTuple):
    """A part of a line, with a style in the words of `rich`."""

    text: str
    style: str = ""


Line = Sequence[Piece]


@dataclass(slots=True)
class Section:
    """Lines under a title; without one, no box is drawn around them."""

    title: str | None
    lines: list[Line] = field(default_factory=list)


def columns() -> int:
    """Return how wide a line may be."""
    return max(NARROWEST, shutil.get_terminal_size((110, 24)).columns - FRAME)


def write(sections: Iterable[Section]) -> None:
    """Print sections, in boxes on a terminal."""
    filled = [section for section in sections if section.lines]
    if sys.stdout.isatty() and find_spec("rich"):
        _in_boxes(filled)
    else:
        print("\n\n".join(map(plain, filled)))


def plain(section: Section) -> str:
    """Return a section without styles."""
    lines = ["".join(piece.text for piece in line).rstrip() for line in section.lines]
    return "\n".join([section.title.upper(), *lines] if section.title else lines)


def _in_boxes(sections: Iterable[Section]) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console(width=columns() + FRAME, highlight=False)  # it honours NO_COLOR
    for section in sections:
        lines = [Text.assemble(*((piece.text, piece.style) for piece in line)) for line in section.lines]
        text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
        if section.title is None:
            console.print(text, soft_wrap=True)
        else:
            console.print(Panel(text, title=section.title, title_align="left", border_style="dim"))


def line(*texts: str | Piece) -> Line:
    """Return a line of these parts."""
    return [Piece(text) if isinstance(text, str) else text for text in texts]


def safe(text: object) -> str:
    """Return text on one line, with nothing in it that a terminal would obey."""
    return printable(" ".join(str(text).split()))


def paragraphs(text: str, width: int, most: int | None = None) -> list[Line]:
    """Return text wrapped at a width; of more than `most` lines, the first and the last."""
    wrapped = [
        part
        for paragraph in text.strip().splitlines()
        for part in textwrap.wrap(printable(paragraph.expandtabs(4)), width) or [""]
    ]
    if most is None or len(wrapped) <= most:
        return [line(part) for part in wrapped]
    first, last = wrapped[: most // 2], wrapped[-(most - most // 2) :]
    gap = line(Piece(f"… {len(wrapped) - most} lines …", "dim"))
    return [*map(line, first), gap, *map(line, last)]


def cells(text: str) -> int:
    """Return how many columns printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in WIDE)
        for char in text
    )


def fit(text: str, width: int) -> str:
    """Return text in exactly so many columns: cut, or filled up with spaces."""
    if cells(text) > width:
        while text and cells(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - cells(text))


def letter(candidate: int) -> str:
    """Return what judges call a candidate: a letter, or its number when letters have run out."""
    return chr(ord("A") + candidate) if candidate < 26 else f"#{candidate}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is due."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
