"""The scripted local model server keeps slots, queues and time as a real one does; all figures are exact."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import pytest

from optillm.chat import Delta, RawRequest, Relay, Stream
from optillm.engine.upstream.replies import DONE
from optillm.errors import UpstreamError
from tests.fakes import HANG, Say, Sent
from tests.slot_server import saturating
from tests.slot_wire import Reply
from tests.slots import ROOT, Restart, SlotWorld

PROMPT = "How many sheep are there"
"""24 characters and a frame: 10 tokens, a second of an idle machine below."""
SECOND = 10
"""Tokens that all slots together generate in a second."""


def world(
    script: Callable[[Sent], Any] = lambda sent: Reply("The answer is 4.", tokens=SECOND), **more: Any
) -> SlotWorld:
    return SlotWorld(script, **{"rate": lambda busy: float(SECOND), "prompt_rate": 10.0, **more})


def body(text: str = PROMPT, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


async def at(seconds: float, call: Coroutine[Any, Any, Any]) -> Any:
    """What a call gives that is made at this time."""
    await asyncio.sleep(seconds)
    return await call


async def for_(seconds: float, call: Coroutine[Any, Any, Any]) -> None:
    """Make a call and leave it after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await call


async def read(stream: AsyncIterator[Any]) -> list[tuple[float, Any]]:
    """The items of a stream, each with the time it came at."""
    clock = asyncio.get_running_loop().time
    return [(clock(), item) async for item in stream]


async def both(served: SlotWorld) -> None:
    await asyncio.gather(served.chat(body(), None), served.chat(body(), None))


def ends(served: SlotWorld) -> list[float | None]:
    return [sent.end for sent in served.sent]


def refusal(served: SlotWorld, call: Coroutine[Any, Any, Any]) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        served.run(call)
    return caught.value


# Time.


