"""Ask judges: how a verdict is requested, with which limit, what an odd reply means.

A verdict is requested with reasons first unless a model's reasoned verdicts have been unreadable too often; then it is
requested directly. A judge that answers the question instead of judging has voted for the candidate with its answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel

from optillm.chat import Reply, ReplyKind, VerdictStyle
from optillm.engine.call.calls import Calls
from optillm.engine.call.ledger import JUDGE
from optillm.engine.call.payload import Payload
from optillm.engine.run.candidates import ReplyScreen
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Candidate
from optillm.toolkit.answers import FinalAnswer
from optillm.toolkit.judging import verdicts
from optillm.toolkit.judging.forms import SHAPES, Mode, closing, response_format, token_limit
from optillm.toolkit.judging.verdicts import Preference, Ranking, Rating
from optillm.trace import Judgement

T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)

ANSWERED: Final = "answered"
"""What verdicts implied by a judge's own answer are counted as; the others are counted by their mode."""
SAME_ANSWER: Final = 7.5
"""The score, out of ten, of a candidate with the judge's own answer; another answer scores as far below the middle.

This is halfway between undecided and certain: the judge may be as wrong as the candidate.
"""
_SCALE: Final = 10.0
LEAST_REPEATED: Final = 2000
"""The fewest repeated characters that end a helper's text: programs and tables may repeat themselves."""


@dataclass(frozen=True, slots=True)
class Ballot(Generic[V]):
    """The kind of verdict that is requested, the labels it may name, and their candidates.

    The candidates may not be known.
    """

    verdict: type[V]
    labels: str = ""
    candidates: Sequence[Candidate] = ()

    @property
    def has_form(self) -> bool:
        """Whether `forms` can request such a verdict, so that the prompt need not."""
        return self.verdict in SHAPES

    def read(self, text: str) -> V | None:
        """Return the verdict that a reply states; `None` if it states none."""
        return verdicts.read(text, self.verdict, self.labels)

    def is_complete(self, text: str) -> bool:
        """Return whether a reply that is still being written is a verdict and nothing else."""
        return verdicts.is_complete(text, self.verdict, self.labels)

    def implied(self, answer: FinalAnswer) -> V | None:
        """Return the verdict of a judge that gave its own answer.

        Returns `None` if that favours no single candidate.
        """
        answers = [candidate.answer for candidate in self.candidates]
        matching = [index for index, other in enumerate(answers) if other and other.matches(answer)]
        if issubclass(self.verdict, Rating):
            return self._implied_rating(answer) if len(answers) == 1 else None
        if len(matching) != 1 or len(answers) < 2:
            return None
        label: Any = self.labels[matching[0]]
        if issubclass(self.verdict, Ranking):
            return self.verdict(ranking=[label])
        return self.verdict(better=label) if issubclass(self.verdict, Preference) else None

    def _implied_rating(self, answer: FinalAnswer) -> Any:
        other = self.candidates[0].answer
        if other is not None and other.matches(answer):
            return self.verdict(score=SAME_ANSWER)
        if other is None or other.kind != answer.kind or other.in_words:
            return None  # it may say the same in different words
        return self.verdict(score=_SCALE - SAME_ANSWER)


class Compose(Protocol):
    """Makes the call that puts a prompt to a judge.

    Without a limit, the reply may be a long text.
    """

    def __call__(
        self, prompt: str, *, limit: int | None = None, response_format: dict[str, Any] | None = None
    ) -> Payload:
        """Return the call."""


