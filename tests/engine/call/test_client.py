"""What is sent to an upstream, and how its reply is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from optillm.chat import Usage
from optillm.engine.call.call import Blank, Call, Result
from optillm.engine.call.client import Client
from optillm.engine.memory import Memory
from optillm.engine.upstream.limiter import Limiters
from optillm.engine.upstream.routes import Route
from optillm.errors import UpstreamError
from tests.engine.call.layers import call
from tests.fakes import Say, Sent, World, run

LINES = "The answer\nis 4.\n"
STREAMED = {"stream": True}


def sent(
    script: Callable[[Sent], Any],
    made: Call | None = None,
    *,
    keyed: bool = False,
    parameters: Mapping[str, bool] = MappingProxyType({}),
) -> tuple[Result, World]:
    """The result of a call, and the upstream that it went to."""
    made, world = made or call(), World(script)
    made.route = Route(world, Limiters(8), keyed=keyed)
    made.body = {**made.body, **parameters}
    return run(Client("Bearer x", Memory().of_request())(made)), world


@pytest.mark.parametrize("parameters", [{}, {"stream": True}])
def test_a_reply_is_the_same_whole_and_as_a_stream(parameters: dict[str, bool]) -> None:
    (replies, usage), world = sent(lambda _: LINES, parameters=parameters)
    assert [reply.text for reply in replies] == [LINES]
    assert usage == Usage(10, 5)
    assert dict(world.sent[0].body) == {**call().body, **parameters}


@pytest.mark.parametrize(("keyed", "authorization"), [(False, "Bearer x"), (True, None)])
def test_the_clients_key_goes_to_upstreams_without_one_of_their_own(
    keyed: bool, authorization: str | None
) -> None:
    _, world = sent(lambda _: LINES, keyed=keyed)
    assert world.sent[0].authorization == authorization


class Shown(list[str]):
    """What a client was shown."""

    async def show(self, text: str) -> None:
        self.append(text)


@pytest.mark.parametrize(
    ("parameters", "pieces"), [({}, ["The answer\n", "is 4.\n"]), ({"stream": False}, [LINES])]
)
def test_a_client_that_watches_is_shown_the_text_as_it_comes_or_at_once_where_there_are_no_streams(
    parameters: dict[str, bool], pieces: list[str]
) -> None:
    shown = Shown()
    made = call(on_text=shown.show)
    sent(lambda _: LINES, made, parameters=parameters)
    assert shown == pieces
    assert made.history.shown


def test_what_is_shown_passes_the_screen_first() -> None:
    shown = Shown()

    def screen(emit: Any) -> Any:
        async def capitals(text: str) -> None:
            if "4" in text:
                await emit(text.upper())

        return capitals

    sent(lambda _: LINES, call(on_text=shown.show, screen=screen))
    assert shown == ["IS 4.\n"]


def test_a_stream_that_goes_on_after_it_has_said_enough_is_ended() -> None:
    made = call(until=lambda text: "4" in text)
    (replies, usage), world = sent(lambda _: LINES + "But wait.\nNo.\n", made, parameters=STREAMED)
    assert replies[0].text.startswith("The answer\nis 4.\n")
    assert "No." not in replies[0].text
    assert usage.estimated
    assert world.sent[0].outcome == "cancelled"


@pytest.mark.parametrize("parameters", [{}, {"stream": True}])
def test_a_reply_that_says_nothing_is_an_error_that_keeps_it(parameters: dict[str, bool]) -> None:
    made, shown = call(), Shown()
    made.on_text = shown.show
    with pytest.raises(Blank):
        sent(lambda _: Say(""), made, parameters=parameters)
    assert made.history.blank is not None
    assert [reply.text for reply in made.history.blank.replies] == [""]
    assert not made.history.shown


def test_the_usage_of_a_reply_that_cannot_be_used_is_known() -> None:
    made = call()
    empty = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 0}}
    with pytest.raises(UpstreamError, match="no choices"):
        sent(lambda _: empty, made)
    assert made.usage == Usage(10, 0)


def test_the_usage_of_a_stream_that_breaks_off_is_estimated() -> None:
    made = call()
    with pytest.raises(UpstreamError):
        sent(lambda _: Say(LINES, breaks_off=True), made, parameters=STREAMED)
    assert made.usage is not None
    assert made.usage.estimated
    assert made.usage.completion_tokens == 5
