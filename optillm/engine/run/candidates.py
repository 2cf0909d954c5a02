"""Which replies of a round are usable; the others are kept for when there is nothing better.

Truncated and empty replies, refusals, and replies without the form that the client demands are treated alike for
every technique, here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Final

from optillm.chat import Reply, ReplyKind
from optillm.engine.call.ledger import Ledger
from optillm.engine.run import excerpts
from optillm.engine.run.concurrency import most_telling, quorum
from optillm.engine.run.quote_tags import Tags
from optillm.engine.run.structured import AnswerForm
from optillm.technique import Candidate
from optillm.toolkit import answers
from optillm.toolkit.answers import FinalAnswer
from optillm.trace import Trace

LAST_RESORT = (ReplyKind.TRUNCATED, ReplyKind.OK)
"""Kinds that may be returned when there is nothing better; a complete reply is one that lacks the demanded form."""
LOST: Final = {
    "truncated": "a reply was cut off at its length limit",
    "refusal": "a reply declined to answer",
    "empty": "a reply said nothing",
    "invalid": "a reply did not have the form that the request demands",
}
"""What is recorded of replies that are not usable."""
TOO_FEW: Final = "{usable} replies were usable, where {enough} would have been enough"
CUT, EMPTY = -1.0, -2.0
"""Scores of truncated and of empty replies: below all others, and some text is better than none."""


class Refused(Exception):
    """At least half of the usable replies decline the request.

    It is not our business to find a way around that.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        super().__init__("the upstream declined the request")
        self.candidates = candidates


class ReplyScreen:
    """Makes candidates of replies, and says what makes one unusable.

    `canonical` resolves a mathematical expression; `tags` mark what prompts quote and the answer of a two-part reply.
    """

    def __init__(
        self,
        ledger: Ledger,
        trace: Trace,
        form: AnswerForm | None,
        canonical: Callable[[str], Awaitable[str | None]],
        tags: Tags,
    ) -> None:
        self.ledger = ledger
        self.trace = trace
        self.form = form
        self._canonical = canonical
        self._tags = tags
        self._numbers = count()

    async def candidate(self, reply: Reply, question: str) -> Candidate:
        """Make a candidate of a reply to a question, with the final answer it states.

        The reply is reduced to what follows the request's marker, without quotation tags, and to what has the demanded
        form, if any.
        """
        whole, reply = reply, self._tags.without(excerpts.after(reply, self._tags.marker))
        if self.form is not None:
            reply = self.form.bare(reply)
        answer = await self._resolved(_answer(reply, question))
        candidate = Candidate(reply, next(self._numbers), answer)
        self.trace.add(candidate, whole)
        return candidate

    async def answer(self, text: str, question: str, *, cut: bool = False) -> FinalAnswer | None:
        """Return the final answer that a text gives, read as a candidate's would be.

        Returns `None` if there is none. In a text that was `cut` off, only an explicit statement of the answer counts.
        """
        return await self._resolved(answers.extract(text, question, cut=cut))

    async def _resolved(self, answer: FinalAnswer | None) -> FinalAnswer | None:
        if answer is None or answer.kind != "expression":
            return answer
        return answers.resolved(answer, await self._canonical(answer.value))

    def violation(self, candidate: Candidate) -> str | None:
        """Return how a candidate violates the form that the client demands; `None` if it does not."""
        return None if self.form is None else self.form.violation(candidate.reply)

    def has_form(self, candidate: Candidate) -> bool:
        """Return whether a candidate has the form that the client demands; a refusal need not."""
        return candidate.reply.kind is ReplyKind.REFUSAL or self.violation(candidate) is None

    def sample_round(self, wanted: int, *, limited: bool = False) -> SampleRound:
        """Return a round without replies yet.

        `limited` says that the client limits the length of its candidates.
        """
        return SampleRound(self, wanted, limited=limited)


class SampleRound:
    """The outcome of one round; `enough` of its candidates must be usable.

    If the client limits the length of a reply (`limited`), a truncated one is what the client asked for. It is not
    requested again, but complete ones are preferred.
    """

    def __init__(self, screen: ReplyScreen, wanted: int, *, limited: bool) -> None:
        self.enough = quorum(wanted)
        self.usable = 0
        self._limited = limited
        self._screen = screen
        self._ledger = screen.ledger
        self._cut: list[Candidate] = []
        self._withheld: list[Candidate] = []
        self._errors: list[Exception] = []

    @property
    def answers(self) -> int:
        """How many replies are usable, or truncated only by the client's own limit."""
        return self.usable + len(self._cut)

    @property
    def done(self) -> bool:
        """Whether to request no more: enough replies came, or the upstream is down."""
        return self.answers >= self.enough or bool(self._errors and not self.answers and not self._withheld)

    def fail(self, error: Exception) -> None:
        """Record a call that was lost."""
        self._errors.append(error)

    def take(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the usable candidates, and offer them as answers; keep the others as a last resort."""
        good = []
        for candidate in candidates:
            if self._limited and candidate.reply.cut:
                self._cut.append(candidate)
            elif not candidate.complete:
                self._withhold(candidate, candidate.reply.kind.value)
            elif self._screen.violation(candidate):
                self._withhold(candidate, "invalid")
            else:
                self._ledger.offer(candidate, 0.0)
                good.append(candidate)
        self.usable += len(good)
        return good

    def remainder(self) -> list[Candidate]:
        """Return what is left to work with if no candidate was usable; nothing if one was.

        Raises `Refused` when at least half of the replies decline, and the most telling error when nothing is left.
        """
        refusals = [each for each in self._withheld if each.reply.kind is ReplyKind.REFUSAL]
        if refusals and 2 * len(refusals) >= self.answers + len(refusals):
            raise Refused(refusals)
        if self.answers < self.enough:
            self._ledger.degraded = True
            self._screen.trace.decide("degraded", TOO_FEW, usable=self.answers, enough=self.enough)
        return [] if self.usable else self._last_resort()

    def _withhold(self, candidate: Candidate, loss: str) -> None:
        self._ledger.count_loss(loss)
        self._screen.trace.decide("lost", LOST[loss], candidate=candidate.index)
        self._withheld.append(candidate)

    def _last_resort(self) -> list[Candidate]:
        left = [*self._cut, *self._withheld]
        flawed = [candidate for candidate in left if candidate.reply.kind in LAST_RESORT]
        best = self._ledger.best
        sound = best is not None and best.complete and self._screen.violation(best) is None
        if sound or not flawed:
            for candidate in left:  # no technique can work on an empty reply, but it is better than an error
                if candidate.reply.kind is ReplyKind.EMPTY:
                    self._ledger.offer(candidate, EMPTY)
            raise most_telling(self._errors)
        for candidate in flawed:
            self._ledger.offer(candidate, CUT)
        return flawed


def _answer(reply: Reply, question: str) -> FinalAnswer | None:
    if reply.actions:
        return answers.of_tool_calls(reply.actions)
    return answers.extract(reply.text, question)
