"""Progress: a table that is drawn anew in a terminal, lines where it is piped."""

from __future__ import annotations

import io

from optillm.evals.progress import Progress, Tally, duration, shown
from optillm.evals.results import Result


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def result(score: float | None = 1.0, **more: object) -> Result:
    fields = {"score": score, "input_tokens": 10, "output_tokens": 5, "cost": 0.01, **more}
    return Result("1", "plain", **fields)  # type: ignore[arg-type]


def test_a_pipe_gets_a_line_now_and_then() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress({"plain": Tally(40)}, clock)
    with shown(progress, stream) as watchers:
        for second in range(0, 24, 2):
            clock.now = float(second)
            for watcher in watchers:
                watcher.note(result(second % 4 / 2))
    first, second_line = stream.getvalue().splitlines()
    assert first == ("6 of 40 answers, 90 tokens, $0.0600, 0.6 a second, 57 s left; plain 50.0 % (19 to 81)")
    assert second_line.startswith("11 of 40 answers")


def test_results_of_an_earlier_run_count_but_not_for_the_rate() -> None:
    clock = Clock()
    progress = Progress({"plain": Tally(40)}, clock)
    progress.tallies["plain"].note(result())
    assert progress.headline == "1 of 40 answers, 15 tokens, $0.0100"


def test_a_terminal_gets_a_table() -> None:
    stream = Terminal()
    progress = Progress({"plain": Tally(4), "bon[n]": Tally(4)}, Clock())
    with shown(progress, stream) as watchers:
        for watcher in watchers:
            watcher.note(result())
            watcher.note(result(None, error="500: no", cost=None))
    drawn = stream.getvalue()
    assert "plain" in drawn
    assert "bon[n]" in drawn
    assert "2/4" in drawn
    assert "50.0 % (9 to 91)" in drawn


def test_a_price_that_is_not_known_is_not_made_up() -> None:
    progress = Progress({"plain": Tally(4)}, Clock())
    progress.note(result(cost=None))
    assert "price unknown" in progress.headline


def test_times_are_rough() -> None:
    assert [duration(seconds) for seconds in (3.4, 240, 9000)] == ["3 s", "4 min", "2.5 h"]
