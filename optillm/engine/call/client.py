"""The last layer: it sends a call to its upstream and reads the reply, whole or as it comes."""

from __future__ import annotations

from contextlib import aclosing

from optillm.chat import Usage
from optillm.engine.call.call import Blank, Call, Result, is_blank
from optillm.engine.call.ledger import estimate
from optillm.engine.memory import Holding
from optillm.engine.upstream.choice_usage import of_all_choices
from optillm.engine.upstream.replies import DONE, Assembly, read_replies
from optillm.errors import UpstreamError


class Client:
    """Makes the calls of one request with its `authorization`, where that is passed through.

    `memory` is the account of the replies that the request keeps.
    """

    def __init__(self, authorization: str | None, memory: Holding) -> None:
        self._authorization = authorization
        self._memory = memory

    async def __call__(self, call: Call) -> Result:
        """Return the reply to the call's `body`.

        Raises `UpstreamError` if there is none that can be used. The body says whether the reply comes as a stream; if
        it does not say, one whose text is shown does.
        """
        streams = call.body.get("stream", call.on_text is not None)
        result = await (self._streamed(call) if streams else self._whole(call))
        if all(map(is_blank, result.replies)):
            call.history.blank = result
            raise Blank
        self._memory.keep(sum(len(reply.text) for reply in result.replies))
        if call.on_text is not None and not streams:  # the model gives no streams: show all of it at once
            await call.screen(call.show)(result.replies[0].text)
        return result

    async def _whole(self, call: Call) -> Result:
        """Return the choices of a whole reply."""
        wire = await call.route.upstream.chat(call.body, call.route.credential(self._authorization))
        reported = Usage.read(wire.get("usage"))
        call.usage = reported or (estimate(call.body) if wire.get("choices") else None)
        replies = read_replies(wire)
        if not replies:
            raise UpstreamError("the upstream's reply has no choices", retryable=True)
        texts = [reply.text for reply in replies]
        return Result(replies, of_all_choices(reported, texts) or estimate(call.body, "".join(texts)))

    async def _streamed(self, call: Call) -> Result:
        """Return the reply put together from a stream.

        It is shown as it comes, or ended when it has said enough.
        """
        emit = None if call.on_text is None else call.screen(call.show)
        assembly, enough = Assembly(), False
        chunks = call.route.upstream.stream(call.body, call.route.credential(self._authorization))
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    text = assembly.add(chunk)
                    if assembly.begun:
                        await call.piece_arrived()
                    if text and emit is not None:
                        await emit(text)
                    elif text and enough:  # it goes on; otherwise its end would have told the usage
                        assembly.add(DONE)
                        break
                    elif text and call.until is not None:
                        enough = call.until("".join(assembly.text))
            reply = assembly.reply()
        finally:
            usage = assembly.usage or estimate(call.body, "".join(assembly.text), assembly.pieces)
            call.usage = usage if assembly.chunks else None
        return Result([reply], usage)
