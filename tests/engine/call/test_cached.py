"""What was asked before is not asked again, where the operator wants that; and what differs always is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Grant, Relay, Sender
from optillm.engine.call.cache import Cache
from optillm.errors import UpstreamError
from optillm.techniques import registry
from tests.fakes import Say, Sent, World, failing

QUESTION = "What is 17 + 25?"


class Memory:
    """A store that forgets when the test ends."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    async def get(self, key: bytes) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        if not (lasting and key in self.kept):
            self.kept[key] = value

    async def close(self) -> None:
        self.kept.clear()


def disagreeing(sent: Sent) -> str:
    if sent.role == "judge":
        return '{"ranking": ["B", "A", "C"], "score": 7, "groups": [["A"], ["B"]], "pick": "A"}'
    return f"Let me see. The answer is {40 + sent.number}."


@pytest.mark.parametrize("slug", sorted(registry()))
def test_the_same_request_again_takes_no_call_and_gets_the_same_answer(slug: str) -> None:
    world = World(lambda sent: Say(disagreeing(sent), seconds=1 + sent.number / 100), cache=Cache(Memory()))
    world.complete("bon-m", "Does this model honour n?")
    first = world.complete(f"{slug}-m", QUESTION)
    asked = len(world.sent)
    again = world.complete(f"{slug}-m", QUESTION)
    assert len(world.sent) == asked
    assert again.report.calls == {}
    assert again.usage is not None
    assert again.usage.total_tokens == 0
    assert again.report.wire()["cached"] == again.report.cached
    assert again.replies[0].text == first.replies[0].text


def test_another_process_that_shares_the_store_finds_it_all() -> None:
    memory = Memory()
    model = "bon-m"
    first = World(disagreeing, cache=Cache(memory), n="honoured")
    text = first.text(model, QUESTION)
    second = World(disagreeing, cache=Cache(memory), n="honoured")
    assert second.text(model, QUESTION) == text
    assert not second.sent


def test_samples_stay_as_many_and_as_different_as_they_were() -> None:
    world = World(disagreeing, cache=Cache(Memory()))
    model = "self_consistency(samples=6,mode=fixed,tie=shortest)-m"
    texts = [sorted(reply.text for reply in world.complete(model, QUESTION, n=6).replies) for _ in range(3)]
    assert texts[1] == texts[2]
    assert len(set(texts[2])) == 6


def test_more_samples_than_before_ask_for_the_rest_only() -> None:
    world = World(disagreeing, cache=Cache(Memory()), n="honoured")
    world.complete("self_consistency(samples=3,mode=fixed,tie=shortest)-m", QUESTION)
    asked = len(world.sent)
    report = world.complete("self_consistency(samples=5,mode=fixed,tie=shortest)-m", QUESTION).report
    assert report.cached == {"generate": 3}
    fresh = world.sent[asked:]
    assert sum(sent.body.get("n") or 1 for sent in fresh) == 2


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.9}, {"seed": 1}, {"user": "u"}, {"stop": ["x"]}, {"max_tokens": 9}, {"odd": True}],
)
def test_whatever_differs_is_asked_for(change: dict[str, Any]) -> None:
    world = World(disagreeing, cache=Cache(Memory()))
    world.complete("re2-m", QUESTION)
    assert not world.complete("re2-m", QUESTION, **change).report.cached
    assert len(world.sent) == 2


def test_one_clients_key_gets_nothing_kept_for_anothers() -> None:
    world = World(disagreeing, cache=Cache(Memory()))

    async def ask(key: str) -> Any:
        body = {"model": "re2-m", "messages": [{"role": "user", "content": QUESTION}]}
        return await world.engine.complete(ChatRequest(body, authorization=key))

    world.run(ask("Bearer a"))
    assert not world.run(ask("Bearer b")).report.cached
    assert world.run(ask("Bearer a")).report.cached == {"write": 1}


ALICE, BOB = Grant("alice", key_digest="a"), Grant("bob", key_digest="b")


@pytest.mark.parametrize("model", ["m", "re2-m", "self_consistency-m", "bon|moa-m"])
@pytest.mark.parametrize(("shared", "again"), [(False, [True, False, True]), (True, [True, True, True])])
def test_a_client_key_gets_only_its_own_replies_unless_the_cache_is_shared(
    model: str, shared: bool, again: list[bool]
) -> None:
    world = Wire(Relay(200, {}, BODY), shared=shared)

    def ask(grant: Grant) -> int:
        before = len(world.sent) + world.relays
        world.run(world.serve(model, QUESTION, grant=grant))
        return len(world.sent) + world.relays - before

    assert ask(ALICE) > 0
    assert [ask(grant) == 0 for grant in (ALICE, BOB, ALICE)] == again


def test_a_renamed_key_keeps_its_replies_and_a_new_key_of_the_old_name_gets_none() -> None:
    world = Wire(Relay(200, {}, BODY))
    for grant in (ALICE, replace(ALICE, client="key-1"), replace(BOB, client="alice")):
        world.run(world.serve("m", grant=grant))
    assert world.relays == 2


def test_without_keys_clients_share_as_their_upstream_credential_says() -> None:
    world = Wire(Relay(200, {}, BODY))
    for _ in range(2):
        world.run(world.serve("m"))
    assert world.relays == 1


