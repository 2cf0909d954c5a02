"""The progress of a run: a live table with `rich`, else plain lines.

Lines are plain, too, where the output is not a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TextIO

from optillm.evals.results import Result
from optillm.evals.statistics import wilson
from optillm.evals.tables import percent

if TYPE_CHECKING:
    from rich.table import Table

BETWEEN_LINES: Final = 10.0
"""Seconds between two plain lines."""


@dataclass(slots=True)
class Tally:
    """A row so far: of `total` questions so many are `done`, so many `right`."""

    total: int
    done: int = 0
    right: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    priced: bool = True

    def note(self, result: Result) -> None:
        """Count a result."""
        self.done += 1
        self.right += result.right
        self.errors += result.error is not None
        self.tokens += result.tokens + result.scoring_tokens
        self.cost += (result.cost or 0.0) + (result.scoring_cost or 0.0)
        self.priced = self.priced and (result.cost is not None or result.error is not None)

    @property
    def accuracy(self) -> str:
        """Return the accuracy so far with its interval."""
        if not self.done:
            return "–"
        low, high = wilson(self.right, self.done)
        return f"{percent(self.right / self.done)} ({100 * low:.0f} to {100 * high:.0f})"


@dataclass
class Progress:
    """All rows so far, with results of earlier runs among them; `new` counts those of this one."""

    tallies: Mapping[str, Tally]
    clock: Callable[[], float] = time.monotonic
    new: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self.started = self.clock()

    def note(self, result: Result) -> None:
        """Count a result of this run."""
        self.tallies[result.target].note(result)
        self.new += 1

    @property
    def headline(self) -> str:
        """Return how much is done, at which rate and price, and how long the rest takes."""
        tallies = self.tallies.values()
        done, total = sum(tally.done for tally in tallies), sum(tally.total for tally in tallies)
        cost = (
            f"${sum(tally.cost for tally in tallies):.4f}"
            if all(t.priced for t in tallies)
            else "price unknown"
        )
        line = f"{done:,} of {total:,} answers, {sum(tally.tokens for tally in tallies):,} tokens, {cost}"
        seconds = self.clock() - self.started
        if not self.new or seconds <= 0:
            return line
        rate = self.new / seconds
        return f"{line}, {rate:.1f} a second, {duration((total - done) / rate)} left"

    def line(self) -> str:
        """Return all of it as one line."""
        rows = (f"{name} {tally.accuracy}" for name, tally in self.tallies.items() if tally.done)
        return "; ".join([self.headline, *rows])


def duration(seconds: float) -> str:
    """Return a time in words, roughly."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class PlainLines:
    """Writes a line now and then."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream
        self._next = progress.started + BETWEEN_LINES

    def note(self, result: Result) -> None:  # noqa: ARG002
        """Write a line if the last one is old."""
        now = self._progress.clock()
        if now >= self._next:
            self._next = now + BETWEEN_LINES
            print(self._progress.line(), file=self._stream, flush=True)


@contextmanager
def shown(progress: Progress, stream: TextIO) -> Iterator[list[Any]]:
    """Show progress while the block runs; yields who has to be told of results, in this order."""
    if not stream.isatty() or find_spec("rich") is None:
        yield [progress, PlainLines(progress, stream)]
        return
    from rich.console import Console, Group
    from rich.live import Live

    def whole() -> Group:
        return Group(progress.headline, drawn(progress))

    with Live(get_renderable=whole, console=Console(file=stream), refresh_per_second=4, transient=True):
        yield [progress]


def drawn(progress: Progress) -> Table:
    """Return the rows so far as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for head in ("done", "accuracy (95 %)", "errors", "tokens", "dollars"):
        table.add_column(head, justify="right")
    for name, tally in progress.tallies.items():
        dollars = f"{tally.cost:.4f}" if tally.priced else "–"
        cells = (
            f"{tally.done}/{tally.total}",
            tally.accuracy,
            str(tally.errors),
            f"{tally.tokens:,}",
            dollars,
        )
        table.add_row(Text(name), *cells)
    return table
