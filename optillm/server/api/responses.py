"""What the engine gives, as responses: an upstream's own reply, a completion, a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from errno import ECONNRESET
from functools import partial
from typing import Final

from flask import Response, g

from optillm.chat import ChatRequest, Completion, Relay, Stream
from optillm.errors import Cancelled, OptillmError
from optillm.server.api import sse
from optillm.server.api.wire import completion_json
from optillm.server.bridge import Batches, ClientGone
from optillm.server.errors import explain

JSON: Final = "application/json"
BETWEEN: Final = (b"\n\n", b"\r\n\r\n")
"""What ends an event of a stream."""


def never() -> bool:
    """Say that nobody has called the request off."""
    return False


def completed(completion: Completion) -> Response:
    """A technique's answer."""
    report = completion.report
    headers = {
        "x-optillm-technique": report.technique,
        "x-optillm-calls": str(sum(report.calls.values())),
        "x-optillm-rounds": str(report.rounds),
        "x-optillm-stop-reason": report.stop_reason,
        "x-optillm-turn": report.turn,
    }
    return Response(completion_json(completion), headers=headers, content_type=JSON)


def streamed(stream: Stream, chat_request: ChatRequest, silence: float) -> Response:
    """A technique at work, event by event."""
    batches = Batches(stream.events, silence)
    explained = partial(explain, request_id=g.request_id)
    events = sse.Chunks(stream, chat_request).events(batches, explained, chat_request.sender.called_off)
    technique = {} if stream.technique is None else {"x-optillm-technique": stream.technique}
    headers = {**sse.HEADERS, **technique}
    response = Response(events, headers=headers, content_type=sse.MEDIA_TYPE)
    response.call_on_close(batches.close)  # also when the server never asks for the first event
    return response


def relayed(relay: Relay, called_off: Callable[[], bool] = never) -> Response:
    """An upstream's own reply: its status and bytes as they are, as they come."""
    headers = {name.lower(): value for name, value in relay.headers.items()}
    media_type = headers.get("content-type", "application/octet-stream")
    if relay.chunks is None:
        return Response(relay.body, relay.status, headers, content_type=media_type)
    events = media_type.startswith(sse.MEDIA_TYPE)
    if events:
        headers |= sse.HEADERS
    batches = Batches(relay.chunks)
    chunks = forwarded(batches, events, partial(explain, request_id=g.request_id), called_off)
    response = Response(chunks, relay.status, headers, content_type=media_type)
    response.call_on_close(batches.close)
    return response


def forwarded(
    batches: Batches[bytes],
    events: bool,
    explain: Callable[[Exception], OptillmError],
    called_off: Callable[[], bool],
) -> Iterator[bytes]:
    """The chunks of a relay; when it breaks, an error event between two events, else a broken connection."""
    end = b"\n\n"
    try:
        for batch in batches:
            chunk = b"".join(batch)
            end = (end + chunk)[-4:]
            yield chunk
    except ClientGone as left:
        if not called_off():
            return
        if not (events and end.endswith(BETWEEN)):
            raise ConnectionResetError(ECONNRESET, "the request was cancelled") from left
        yield sse.error_event(Cancelled())
    except Exception as error:
        explained = explain(error)
        if not (events and end.endswith(BETWEEN)):
            # A reply that ended here as if it were whole would be a lie.
            raise ConnectionResetError(ECONNRESET, "the upstream's reply broke off") from error
        yield sse.error_event(explained)
