"""What is usual of upstream calls."""

from optillm.engine.upstream.latency import KINDS, LATEST, Pace, Paces


def test_what_is_usual_covers_most_of_the_latest() -> None:
    paces = Paces()
    assert paces.usual("judge") is None
    for seconds in [100.0] * LATEST + [1.0] * (LATEST - 3) + [9.0] * 3:
        paces.add("judge", Pace(seconds))
    assert paces.usual("judge") == Pace(1.0)
    paces.add("write", Pace(5.0))
    assert paces.usual("write") == Pace(5.0)


def test_what_is_usual_of_many_models_is_forgotten_with_the_oldest() -> None:
    paces = Paces()
    for number in range(KINDS + 1):
        paces.add(number, Pace(1.0))
        assert paces.usual(number) == Pace(1.0)
    assert paces.usual(0) is None
    assert paces.usual(1) == Pace(1.0)
