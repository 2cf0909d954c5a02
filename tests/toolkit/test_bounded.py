"""A map that forgets what was used longest ago."""

from __future__ import annotations

from optillm.toolkit.bounded import BoundedMap


def test_the_entry_set_or_used_longest_ago_makes_room() -> None:
    names = BoundedMap[str, int](3)
    for name in "abc":
        names[name] = 1
    names["a"] = 2
    assert names.use("b", lambda: 9) == 1
    names["d"] = 4
    assert list(names.items()) == [("a", 2), ("b", 1), ("d", 4)]


def test_reading_is_not_using() -> None:
    names = BoundedMap[str, int](2)
    names["a"], names["b"] = 1, 2
    assert (names["a"], names.get("a"), "a" in names) == (1, 1, True)
    names["c"] = 3
    assert list(names) == ["b", "c"]


def test_what_is_used_and_missing_is_made_once() -> None:
    names, numbers = BoundedMap[str, int](2), iter(range(9))
    assert [names.use(name, lambda: next(numbers)) for name in "abacb"] == [0, 1, 0, 2, 3]
    assert list(names) == ["c", "b"]


def test_setting_by_default_keeps_within_bounds_too() -> None:
    names = BoundedMap[str, int](2)
    assert [names.setdefault(name, number) for number, name in enumerate("aabc")] == [0, 0, 2, 3]
    names.update({"d": 4})
    assert list(names) == ["c", "d"]


def test_busy_entries_stay_and_go_once_they_are_idle() -> None:
    busy = {"a", "b"}
    names = BoundedMap[str, str](1, busy=busy.__contains__)
    names["a"], names["b"] = "a", "b"
    names["c"] = "c"
    assert list(names) == ["a", "b", "c"]
    busy.clear()
    names["d"] = "d"
    assert list(names) == ["d"]


def test_the_newest_entry_stays_even_if_all_others_are_busy() -> None:
    names = BoundedMap[str, bool](1, busy=bool)
    names["a"] = True
    names["b"] = False
    assert list(names) == ["a", "b"]
