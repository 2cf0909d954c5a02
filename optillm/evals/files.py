"""The rows of a file, each with its line: JSON lines, or a table as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from optillm.config.sources import SettingsError
from optillm.evals.shapes import Row

LONGEST_CELL: Final = 32 * 2**20
"""Characters that a cell of a CSV file may have."""
_HEADLESS: Final = ("question", "A", "B", "C", "D", "answer")
"""The columns of MMLU's own files, which have no header."""


class BadRow(ValueError):
    """A row that is no question; the message says why."""


def rows_of(path: str) -> Iterator[tuple[str, Row | BadRow]]:
    """Yield the rows of a file, each with the file and line where it begins.

    Raises `SettingsError` if the file cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    table = Path(path).suffix.lower() in (".csv", ".tsv")
    yield from _table_rows(content, path) if table else _json_rows(content, path)


def _json_rows(content: bytes, path: str) -> Iterator[tuple[str, Row | BadRow]]:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")  # no other character ends a line of JSON
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{path}:{number}", _json_row(line)


def _json_row(line: bytes) -> Row | BadRow:
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return BadRow(f"byte {error.start + 1} is not UTF-8")
    except ValueError as error:
        return BadRow(f"not JSON: {error}")
    except RecursionError:
        return BadRow("nested too deep")
    return row if isinstance(row, dict) else BadRow("not a JSON object: write one question per line")


def _table_rows(content: bytes, path: str) -> Iterator[tuple[str, Row | BadRow]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: not UTF-8; save the table as UTF-8") from None
    previous = csv.field_size_limit(LONGEST_CELL)
    try:
        yield from _cells(text, path)
    finally:
        csv.field_size_limit(previous)


def _cells(text: str, path: str) -> Iterator[tuple[str, Row | BadRow]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, path), strict=True)
    columns: Sequence[str] | None = None
    end = 0
    while True:
        start = end + 1  # a quoted cell may go over several lines
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield f"{path}:{start}", BadRow(f"not a row of a table: {error}")
            return
        if cells is None:
            return
        end = reader.line_num
        if columns is None and not _headless(cells):
            columns = [cell.strip() for cell in cells]
        elif any(cells):
            yield f"{path}:{start}", _cell_row(columns or _HEADLESS, cells)


def _delimiter(text: str, path: str) -> str:
    head = text.partition("\n")[0]
    if path.lower().endswith(".tsv"):
        return "\t"
    return ";" if ";" in head and "," not in head else ","


def _headless(cells: Sequence[str]) -> bool:
    return len(cells) == len(_HEADLESS) and cells[-1] in _HEADLESS[1:-1] and "question" not in cells


def _cell_row(columns: Sequence[str], cells: Sequence[str]) -> Row | BadRow:
    if len(cells) > len(columns):
        return BadRow(
            f"{len(cells)} cells, but the table has {len(columns)} columns: quote cells with commas"
        )
    row: dict[str, Any] = dict(zip(columns, cells, strict=False))
    for name in ("messages", "answers", "choices", "tests"):
        if row.get(name, "").lstrip().startswith("["):
            try:
                row[name] = json.loads(row[name])
            except ValueError:
                return BadRow(f"{name} is no JSON list")
    return row
