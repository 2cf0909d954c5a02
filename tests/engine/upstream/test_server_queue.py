"""The queue inside an upstream, seen from the calls that are still silent."""

from optillm.engine.upstream.server_queue import LONG, SHORTEST_WAIT, ServerQueue


def test_nothing_is_queued_before_any_call_has_begun() -> None:
    queue = ServerQueue()
    queue.sent("a", 0.0)
    assert queue.length(1000.0) == 0


def test_a_call_is_queued_when_it_is_silent_for_much_longer_than_others_were() -> None:
    queue = ServerQueue()
    queue.sent("a", 0.0)
    queue.sent("b", 0.0)
    assert queue.began("a", 1.0)
    assert queue.length(LONG) == 0
    assert queue.length(LONG + 0.1) == 1


def test_a_first_token_shows_room_only_if_it_did_not_wait_and_nothing_else_does() -> None:
    queue = ServerQueue()
    for call in "abcd":
        queue.sent(call, 0.0)
    assert queue.began("a", 1.0)
    assert not queue.began("b", LONG + 0.1)  # it has waited
    queue.sent("e", LONG + 0.2)
    assert not queue.began("e", LONG + 0.3)  # others wait
    assert not queue.began("unknown", LONG + 0.3)


def test_a_generated_call_frees_a_slot_when_it_ends_and_a_silent_one_does_not() -> None:
    queue = ServerQueue()
    queue.sent("a", 0.0)
    queue.sent("b", 0.0)
    queue.began("a", 1.0)
    assert queue.ended("a")
    assert not queue.ended("b")
    assert queue.length(1000.0) == 0


def test_very_short_waits_count_as_equal() -> None:
    queue = ServerQueue()
    queue.sent("a", 0.0)
    queue.began("a", 0.001)
    queue.sent("b", 0.0)
    assert queue.length(LONG * SHORTEST_WAIT) == 0
