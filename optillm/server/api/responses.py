"""Turn what the engine returns into responses: a relayed reply, a completion, a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from errno import ECONNRESET
from functools import partial
from typing import Final

from flask import Response, g

from optillm.chat import ChatRequest, Completion, Relay, Stream
from optillm.errors import Cancelled, OptillmError
from optillm.server.access.origins import own_url
from optillm.server.api import sse
from optillm.server.api.wire import completion_json
from optillm.server.batches import Batches
from optillm.server.bridge import ClientGone
from optillm.server.errors import explain

JSON: Final = "application/json"
EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n")
"""What separates the events of a stream."""


def trace_header(trace_id: str | None) -> dict[str, str]:
    """Return the header that names the stored trace of a request; none if there is no trace."""
    return {} if trace_id is None else {"x-optillm-trace": trace_id}


def trace_url(trace_id: str | None) -> str | None:
    """Return the address of the page that shows a stored trace, as this client reaches it."""
    return None if trace_id is None else own_url(f"/traces/{trace_id}")


def never() -> bool:
    """Return that nobody has cancelled the request."""
    return False


def completed(completion: Completion) -> Response:
    """Return a technique's answer as a response."""
    trace_id = completion.report.trace_id
    report = replace(completion.report, trace_url=trace_url(trace_id))
    headers = {
        **trace_header(trace_id),
        "x-optillm-technique": report.technique,
        "x-optillm-calls": str(sum(report.calls.values())),
        "x-optillm-rounds": str(report.rounds),
        "x-optillm-stop-reason": report.stop_reason,
        "x-optillm-turn": report.turn,
    }
    content = completion_json(replace(completion, report=report))
    return Response(content, headers=headers, content_type=JSON)


def streamed(stream: Stream, chat_request: ChatRequest, silence: float) -> Response:
    """Return a running technique as a stream of events.

    The stream shows a sign of life after `silence` seconds without an event (0: never).
    """
    batches = Batches(stream.events, silence)
    explained = partial(explain, request_id=g.request_id)
    chunks = sse.Chunks(stream, chat_request, trace_url(stream.trace_id))
    events = chunks.events(batches, explained, chat_request.sender.called_off)
    technique = {} if stream.technique is None else {"x-optillm-technique": stream.technique}
    headers = {**sse.HEADERS, **technique, **trace_header(stream.trace_id)}
    response = Response(events, headers=headers, content_type=sse.MEDIA_TYPE)
    response.call_on_close(
        batches.close
    )  # the generator's own cleanup would not run if it were never started
    return response


def relayed(relay: Relay, called_off: Callable[[], bool] = never) -> Response:
    """Return an upstream's own reply, with its status and bytes unchanged.

    A stream is passed on as it comes.
    """
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
    """Yield the chunks of a relay.

    If it breaks off between two events, an error event ends it. Anywhere else, raises `ConnectionResetError`.
    """
    end = b"\n\n"
    try:
        for batch in batches:
            chunk = b"".join(batch)
            end = (end + chunk)[-4:]
            yield chunk
    except ClientGone as left:
        if not called_off():
            return
        if not (events and end.endswith(EVENT_ENDS)):
            raise ConnectionResetError(ECONNRESET, "the request was cancelled") from left
        yield sse.error_event(Cancelled())
    except Exception as error:
        explained = explain(error)
        if not (events and end.endswith(EVENT_ENDS)):
            # If the reply simply ended here, the client would take it for whole.
            raise ConnectionResetError(ECONNRESET, "the upstream's reply broke off") from error
        yield sse.error_event(explained)