def test_a_call_takes_its_prompt_and_its_tokens() -> None:
    served = world()
    reply = served.run(served.chat(body(), None))
    assert reply["choices"][0]["message"] == {"role": "assistant", "content": "The answer is 4."}
    assert reply["usage"] == {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    assert served.seconds == 2.0


def test_four_characters_of_a_text_are_a_token() -> None:
    served = world(lambda sent: "12345")
    assert served.run(served.chat(body(), None))["usage"]["completion_tokens"] == 2
    assert served.seconds == 1.2


def test_a_call_takes_longer_the_more_there_are() -> None:
    served = world(rate=lambda busy: 10.0 if busy == 1 else 16.0)
    served.run(both(served))
    assert ends(served) == [3.25, 3.25]


def test_later_calls_slow_down_earlier_ones() -> None:
    served = world()

    async def main() -> None:
        await asyncio.gather(served.chat(body(), None), at(1.5, served.chat(body(), None)))

    served.run(main())
    assert ends(served) == [2.5, 4.0]


def test_a_call_without_a_slot_waits_its_turn() -> None:
    served = world(slots=1)

    async def main() -> None:
        await asyncio.gather(*(served.chat(body(), None) for _ in range(3)))

    served.run(main())
    assert ends(served) == [2.0, 4.0, 6.0]
    assert served.books.most_busy == 1


def test_more_slots_together_are_faster_up_to_a_limit() -> None:
    assert [saturating(busy) for busy in (1, 2, 8)] == [40.0, 60.0, 96.0]
    assert saturating(1000) < 120.0


# Streams.


def test_a_stream_comes_token_by_token_as_that_of_a_real_server() -> None:
    served = world(lambda sent: Reply("Yes.", tokens=2))
    stream = served.stream(body(stream_options={"include_usage": True}), None)
    came = served.run(read(stream))
    assert [moment for moment, _ in came] == [1.1, 1.1, 1.2, 1.2, 1.2, 1.2]
    *tokens, usage, done = [chunk for _, chunk in came]
    assert [(c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in tokens] == [
        ({"role": "assistant", "content": None}, None),
        ({"content": "Ye"}, None),
        ({"content": "s."}, None),
        ({}, "stop"),
    ]
    assert {chunk["object"] for chunk in (*tokens, usage)} == {"chat.completion.chunk"}
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    assert done is DONE


def test_a_stream_without_a_wish_for_it_has_no_usage() -> None:
    served = world(lambda sent: "Yes.")
    came = served.run(read(served.stream(body(), None)))
    assert [chunk.get("usage") for _, chunk in came] == [None] * 4


def test_a_stream_may_break_off() -> None:
    served = world(lambda sent: Say("Yes.", breaks_off=True))
    came = served.run(read(served.stream(body(), None)))
    assert came[-1][1]["choices"][0]["delta"] == {"content": "Yes."}


def test_a_stream_that_is_left_frees_its_slot_at_once() -> None:
    served = world(slots=1)

    async def leave() -> None:
        async with aclosing(served.stream(body(), None)) as chunks:
            async for chunk in chunks:
                if chunk["choices"][0]["delta"].get("content"):
                    break

    async def main() -> None:
        await asyncio.gather(leave(), served.chat(body(), None))

    served.run(main())
    assert ends(served) == [1.1, 3.1]
    assert (served.books.generated, served.books.abandoned, served.books.zombies) == (11, 1, 0)


def test_a_stream_that_waits_may_be_left() -> None:
    served = world(slots=1)

    async def main() -> None:
        waiting = for_(1.0, read(served.stream(body(), None)))
        await asyncio.gather(served.chat(body(), None), waiting)

    served.run(main())
    assert served.books.generated == 10
    assert served.books.idle_at == served.seconds == 2.0


# Whole replies that are left.


def test_a_whole_reply_that_is_left_is_generated_to_its_end() -> None:
    served = world(slots=1)

    async def main() -> None:
        await asyncio.gather(for_(1.5, served.chat(body(), None)), at(0.5, served.chat(body(), None)))

    served.run(main())
    assert ends(served) == [1.5, 4.0]
    assert (served.books.generated, served.books.abandoned, served.books.zombies) == (20, 10, 5)


def test_a_whole_reply_that_is_left_in_the_queue_is_generated_too() -> None:
    served = world(slots=1)

    async def main() -> None:
        await asyncio.gather(served.chat(body(), None), for_(1.0, served.chat(body(), None)))

    served.run(main())
    assert (served.seconds, served.books.idle_at) == (2.0, 4.0)
    assert served.books.zombies == 10


def test_a_whole_reply_that_is_left_ends_after_a_quiet_time() -> None:
    served = world(lambda sent: Reply("", tokens=100), quiet=1.0)
    served.run(served.chat(body(), None))
    assert served.books.idle_at == 11.0
    served.run(for_(1.55, served.chat(body(), None)))
    assert served.books.idle_at == 2.55
    assert served.server.busy == 0


def test_a_reply_to_another_client_interrupts_the_quiet_time() -> None:
    served = world(lambda sent: Reply("", tokens=100 if sent.number else 5), quiet=1.0)

    async def main() -> None:
        await asyncio.gather(served.chat(body(), None), for_(2.5, served.chat(body(), None)))

    served.run(main())
    assert ends(served) == [3.0, 2.5]
    assert served.books.idle_at == 4.0


def test_after_a_quiet_time_even_a_silent_reply_that_is_left_ends() -> None:
    served = world(lambda sent: Reply("", tokens=10) if sent.number else HANG, slots=1, quiet=1.0)

    async def main() -> None:
        await asyncio.gather(for_(1.5, served.chat(body(), None)), served.chat(body(), None))

    served.run(main())
    assert ends(served) == [1.5, 4.5]


def test_a_stream_to_another_client_interrupts_the_quiet_time() -> None:
    served = world(lambda sent: Reply("", tokens=20), quiet=1.0)

    async def main() -> None:
        await asyncio.gather(for_(3.0, served.chat(body(), None)), read(served.stream(body(), None)))

    served.run(main())
    assert served.books.abandoned == 20


# Several choices.


def test_choices_wait_for_a_slot_each_and_later_calls_wait_behind_them() -> None:
    served = world(slots=3)

    async def main() -> None:
        await asyncio.gather(
            served.chat(body(), None), served.chat(body(n=3), None), served.chat(body(), None)
        )

    served.run(main())
    assert ends(served) == [2.0, 6.0, 8.0]


def test_one_prompt_serves_all_choices_and_usage_counts_the_first() -> None:
    texts = ["Yes.", "It is so.", "No, as far as I know."]
    served = world(lambda sent: texts[sent.choice])
    reply = served.run(served.chat(body(n=3), None))
    assert [choice["message"]["content"] for choice in reply["choices"]] == texts
    assert reply["usage"]["completion_tokens"] == 1
    assert served.books.generated == 1 + 3 + 6
    assert served.seconds == 2.0


def test_usage_may_count_all_choices() -> None:
    served = world(counts_all_choices=True)
    assert served.run(served.chat(body(n=3), None))["usage"]["completion_tokens"] == 30


@pytest.mark.parametrize(
    ("settings", "bound"),
    [({"slots": 2}, 2), ({"slots": 4, "most_choices": 1}, 1), ({"slots": 2, "most_choices": 4}, 2)],
)
def test_more_choices_than_allowed_are_refused(settings: dict[str, Any], bound: int) -> None:
    served = world(**settings)
    error = refusal(served, served.chat(body(n=bound + 1), None))
    assert (error.status, error.retryable) == (400, False)
    assert error.message == f"Field 'n': Value must be between 1 <= value <= {bound}, but got {bound + 1}"


def test_choices_of_a_stream_come_side_by_side() -> None:
    served = world(lambda sent: f"No. {sent.choice}")
    came = served.run(read(served.stream(body(n=2), None)))
    content = [c["choices"][0] for _, c in came if c and c["choices"][0]["delta"].get("content")]
    assert [(choice["index"], choice["delta"]["content"]) for choice in content] == [
        *((0, "No"), (1, "No"), (0, ". 0"), (1, ". 1")),
    ]


# Context and length.


def test_a_prompt_that_fills_the_context_is_refused() -> None:
    served = world(n_ctx=10)
    error = refusal(served, served.chat(body(), None))
    assert error.status == 400
    assert error.upstream_body == {
        "error": {
            "code": 400,
            "message": "request (10 tokens) exceeds the available context size (10 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 10,
            "n_ctx": 10,
        }
    }


@pytest.mark.parametrize(
    ("n_ctx", "fields"),
    [(13, {}), (4096, {"max_tokens": 3}), (4096, {"max_completion_tokens": 3}), (13, {"max_tokens": 9})],
)
def test_a_reply_ends_where_its_room_does(n_ctx: int, fields: dict[str, Any]) -> None:
    served = world(lambda sent: "The answer is 4.", n_ctx=n_ctx)
    choice = served.run(served.chat(body(**fields), None))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The answer i", "length")


def test_a_call_that_is_silent_for_ever_keeps_its_slot_but_no_share_of_the_machine() -> None:
    served = world(
        lambda sent: HANG if sent.number == 0 else "Yes.", slots=2, rate=lambda busy: 10.0 * busy / busy
    )

    async def main() -> None:
        hanging = asyncio.ensure_future(served.chat(body(), None))
        await at(1.0, served.chat(body(), None))
        hanging.cancel()

    served.run(main())
    assert ends(served)[1] == 2.1
    assert served.server.busy == 1
    assert served.run(at(0.0, served.chat(body(), None)))["usage"]["completion_tokens"] == 1
    assert served.server.busy == 0


# The server itself.


def get(served: SlotWorld, url: str) -> Relay:
    return served.run(served.relay(RawRequest("GET", url)))


def test_the_server_reports_its_slots() -> None:
    served = world(slots=2, n_ctx=512)
    props = json.loads(get(served, f"{ROOT}/props").body or b"")
    assert (props["total_slots"], props["default_generation_settings"]["n_ctx"]) == (2, 512)

    async def main() -> Relay:
        calling = asyncio.ensure_future(served.chat(body(), None))
        slots = await at(1.0, served.relay(RawRequest("GET", f"{ROOT}/slots")))
        await calling
        assert isinstance(slots, Relay)
        return slots

    slots = json.loads(served.run(main()).body or b"")
    assert [slot["is_processing"] for slot in slots] == [True, False]


def test_a_server_without_props_does_not_report_its_slots() -> None:
    served = world(props=False)
    assert [get(served, f"{ROOT}{path}").status for path in ("/props", "/slots", "/v1/models")] == [
        404,
        404,
        200,
    ]
    assert get(world(), "/props").status == 404  # which is no page below /v1


def test_streams_may_be_refused() -> None:
    served = world(streams=False)
    error = refusal(served, read(served.stream(body(), None)))
    assert (error.status, error.message) == (400, "streaming is not supported")


def test_a_restart_breaks_off_refuses_and_loads() -> None:
    served = world(slots=1, restart=Restart(down=1.5, up=3.0, ready=5.0))

    async def main() -> list[Any]:
        calls = [
            read(served.stream(body(), None)),
            *(at(t, served.chat(body(), None)) for t in (0.0, 2, 4, 6)),
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    *failures, reply = served.run(main())
    assert [(f.status, f.retryable, f.message) for f in failures] == [
        (502, True, "the upstream broke off the connection"),
        (502, True, "the upstream broke off the connection"),
        (502, True, "the upstream cannot be reached: connection refused (127.0.0.1:8080)"),
        (503, True, "Loading model"),
    ]
    assert reply["usage"]["completion_tokens"] == 10
    assert ends(served) == [1.5, 1.5, 2.0, 4.0, 8.0]
    assert served.books.abandoned == 5


# Through the engine.


def test_a_plain_request_is_passed_on() -> None:
    served = world()
    relay = served.run(served.serve("m", PROMPT))
    assert isinstance(relay, Relay)
    assert json.loads(relay.body or b"")["choices"][0]["message"]["content"] == "The answer is 4."
    assert served.seconds == 2.0


def test_a_plain_stream_is_passed_on_as_it_comes() -> None:
    served = world(lambda sent: Reply("Yes.", tokens=2))

    async def main() -> list[tuple[float, bytes]]:
        relay = await served.serve("m", PROMPT, stream=True)
        assert isinstance(relay, Relay)
        assert relay.chunks is not None
        return await read(relay.chunks)

    came = served.run(main())
    assert {moment for moment, _ in came} == {1.1, 1.2}
    assert came[-1][1] == b"data: [DONE]\n\n"


def test_a_plain_request_is_passed_on_to_be_refused() -> None:
    served = world(n_ctx=10)
    for stream in (False, True):
        relay = served.run(served.serve("m", PROMPT, stream=stream))
        assert isinstance(relay, Relay)
        assert relay.status == 400
        assert json.loads(relay.body or b"")["error"]["type"] == "exceed_context_size_error"


def test_a_plain_request_to_a_server_that_is_down_fails() -> None:
    served = world(restart=Restart(down=0.0, up=1.0, ready=1.0))
    error = refusal(served, served.relay(RawRequest("GET", f"{ROOT}/props")))
    assert error.status == 502


def test_many_requests_at_once_each_have_their_calls() -> None:
    served = world(lambda sent: "The answer is 4." if sent.role == "generate" else "A")
    completions = served.at_once([("bon-m", "What is 2 + 2?"), ("bon-m", "And what is 3 + 1?")])
    assert len(completions) == 2
    assert {sent.role for sent in served.sent} == {"generate"}
    assert not any(isinstance(completion, BaseException | Stream) for completion in completions)


@pytest.mark.parametrize("said", [{"choices": []}, Say("Yes.", seconds=3.0)], ids=["wire", "seconds"])
def test_a_script_that_a_server_with_slots_cannot_play_is_a_mistake(said: Any) -> None:
    served = world(lambda sent: said)
    with pytest.raises(AssertionError):
        served.run(served.chat(body(), None))


def test_a_technique_that_writes_is_read_token_by_token() -> None:
    served = world(lambda sent: Reply("The answer is 4.", tokens=8))
    events = served.events("re2-m", PROMPT)
    texts = [(moment, event.content) for moment, event in events if isinstance(event, Delta)]
    assert "".join(text for _, text in texts) == "The answer is 4."
    assert len({moment for moment, _ in texts}) == 8


def test_the_ideal_is_the_time_with_all_slots_busy() -> None:
    served = world(slots=2, rate=lambda busy: 5.0 * busy)
    served.run(both(served))
    assert served.ideal_seconds == served.seconds == 4.0
    served.run(served.chat(body(), None))
    assert served.seconds == 3.0
    assert served.ideal_seconds == 6.0
    assert served.books.busy_seconds == pytest.approx(8.0 + 3.0)


def test_a_reply_may_say_nothing_of_its_usage() -> None:
    served = world(lambda sent: Say("Yes.", usage=None))
    assert "usage" not in served.run(served.chat(body(), None))
