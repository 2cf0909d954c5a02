"""The layer that records a call in the trace, its retries and repetitions included."""

from __future__ import annotations

from optillm.engine.call.call import Call, Next, Result
from optillm.trace import Trace


class Traced:
    """Records each call as a span with its model and its tokens."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the result of `next`; the layers below add to the call's `span`."""
        with self._trace.call(call.role, **{"gen_ai.request.model": call.payload.model}) as call.span:
            span = call.span
            span.payload, span.judgement = call.payload, call.judgement
            result = await next(call)
            span.replies, span.usage = result.replies, result.usage
            span.attributes["gen_ai.usage.input_tokens"] = result.usage.prompt_tokens
            span.attributes["gen_ai.usage.output_tokens"] = result.usage.completion_tokens
            return result
