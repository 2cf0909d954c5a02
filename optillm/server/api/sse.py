"""Render a running technique as server-sent events.

They are chunks, progress, signs of life, and errors after the first byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from optillm.chat import ChatRequest, Completion, Delta, Event, Note, Reply, Stream
from optillm.errors import Cancelled, OptillmError
from optillm.server.api.wire import dumps, finish_reason
from optillm.server.bridge import ClientGone

HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE: Final = b": keep-alive\n\n"
DONE: Final = b"data: [DONE]\n\n"
MIN_PIECE, MAX_PIECE = 20, 40  # characters in a piece of a replayed answer

_NOTHING: Final[Mapping[str, Any]] = {}
_OWN_DELTAS: Final = ("role", "content", "tool_calls")  # fields of a message that have deltas of their own


def error_event(error: OptillmError) -> bytes:
    """Return the end of a stream that fails after its first byte."""
    return b"data: " + dumps(error.body()) + b"\n\n" + DONE


def pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces that a reader can follow, cut after a blank where there is one.

    Nothing is lost.
    """
    start = 0
    while len(text) - start > MAX_PIECE:
        cut = max(text.rfind(blank, start + MIN_PIECE, start + MAX_PIECE) for blank in " \n")
        cut = start + MAX_PIECE if cut < 0 else cut + 1
        yield text[start:cut]
        start = cut
    if start < len(text):
        yield text[start:]


class Chunks:
    """Renders the events of one stream; all its chunks share id, creation time and model.

    `trace_url` is where its stored trace can be looked at.
    """

    def __init__(self, stream: Stream, request: ChatRequest, trace_url: str | None = None) -> None:
        self._trace_url = trace_url
        self._head: dict[str, Any] = {
            "id": stream.id,
            "object": "chat.completion.chunk",
            "created": stream.created,
            "model": stream.model,
        }
        self._usage: dict[str, Any] = {"usage": None} if request.include_usage else {}
        self._progress = request.progress
        self._choices = stream.choices
        self._shown: dict[int, int] = {}  # characters that the deltas of each choice have carried
        self.complete = False

    def events(
        self,
        batches: Iterable[list[Event]],
        explain: Callable[[Exception], OptillmError],
        called_off: Callable[[], bool],
    ) -> Iterator[bytes]:
        """Yield the bytes of the whole stream.

        The role comes at once, empty batches are signs of life, errors are events.
        """
        yield self._opened(0)
        try:
            for batch in batches:
                yield b"".join(map(self._event, batch)) if batch else KEEP_ALIVE
            if not self.complete:
                raise RuntimeError("the stream ended without its completion")
        except ClientGone:
            if called_off():  # by another request: this client is still there
                yield error_event(Cancelled())
        except Exception as error:  # noqa: BLE001 - rendered as the last event: the status has long been sent
            yield error_event(explain(error))
        else:
            yield DONE

    def _event(self, event: Event) -> bytes:
        if isinstance(event, Delta):
            opened = self._opened(event.index)
            self._shown[event.index] += len(event.content)
            return opened + self._delta(event.index, {"content": event.content})
        if isinstance(event, Note):
            return self._note(event.text)
        return self._end(event)

    def _opened(self, index: int) -> bytes:
        """Return the first chunk of a choice, or nothing if it has been sent."""
        if index in self._shown:
            return b""
        self._shown[index] = 0
        return self._delta(index, {"role": "assistant", "content": ""})

    def _note(self, text: str) -> bytes:
        if self._progress == "comments":
            return b"".join(b": " + line.encode() + b"\n" for line in text.splitlines() or [""]) + b"\n"
        if self._progress == "reasoning":
            return self._delta(0, {"reasoning_content": text + "\n"})
        return b""

    def _end(self, completion: Completion) -> bytes:
        """Return what has not been shown yet.

        That is the ends of all choices, the usage, and the report on the last chunk.
        """
        self.complete = True
        if completion.system_fingerprint is not None:
            self._head["system_fingerprint"] = completion.system_fingerprint
        replies = completion.replies[: self._choices]
        parts = [self._opened(index) + self._rest(index, reply) for index, reply in enumerate(replies)]
        ends = [[_choice(index, {}, reply)] for index, reply in enumerate(replies)]
        report = {"optillm": replace(completion.report, trace_url=self._trace_url).wire()}
        if self._usage:
            usage = completion.usage.wire() if completion.usage else None
            parts += [self._chunk(end) for end in ends]
            parts.append(self._chunk([], {"usage": usage, **report}))
        else:
            parts += [self._chunk(end) for end in ends[:-1]]
            parts.append(self._chunk(ends[-1], report))
        return b"".join(parts)

    def _rest(self, index: int, reply: Reply) -> bytes:
        other = {name: value for name, value in reply.message.items() if value and name not in _OWN_DELTAS}
        deltas: list[dict[str, Any]] = [other] if other else []
        deltas += [{"content": piece} for piece in pieces(reply.text[self._shown[index] :])]
        deltas += [
            {"tool_calls": [{"index": position, **call}]} for position, call in enumerate(reply.tool_calls)
        ]
        return b"".join(self._delta(index, delta) for delta in deltas)

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return self._chunk([_choice(index, delta)])

    def _chunk(self, choices: list[dict[str, Any]], extra: Mapping[str, Any] = _NOTHING) -> bytes:
        return b"data: " + dumps({**self._head, "choices": choices, **self._usage, **extra}) + b"\n\n"


def _choice(index: int, delta: dict[str, Any], ended: Reply | None = None) -> dict[str, Any]:
    return {
        "index": index,
        "delta": delta,
        "logprobs": ended.logprobs if ended else None,
        "finish_reason": finish_reason(ended) if ended else None,
    }
