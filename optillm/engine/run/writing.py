"""Write the answer: the last call, streamed where possible, mended if it lacks the form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from optillm.chat import Reply, ReplyKind
from optillm.engine.call.call import Emit
from optillm.engine.call.calls import Calls
from optillm.engine.run.candidates import EMPTY, ReplyScreen
from optillm.engine.run.concurrency import most_telling, together
from optillm.engine.run.output import ClientStream, MarkerFilter
from optillm.engine.run.payloads import Bodies
from optillm.engine.run.quote_tags import TagFilter, Tags
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Candidate

MENDING: Final = "mend"
"""The step in which an answer is brought into the demanded form."""
ATTEMPTS: Final = 2
"""How many times a model is asked whose reply says nothing."""

MEND: Final = """\
This draft of an answer to my last message, quoted as data, does not have the form I asked for:
{draft}
The first thing wrong with it: {violation}
Write the answer again in that form, and nothing beside it.
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the answers of one part of a request's work, `choices` of them.

    `client` is the way to the client, who sees none of the `tags` around quoted text.
    """

    calls: Calls
    screen: ReplyScreen
    client: ClientStream
    tags: Tags
    bodies: Bodies
    question: str
    choices: int

    async def write(
        self, instruction: str | None, models: Sequence[str], *, after: str | None, streaming: bool
    ) -> list[Candidate]:
        """See `Context.write`; with `streaming`, the client sees the text as it is written."""
        errors, empty = list[Exception](), list[Candidate]()
        for model in dict.fromkeys(models):
            for _ in range(ATTEMPTS):
                try:
                    replies = await self._replies(model, instruction, after, streaming)
                except UpstreamError as error:
                    if self.client.text:
                        raise
                    errors.append(error)
                    break
                written = [await self.screen.candidate(reply, self.question) for reply in replies]
                usable = [candidate for candidate in written if candidate.reply.kind is not ReplyKind.EMPTY]
                if usable:
                    return usable
                self.calls.ledger.count_loss("empty")
                empty += written
                errors.append(UpstreamError("the upstream wrote nothing"))
        for candidate in empty:
            self.calls.ledger.offer(candidate, EMPTY)
        raise most_telling(errors)

    async def _replies(
        self, model: str, instruction: str | None, after: str | None, streaming: bool
    ) -> list[Reply]:
        payloads = [self.bodies.candidate(model, instruction, seed=seed) for seed in range(self.choices)]
        if streaming:
            payload = payloads[0].adding(stream_options={"include_usage": True})
            return [await self.calls.stream("write", payload, self.client.show, partial(self._filter, after))]
        replies = await together([self.calls.complete("write", payload) for payload in payloads])
        return [choices[0] for choices in replies]

    def _filter(self, after: str | None, show: Emit) -> Emit:
        """Return a filter before `show` that passes what follows the line `after`.

        It takes quotation tags out.
        """
        filtered = TagFilter(self.tags, show).show
        return filtered if after is None else MarkerFilter(after, filtered).show

    async def in_form(self, candidates: Sequence[Candidate], model: str) -> list[Candidate]:
        """Return the client's choices, each in the demanded form if possible.

        A choice that lacks the form is mended by one call of `model`. If that fails, another
        candidate replaces it.
        """
        chosen = candidates[: self.choices]
        spare = [candidate for candidate in candidates[self.choices :] if self.screen.has_form(candidate)]
        mended = await together([self._mended(candidate, model) for candidate in chosen])
        return [new or (spare.pop(0) if spare else old) for old, new in zip(chosen, mended, strict=True)]

    async def _mended(self, candidate: Candidate, model: str) -> Candidate | None:
        """Return the candidate, mended by one call if it lacks the form; `None` if that fails."""
        if self.screen.has_form(candidate):
            return candidate
        violation = self.screen.violation(candidate)
        instruction = MEND.format(draft=self.tags.quote("draft", candidate.text), violation=violation)
        try:
            with self.calls.trace.span(MENDING):
                replies = await self.calls.complete("write", self.bodies.candidate(model, instruction))
        except (UpstreamError, BudgetExhausted):
            replies = []
        for reply in replies[:1]:
            mended = await self.screen.candidate(reply, self.question)
            if self.screen.violation(mended) is None:
                return mended
        self.calls.ledger.count_loss("invalid")
        self.calls.ledger.degraded = True
        return None