def test_a_client_may_ask_for_fresh_replies() -> None:
    world = World(disagreeing, cache=Cache(Memory()))
    world.complete("re2-m", QUESTION)
    assert world.complete("re2-m", QUESTION, sender=Sender(fresh=True)).report.cached is None
    assert len(world.sent) == 2


@pytest.mark.parametrize("useless", [Say(None), Say(""), Say(None, message={"refusal": "no"})])
def test_what_is_no_answer_is_not_kept(useless: Say) -> None:
    memory = Memory()
    world = World(lambda sent: useless, cache=Cache(memory), retries=0)
    with suppress(UpstreamError):
        world.complete("re2-m", QUESTION)
    assert len(memory.kept) <= 1  # the secret


def test_a_failure_leaves_what_is_known() -> None:
    broken = False

    def script(sent: Sent) -> str:
        if broken:
            raise failing(400)
        return disagreeing(sent)

    world = World(script, cache=Cache(Memory()), n="honoured")
    world.complete("self_consistency(samples=3,mode=fixed,tie=shortest)-m", QUESTION)
    broken = True
    report = world.complete("self_consistency(samples=5,mode=fixed,tie=shortest)-m", QUESTION).report
    assert report.cached == {"generate": 3}


def test_a_budget_counts_only_what_is_asked_for() -> None:
    world = World(disagreeing, cache=Cache(Memory()), n="honoured")
    world.complete("bon-m", QUESTION)
    report = world.complete("bon-m", QUESTION, budget=Budget(max_calls=6)).report
    assert report.calls == {}


def test_a_stream_and_a_whole_reply_share_what_is_kept() -> None:
    world = World(disagreeing, cache=Cache(Memory()))
    text = world.text("re2-m", QUESTION)
    events = [event for _, event in world.events("re2-m", QUESTION)]
    assert len(world.sent) == 1
    assert events[-1].report.cached == {"write": 1}  # type: ignore[union-attr]
    assert "".join(getattr(event, "content", "") for event in events[:-1]) == text
    other = World(disagreeing, cache=Cache(Memory()))
    other.events("re2-m", QUESTION)
    assert other.complete("re2-m", QUESTION).report.cached == {"write": 1}


class Wire(World):
    """A world whose relays give what they are told to."""

    def __init__(self, relay: Relay, memory: Memory | None = None, *, shared: bool = False) -> None:
        super().__init__(disagreeing, cache=Cache(memory or Memory(), shared=shared))
        self.reply = relay
        self.relays = 0

    async def relay(self, *_: Any, **__: Any) -> Relay:
        self.relays += 1
        return self.reply


BODY = b"""{ "id": 1, "usage": {"prompt_tokens": 10, "completion_tokens": 20},
  "choices": [{"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}]}"""


def test_a_plain_reply_is_kept_byte_for_byte_and_marked() -> None:
    world = Wire(Relay(200, {"x-a": "1"}, BODY))
    first: Any = world.run(world.serve("m"))
    again: Any = world.run(world.serve("m"))
    assert (first.body, again.body, world.relays) == (BODY, BODY, 1)
    assert "x-optillm-cache" not in first.headers
    assert again.headers["x-optillm-cache"] == "hit"
    assert again.headers["x-optillm-technique"] == "none"
    assert [record.usage and record.usage.total_tokens for record in world.records] == [30, 0]


@pytest.mark.parametrize(
    "relay",
    [
        *(Relay(429, {}, b"{}"), Relay(500, {}, BODY), Relay(200, {}, b"<html>"), Relay(200, {}, b"\xff")),
        *(Relay(200, {}, b"[1]"), Relay(200, {}, b'{"choices": []}'), Relay(200, {}, b'{"choices": 1}')),
        Relay(200, {}, b'{"error": {"message": "overloaded"}}'),
        Relay(200, {}, BODY.replace(b'"42"', b'""')),
        Relay(200, {}, BODY.replace(b'"stop"', b'"content_filter"')),
    ],
)
def test_what_is_no_good_reply_is_passed_on_and_not_kept(relay: Relay) -> None:
    world = Wire(relay)
    for _ in range(2):
        got: Any = world.run(world.serve("m"))
        assert (got.status, got.body) == (relay.status, relay.body)
    assert world.relays == 2


def test_plain_requests_that_differ_or_want_fresh_replies_go_up() -> None:
    world = Wire(Relay(200, {}, BODY))
    world.run(world.serve("m"))
    world.run(world.serve("m", temperature=1))
    world.run(world.serve("m", sender=Sender(fresh=True)))
    world.run(world.serve("m", stream=True))
    assert world.relays == 4


def test_without_a_cache_everything_is_asked_for() -> None:
    world = World(disagreeing)
    world.complete("re2-m", QUESTION)
    assert world.complete("re2-m", QUESTION).report.cached is None
    assert len(world.sent) == 2


@pytest.mark.parametrize("garbage", [b"no JSON", b"17", b'{"words": "of another release"}', b"[]"])
@pytest.mark.parametrize("model", ["m", "re2-m", "self_consistency-m"])
def test_what_cannot_be_read_is_asked_for_again(garbage: bytes, model: str) -> None:
    memory = Memory()
    world = Wire(Relay(200, {}, BODY), memory)
    first: Any = world.run(world.serve(model, QUESTION))
    memory.kept = dict.fromkeys(memory.kept, garbage)
    asked = len(world.sent) + world.relays
    again: Any = world.run(world.serve(model, QUESTION))
    assert type(again) is type(first)
    assert len(world.sent) + world.relays > asked
