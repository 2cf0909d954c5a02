"""`optillm eval`: the command, as a process that is killed and goes on, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optillm_simulator.problems import generate

from optillm import cli
from optillm.local.demo import launch
from tests.config.test_settings import bare_machine
from tests.e2e.proxy import ROOT, Proxy, clean_environment
from tests.evals.interruptions import AFTER

__all__ = ["bare_machine"]

QUESTIONS = 20
TARGETS = "plain,re2"


@pytest.fixture(scope="module")
def demo_url() -> Iterator[str]:
    """The demo model."""
    with launch(latency=0) as server:
        yield server.base_url


@pytest.fixture(autouse=True)
def log_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the log of this process alone."""
    monkeypatch.setattr("optillm.logs.configure", lambda *_: None)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [
        {"question": problem.question, "answer": problem.answer}
        for problem in generate("arithmetic", QUESTIONS, 7)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def arguments(questions: Path, url: str, *more: str) -> list[str]:
    fields = json.dumps({"seed": 3, "temperature": 0, "max_tokens": 400})
    upstream = ("--base-url", url, "--model", "demo-small")
    return ["eval", str(questions), *upstream, "--fields", fields, "--yes", *more]


def process(questions: Path, url: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose results are beside its questions."""
    output = ("-o", str(questions.with_suffix(".results")), "--with", TARGETS, "--json")
    score = ("--score", "tests.evals.interruptions:contains")
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "optillm.py", *arguments(questions, url, *output, *score, *more)],
        cwd=ROOT,
        env=clean_environment(OPENAI_API_KEY="none", **environment),
        capture_output=True,
        text=True,
        check=False,
    )


def rows(finished: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The rows of a table, but for how long they took."""
    table = json.loads(finished.stdout)["rows"]
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in table]


def stored(questions: Path) -> list[bytes]:
    return questions.with_suffix(".results").read_bytes().splitlines()[1:]


def test_a_run_that_is_killed_goes_on_and_gives_the_same_table(
    questions: Path, demo_url: str, tmp_path: Path
) -> None:
    other = tmp_path / "unbroken.jsonl"
    other.write_bytes(questions.read_bytes())
    unbroken = process(other, demo_url)
    assert unbroken.returncode == 0, unbroken.stderr
    killed = process(questions, demo_url, END_BY="SIGKILL")
    assert killed.returncode == -9
    first = stored(questions)
    assert 0 < len(first) < 2 * QUESTIONS
    file = questions.with_suffix(".results")
    file.write_bytes(file.read_bytes()[:-20])  # as if the machine had failed, too
    resumed = process(questions, demo_url, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert stored(questions)[: len(first) - 1] == first[:-1]
    assert len(stored(questions)) == 2 * QUESTIONS
    assert rows(resumed) == rows(unbroken)
    assert {row["questions"] for row in rows(resumed)} == {QUESTIONS}


def test_ctrl_c_ends_a_run_with_the_table_so_far(questions: Path, demo_url: str) -> None:
    interrupted = process(questions, demo_url, "--concurrency", "4", END_BY="SIGINT")
    assert interrupted.returncode == 130
    table = json.loads(interrupted.stdout)
    assert table["ended"] == "stopped by Ctrl-C"
    answered = sum(row["questions"] for row in table["rows"])
    assert answered == len(stored(questions))
    assert answered < 2 * QUESTIONS
    assert answered >= AFTER // 4


@pytest.mark.usefixtures("bare_machine")
def test_one_command_leads_from_questions_to_a_table(
    questions: Path, demo_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(questions.parent)
    cli.main(arguments(questions, demo_url, "--with", "plain,re2", "--n", "5"))
    shown = capsys.readouterr()
    assert "calls at most" in shown.err
    assert "5 " in shown.err
    assert [line.split()[0] for line in shown.out.splitlines()[2:4]] == ["plain", "re2"]
    assert Path("questions.results.jsonl").exists()
    with pytest.raises(SystemExit):
        cli.main(arguments(questions, demo_url, "--with", "plain,re2", "--n", "5"))
    assert "continue it with --resume" in capsys.readouterr().err


@pytest.mark.usefixtures("bare_machine")
def test_an_optillm_server_is_a_black_box(
    questions: Path, demo: Proxy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(questions.parent)
    names = "demo-small,self_consistency(samples=3,mode=fixed)-demo-small"
    cli.main([*arguments(questions, demo.base_url, "--with", names, "--n", "4", "--json")])
    plain, voted = json.loads(capsys.readouterr().out)["rows"]
    assert (plain["calls"], plain["rounds"], plain["errors"]) == (1, 1, 0)
    assert (voted["calls"], voted["rounds"], voted["errors"]) == (3, 1, 0)
    assert voted["input_tokens"] > plain["input_tokens"]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--fields", "[1]"), "--fields is not a JSON object"),
        (("--fields", "{"), "--fields is not JSON"),
        (("--suite", "x"), "name a file of questions, or suites"),
        (("--n", "0"), "argument --n: 0 is not a whole number of at least 1"),
        (("--max-cost", "-1"), "argument --max-cost: -1 is not a number above 0"),
        (("--with", "self_consistancy"), "did you mean self_consistency"),
        (("--with", "bon(n=99)"), "option 'n' of 'bon'"),
        (("--score", "nummeric"), "did you mean `numeric`"),
        (("--max-cost", "2"), "no price is known for plain"),
    ],
)
@pytest.mark.usefixtures("bare_machine")
def test_mistakes_are_refused_before_anything_is_sent(
    questions: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], problem: str
) -> None:
    before = [flag for flag in ("--with", "plain") if "--with" not in flags]
    with pytest.raises(SystemExit) as exit_status:
        cli.main([*arguments(questions, "http://127.0.0.1:9/v1"), *before, *flags])
    assert exit_status.value.code == 2
    assert problem in capsys.readouterr().err


@pytest.mark.usefixtures("bare_machine")
def test_nobody_is_asked_where_nobody_answers(
    questions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    unanswered = [word for word in arguments(questions, "http://127.0.0.1:9/v1") if word != "--yes"]
    with pytest.raises(SystemExit):
        cli.main(unanswered)
    assert "add --yes to start" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: "n\n", raising=False)
    with pytest.raises(SystemExit) as exit_status:
        cli.main(unanswered)
    assert exit_status.value.code == 1
    assert "nothing was sent" in capsys.readouterr().err
