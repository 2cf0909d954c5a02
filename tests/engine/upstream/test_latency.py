"""What is usual of upstream calls."""

from optillm.engine.upstream.latency import KINDS, LATEST, LatencyTracker, Pace


def test_what_is_usual_covers_most_of_the_latest() -> None:
    latencies = LatencyTracker()
    assert latencies.typical("judge") is None
    for seconds in [100.0] * LATEST + [1.0] * (LATEST - 3) + [9.0] * 3:
        latencies.add("judge", Pace(seconds))
    assert latencies.typical("judge") == Pace(1.0)
    latencies.add("write", Pace(5.0))
    assert latencies.typical("write") == Pace(5.0)


def test_what_is_usual_of_many_models_is_forgotten_with_the_oldest() -> None:
    latencies = LatencyTracker()
    for number in range(KINDS + 1):
        latencies.add(number, Pace(1.0))
        assert latencies.typical(number) == Pace(1.0)
    assert latencies.typical(0) is None
    assert latencies.typical(1) == Pace(1.0)
