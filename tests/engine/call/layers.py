"""One layer at a time: a call as the layers above would hand it down, and a fake `next` below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from optillm.chat import Reply, Usage
from optillm.engine.call.call import Call, Result
from optillm.engine.call.payload import Payload
from optillm.engine.upstream.limiter import Limiters
from optillm.engine.upstream.routes import Route
from optillm.trace import CallSpan
from tests.fakes import Sent, World

ANSWER: Final = "The answer is 4."


def result(*texts: str, usage: Usage = Usage(10, 5)) -> Result:  # noqa: B008 - a value
    """A completion with these choices, by default one."""
    replies = [Reply({"role": "assistant", "content": text}, "stop") for text in texts or (ANSWER,)]
    return Result(replies, usage)


def route(name: str = "default", **more: Any) -> Route:
    """A way to an upstream that nothing is sent to."""
    return Route(World(_unreachable), Limiters(8), name=name, **more)


def _unreachable(sent: Sent) -> str:
    raise AssertionError("the layers below are a fake")


def call(role: str = "generate", parameters: Mapping[str, Any] | None = None, **more: Any) -> Call:
    """A call in the state in which any layer may get it."""
    payload = Payload("m", [{"role": "user", "content": "What is 2 + 2?"}], parameters or {})
    made = Call(role, payload, **more)
    made.span = CallSpan(role, 0.0)
    made.route = route()
    made.body = payload.body
    return made


class Next:
    """The layers below: what each of them does, one call after the other, the last outcome over and over."""

    def __init__(self, *outcomes: Result | BaseException | Callable[[Call], Awaitable[Result]]) -> None:
        self.calls: list[Call] = []
        self._outcomes = outcomes or (result(),)

    async def __call__(self, call: Call) -> Result:
        outcome = self._outcomes[min(len(self.calls), len(self._outcomes) - 1)]
        self.calls.append(call)
        if isinstance(outcome, Result):
            return outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return await outcome(call)
