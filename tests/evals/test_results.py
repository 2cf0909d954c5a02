"""Results in a file: appended, found again, and repaired after a crash."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from optillm.config.sources import SettingsError
from optillm.evals.results import Header, Result, ResultsFile

HEADER = Header("m", {"temperature": 0}, "auto")
FIRST = Result("1", "plain", score=1.0, text="日本\u2028\n", candidates=[{"score": 1.0}])
SECOND = Result("2", "plain", error="500: no")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def write(path: Path, *results: Result) -> None:
    file, _ = ResultsFile.open(str(path), HEADER, resume=path.exists())
    for result in results:
        file.append(result)
    file.close()


def read(path: Path, header: Header = HEADER) -> list[Result]:
    file, results = ResultsFile.open(str(path), header, resume=True)
    file.close()
    return results


def test_results_are_found_again(path: Path) -> None:
    write(path, FIRST)
    write(path, SECOND)
    assert read(path) == [FIRST, SECOND]


def test_each_result_is_in_the_file_at_once(path: Path) -> None:
    file, _ = ResultsFile.open(str(path), HEADER, resume=False)
    file.append(FIRST)
    assert len(path.read_text("utf-8").split("\n")) == 3
    file.close()


def test_a_later_result_replaces_an_earlier_one(path: Path) -> None:
    write(path, FIRST, SECOND, replace(SECOND, error=None, score=1.0))
    assert [result.score for result in read(path)] == [1.0, 1.0]


@pytest.mark.parametrize("lost", [1, 10, 100])
def test_a_torn_last_line_is_removed(path: Path, lost: int) -> None:
    write(path, FIRST, SECOND)
    path.write_bytes(path.read_bytes()[:-lost])
    write(path, SECOND)
    assert read(path) == [FIRST, SECOND]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_torn_first_line_is_begun_anew(path: Path) -> None:
    path.write_text('{"optillm_ev')
    write(path, FIRST)
    assert read(path) == [FIRST]


def test_a_file_that_got_no_result_is_removed(path: Path) -> None:
    write(path)
    assert not path.exists()


def test_a_file_with_results_is_not_written_unless_a_run_is_resumed(path: Path) -> None:
    write(path, FIRST)
    with pytest.raises(SettingsError, match="exists: continue it with --resume"):
        ResultsFile.open(str(path), HEADER, resume=False)
    assert read(path) == [FIRST]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (replace(HEADER, model="n"), "another model: m, not n"),
        (replace(HEADER, fields={}), "another value of --fields"),
        (replace(HEADER, score="exact"), "another scorer: auto, not exact"),
    ],
)
def test_results_of_another_evaluation_are_refused(path: Path, other: Header, difference: str) -> None:
    write(path, FIRST)
    with pytest.raises(SettingsError, match=difference):
        read(path, other)


def test_other_files_are_refused(path: Path) -> None:
    path.write_text('{"question": "q"}\n')
    with pytest.raises(SettingsError, match="no results of optillm eval"):
        read(path)
    with pytest.raises(SettingsError, match="Is a directory"):
        read(path.parent)


def test_a_broken_line_in_the_middle_is_named(path: Path) -> None:
    write(path, FIRST, SECOND)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:-5], *lines[2:]]))
    with pytest.raises(SettingsError, match=r":2: not JSON"):
        read(path)


def test_two_runs_do_not_write_the_same_file(path: Path) -> None:
    file, _ = ResultsFile.open(str(path), HEADER, resume=False)
    with pytest.raises(SettingsError, match="written by another run"):
        ResultsFile.open(str(path), HEADER, resume=True)
    file.close()