@dataclass(frozen=True, slots=True)
class Judges:
    """Puts questions to judges and helpers for one request.

    `fence` marks what prompts quote; `style` is how the operator wants verdicts requested.
    """

    calls: Calls
    screen: ReplyScreen
    fence: str
    style: VerdictStyle = "auto"

    async def text(self, payload: Payload) -> str | None:
        """Return what a helper writes; `None` if that is nothing."""
        self.calls.ledger.judge_calls += 1
        reply = await self._reply(payload, partial(verdicts.is_endless, least=LEAST_REPEATED))
        return self._counted(None if reply is None else reply.text or None)

    async def verdict(
        self, ballot: Ballot[V], prompt: str, model: str, compose: Compose, question: str
    ) -> V | None:
        """Return the verdict of a judge; `None` for an abstention.

        A judge that is cut off while it thinks is asked once more, with room for thoughts.
        """
        self.calls.ledger.judge_calls += 1
        mode = self._mode(model)
        judgement = Judgement(ballot.verdict, ballot.candidates, ballot.labels)
        composed = partial(_composed, ballot, prompt, mode, compose)
        reply = await self._verdict_reply(ballot, composed, model, judgement)
        if reply is None:
            judgement.unread = "no reply"
            return self._counted(None)
        text = _without_quotations(reply.text, self.fence, cut=reply.cut)
        verdict = judgement.verdict = ballot.read(text)
        judgement.unread = "no verdict" if verdict is None else None
        if not ballot.has_form:
            return self._counted(verdict)
        if reply.kind is not ReplyKind.REFUSAL:
            self.calls.routes.judged(model, reasoned=mode == "reasoned", read=verdict is not None)
        source = mode if verdict is not None else ANSWERED
        if verdict is None and ballot.candidates and not _speaks_of_candidates(text):
            cut = reply.cut or verdicts.is_endless(text)
            answer = await self.screen.answer(_unwrapped(text), question, cut=cut)
            if answer is not None:
                verdict = judgement.verdict = ballot.implied(answer)
                judgement.unread = "other answer" if verdict is None else None
        if verdict is not None:
            judgement.source = source
            self.calls.ledger.verdicts[source] += 1
        return self._counted(verdict)

    async def _verdict_reply(
        self, ballot: Ballot[V], composed: Callable[[bool], Payload], model: str, judgement: Judgement
    ) -> Reply | None:
        """Return the reply of a judge, `composed` with or without room for thoughts.

        Returns `None` if it fails.
        """

        def until(text: str) -> bool:
            return verdicts.is_endless(text) or ballot.is_complete(text)

        thinks = self.calls.routes.thinks(model)
        reply = await self._reply(composed(thinks), until, judgement)
        cut_short = reply is not None and _only_thought(reply) and ballot.has_form and not thinks
        if cut_short and self.calls.routes.thinks(model):
            reply = await self._reply(composed(True), until, judgement)
        return reply

    def _mode(self, model: str) -> Mode:
        if self.style != "auto":
            return self.style
        return "direct" if self.calls.routes.reasons_in_vain(model) else "reasoned"

    async def _reply(
        self, payload: Payload, until: Callable[[str], bool], judgement: Judgement | None = None
    ) -> Reply | None:
        try:
            return (await self.calls.complete(JUDGE, payload, until, judgement))[0]
        except (UpstreamError, BudgetExhausted):
            return None

    def _counted(self, result: T | None) -> T | None:
        ledger = self.calls.ledger
        if result is None:
            ledger.count_loss("abstained")
        else:
            ledger.judge_replies += 1
        return result


def _composed(ballot: Ballot[Any], prompt: str, mode: Mode, compose: Compose, thinks: bool) -> Payload:
    """Return the call that requests a verdict.

    A model that thinks gets the room of a long text, and no schema: some servers would apply it to the thoughts.
    """
    if not ballot.has_form:
        return compose(prompt)
    prompt = f"{prompt.rstrip()}\n\n{closing(ballot.verdict, mode)}"
    if thinks:
        return compose(prompt)
    schema = response_format(ballot.verdict, ballot.labels, mode)
    return compose(prompt, limit=token_limit(ballot.labels, mode), response_format=schema)


def _only_thought(reply: Reply) -> bool:
    """Return whether a reply was cut before its first word."""
    return reply.cut and reply.kind is ReplyKind.EMPTY


def _without_quotations(text: str, fence: str, *, cut: bool) -> str:
    """Return what a judge says itself, without the quotations of its prompt.

    A candidate that it repeats is no verdict. A quotation that does not close goes on to the end of a reply that was
    cut off; elsewhere its tag is only mentioned.
    """
    text = re.sub(rf"<(\w+)-{fence}\b[^>]*>.*?</\1-{fence}>", "", text, flags=re.DOTALL)
    return re.sub(rf"<\w+-{fence}\b[^>]*>.*\Z", "", text, flags=re.DOTALL) if cut else text


_OF_CANDIDATES = re.compile(
    r"\b(?i:answers?|candidates?|solutions?|options?|responses?|drafts?) [A-Z]\b|^\W{0,3}[A-Z]\W{0,3}:"
    r"|\b(?i:this|the|its|their) (?:candidate|solution|author)(?:'s|\u2019s)?\b|\b(?i:its) (?:final )?answer\b",
    re.MULTILINE,
)


def _speaks_of_candidates(text: str) -> bool:
    """Return whether a judge speaks of what it was shown.

    An answer in its reply may then be one that it rejects.
    """
    return _OF_CANDIDATES.search(text) is not None


_OPENING = re.compile(r'\s*\{\s*"\w{1,20}"\s*:\s*"')


def _unwrapped(text: str) -> str:
    """Return the reasons in a JSON verdict that was cut off inside them.

    Any other text is returned as it is.
    """
    opening = _OPENING.match(text)
    if opening is None:
        return text
    return text[opening.end() :].replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
