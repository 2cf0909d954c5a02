"""Tables: columns for a terminal, Markdown for the documentation."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from optillm.config.sources import SettingsError

Row = Sequence[str]
_NARROWEST: Final = 30  # columns left for the last cell, however narrow the terminal


def columns(rows: Sequence[Row]) -> str:
    """Return rows with their cells under one another.

    The last cell is wrapped at the width of the terminal.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    room = max(_NARROWEST, shutil.get_terminal_size((110, 24)).columns - sum(widths) - 2 * len(widths))
    lines = []
    for *cells, last in rows:
        start = "".join(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=True))
        wrapped = textwrap.wrap(last, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append((start + wrapped[0]).rstrip())
        lines += [" " * len(start) + rest for rest in wrapped[1:]]
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table, the first one its head."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head, *body = (f"| {' | '.join(row)} |" for row in cells)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def code(text: Any) -> str:
    """Return text as Markdown code; nothing for nothing."""
    return f"`{text}`" if text else ""


def add_markdown_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--markdown`, whose value is for `publish`."""
    parser.add_argument(
        "--markdown",
        nargs="?",
        const="-",
        metavar="FILE",
        help="print the table as Markdown, or write it between its markers in this document",
    )


def publish(target: str, topic: str, content: str) -> None:
    """Print the table if `target` is `-`, else write it into the document at that path.

    It goes between its markers there.
    """
    if target == "-":
        print(content)
    else:
        file = Path(target)
        file.write_text(renewed(file.read_text(encoding="utf-8"), topic, content), encoding="utf-8")


def renewed(document: str, topic: str, content: str) -> str:
    """Return the document with `content` between its markers for `topic`.

    Raises `SettingsError` if it does not have the markers.
    """
    begin, end = f"<!-- {topic}: made by `optillm {topic} --markdown FILE` -->", f"<!-- end of {topic} -->"
    between = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
    if not between.search(document):
        raise SettingsError(f"the file has no place for the table: {begin} … {end}")
    return between.sub(lambda markers: f"{markers[1]}\n\n{content}\n\n{markers[2]}", document)
