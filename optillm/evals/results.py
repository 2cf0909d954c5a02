"""Results in a file of JSON lines: one for each question and target, appended as they come.

The first line says what the results are of. A run that was stopped, or killed in the middle of a line, goes on where it
was: what has been paid for is not paid for again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from io import FileIO
from pathlib import Path
from typing import Any, Final, Self

import orjson

from optillm.config.sources import SettingsError

VERSION: Final = 1
BATCH: Final = 32
"""Results that are written before the file is forced to the disk."""
_MEANINGS: Final = {"model": "model", "fields": "value of --fields", "score": "scorer"}


@dataclass(frozen=True, slots=True)
class Result:
    """What a target made of a question; `digest` is that of the question when it was asked.

    `score` is from 0 to 1, `None` for an error and for a reply that could not be scored; `unscored` is why not. Tokens
    and cost are `None` if not known; those of judges are apart, in `scoring_tokens` and `scoring_cost`. `candidates`
    are the replies that the target chose among, if they are known: each with its `score`, `group` and tokens.
    """

    question: str
    target: str
    digest: str = ""
    group: str | None = None
    score: float | None = None
    error: str | None = None
    unscored: str | None = None
    text: str = ""
    stop: str | None = None
    calls: int = 0
    rounds: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    seconds: float = 0.0
    scoring_tokens: int = 0
    scoring_cost: float | None = 0.0
    candidates: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """Return what a file has one result of."""
        return self.question, self.target

    @property
    def right(self) -> bool:
        """Return whether it has full marks; an error and what could not be scored are wrong."""
        return self.score is not None and self.score >= 1 - 1e-9

    @property
    def tokens(self) -> int:
        """Return the tokens of its calls, as far as they are known."""
        return (self.input_tokens or 0) + (self.output_tokens or 0)


@dataclass(frozen=True, slots=True)
class Header:
    """What results are of: the model, the fields of all requests, the scorer."""

    model: str
    fields: Mapping[str, Any]
    score: str

    def line(self) -> Mapping[str, Any]:
        """Return the first line of a file."""
        return {"optillm_eval": VERSION, **asdict(self)}

    def check(self, line: Any, path: str) -> None:
        """Raise `SettingsError` if the first line of a file is not that of the same evaluation."""
        if not isinstance(line, Mapping) or line.get("optillm_eval") != VERSION:
            raise SettingsError(f"{path} has no results of optillm eval: name another file with -o")
        for name, meaning in _MEANINGS.items():
            if line.get(name) != getattr(self, name):
                raise SettingsError(
                    f"{path} has results of another {meaning}: {line.get(name)}, not {getattr(self, name)}"
                )


class ResultsFile:
    """A file that results are appended to, open for one run at a time."""

    def __init__(self, path: str, file: FileIO, header: Header) -> None:
        self.path = path
        self._file = file
        self._header: Header | None = header
        self._waiting = 0

    @classmethod
    def open(cls, path: str, header: Header, *, resume: bool) -> tuple[Self, list[Result]]:
        """Open a file and return it with its results; without `resume` it has none.

        Raises `SettingsError` if it has results and none are expected, if they are of another evaluation, or if it is
        broken other than by a torn last line.
        """
        try:
            file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror or error}") from None
        opened = cls(path, file, header)
        try:
            return opened, opened._results(header, resume=resume)
        except SettingsError:
            file.close()
            raise

    def _results(self, header: Header, *, resume: bool) -> list[Result]:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"{self.path} is being written by another run") from None
        if self._size and not resume:
            raise SettingsError(
                f"{self.path} exists: continue it with --resume, or name another file with -o"
            )
        lines = list(self._repaired())
        if not lines:
            return []
        header.check(lines[0], self.path)
        self._header = None  # it is there
        return _latest(lines[1:])

    def append(self, result: Result) -> None:
        """Write a result; it survives the end of this process, and soon that of the machine."""
        if self._header is not None:
            self._write(self._header.line())
            self._header = None
        self._write(asdict(result))
        self._waiting += 1
        if self._waiting >= BATCH:
            self.sync()

    def sync(self) -> None:
        """Force what has been written to the disk."""
        self._waiting = 0
        with suppress(OSError):  # a pipe or a device
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, complete on the disk; one that got no result is removed."""
        self.sync()
        if not self._size:
            Path(self.path).unlink(missing_ok=True)
        self._file.close()

    @property
    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _write(self, line: Mapping[str, Any]) -> None:
        data = memoryview(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        while data:
            data = data[self._file.write(data) :]

    def _repaired(self) -> Iterator[Any]:
        """Yield the lines, having ended the last one, or removed it if it is torn."""
        content = self._file.readall()
        whole, newline, last = content.rpartition(b"\n")
        if last and _is_json(last):
            self._file.write(b"\n")
            whole = content
        elif last:
            self._file.truncate(len(whole) + len(newline))
            self._file.seek(0, os.SEEK_END)
        for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
            if not _is_json(line):
                raise SettingsError(f"{self.path}:{number}: not JSON; remove this line to continue")
            yield orjson.loads(line)


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except ValueError:
        return False
    return True


def _latest(lines: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Return the last result of each question and target."""
    names = {declared.name for declared in fields(Result)}
    results = [Result(**{name: line[name] for name in names & line.keys()}) for line in lines]
    return list({result.key: result for result in results}.values())
