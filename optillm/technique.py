"""The contract of a technique: what it is handed, what it may declare, what it gives back.

A technique is one module in `optillm/techniques/`: a docstring, prompts, `Options` and `run`. It sees the
world only through its `Context`; whether that is a live upstream or a scripted one is not its business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar, Literal, TypeVar, overload

from pydantic import BaseModel, ConfigDict

from optillm.chat import Message, Reply, ReplyKind
from optillm.toolkit.answers import FinalAnswer
from optillm.trace import Span

T = TypeVar("T")
H = TypeVar("H")
V = TypeVar("V", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Cost:
    """Upstream calls, and rounds of calls that wait for each other.

    `judge_calls` are those of the calls that judge or help. Beside the conversation and the technique's own words, all
    prompts together quote `quoted_answers` texts as long as an answer may be, and `quoted_judge_replies` as long as the
    reply to a judge call may be.
    """

    calls: int
    rounds: int
    judge_calls: int = 0
    quoted_answers: int = 0
    quoted_judge_replies: int = 0

    @classmethod
    def judging(cls, calls: int, *, quoted_answers: int = 0, quoted_judge_replies: int = 0) -> Cost:
        """Judge calls that are made together: one round, or none without any."""
        return cls(calls, min(calls, 1), calls, quoted_answers, quoted_judge_replies)

    def __add__(self, later: Cost) -> Cost:
        """This and then something else."""
        return replace(self | later, rounds=self.rounds + later.rounds)

    def __or__(self, beside: Cost) -> Cost:
        """This and something else at the same time."""
        return Cost(
            self.calls + beside.calls,
            max(self.rounds, beside.rounds),
            self.judge_calls + beside.judge_calls,
            self.quoted_answers + beside.quoted_answers,
            self.quoted_judge_replies + beside.quoted_judge_replies,
        )


class BaseOptions(BaseModel, ABC):
    """Options of a technique: each field has a default, bounds and a description.

    It is declared once. The declaration makes the command-line flag, the environment variable, the TOML key, the
    request field, the slug argument and the row of the documentation table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shrink_order: ClassVar[tuple[str, ...]] = ()
    """The options that get smaller when a budget is too small for them, the first one first."""

    ends_by_writing: ClassVar[bool] = False
    """Whether the last call writes the answer, so that time is kept for it."""

    needs_text: ClassVar[bool] = False
    """Whether the technique cannot work on tool calls: a request that forces one is a single plain call."""

    selects: ClassVar[str | None] = None
    """The option that says among how many candidates to choose, if the technique can choose among given ones."""

    needs: ClassVar[Literal["execution"] | None] = None
    """What the operator has to admit, by the setting `<slug>_execution`: that `Context.execute` runs programs."""

    @abstractmethod
    def worst_case(self, choices: int) -> Cost:
        """Return the most a request for so many choices can take, when every call is of use."""

    def other_models(self) -> Sequence[str]:
        """The models these options name, beside the one of the request."""
        named = (getattr(self, name) for name in type(self).model_fields if name.endswith("_model"))
        return [model for model in named if model is not None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One full reply to the client's request, a possible answer.

    `index` numbers the candidates of a request in the order they were asked for; `answer` is the final answer
    the text states, `None` for a free-form text; `copies` counts equal candidates this one stands for.
    """

    reply: Reply
    index: int = 0
    answer: FinalAnswer | None = None
    copies: int = 1

    @property
    def text(self) -> str:
        """Return the reply as judges see it: its content, and its tool calls with their arguments."""
        if not self.reply.actions or self.answer is None:
            return self.reply.text
        return f"{self.reply.text}\nTool calls: {self.answer.text}".lstrip()

    @property
    def refused(self) -> bool:
        """Whether the model declined to answer."""
        return self.reply.kind is ReplyKind.REFUSAL

    @property
    def complete(self) -> bool:
        """Whether the upstream finished this reply of its own accord."""
        return self.reply.kind is ReplyKind.OK

    def standing_for(self, copies: int) -> Candidate:
        """This candidate, counted `copies` times."""
        return replace(self, copies=copies)


StopReason = Literal["complete", "settled"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a technique returns: candidates, best first, and why it stopped.

    `settled` means that more calls would hardly change the answer, not that it is right; `complete` that the algorithm
    ran its course. The client's first choice is the first candidate, its second choice the second, and so on.
    """

    candidates: tuple[Candidate, ...]
    stop: StopReason = "complete"

    @classmethod
    def of(cls, *candidates: Candidate, stop: StopReason = "complete") -> Answer:
        """An answer from candidates, best first; there is at least one."""
        if not candidates:
            raise ValueError("an answer needs a candidate")
        return cls(candidates, stop)

    @classmethod
    def written(cls, candidates: Sequence[Candidate], otherwise: Candidate) -> Answer:
        """An answer from what the last call wrote; `otherwise` stands in where the model declined."""
        answers = [candidate for candidate in candidates if not candidate.refused]
        return cls.of(*(answers or [otherwise]))


class Context(ABC):
    """Everything a technique may touch. One context serves one request.

    Failures, retries, budgets, deadlines, streaming and the parameters of each call are the context's work;
    see docs/architecture.md for what reaches which call.
    """

    messages: Sequence[Message]
    """The conversation as sent."""

    question: str
    """The last user turn as text."""

    transcript: str
    """The conversation as quoted text, for prompts that talk about it rather than continue it."""

    choices: int
    """How many choices the client wants."""

    rng: Random
    """Chance, seeded by the request."""

    model: str
    """The upstream model this request names."""

    @abstractmethod
    async def sample(
        self,
        n: int,
        *,
        temperature: float | None = None,
        models: Sequence[str] = (),
        instructions: Sequence[str] = (),
        until: Callable[[Sequence[Candidate]], bool] | None = None,
    ) -> list[Candidate]:
        """Return candidates for the client's own conversation, requested in parallel.

        They are in the order requested. At most `n`: truncated ones come only when no complete one did, failed ones not
        at all, and stragglers are cut once a quorum is in. `models` and `instructions` are dealt out in turn; an
        instruction is one trailing message. Raises the most telling upstream error when no candidate is usable.

        `until` is called with the candidates so far whenever one arrives; once it returns true, the others are
        cancelled. The candidates are then in order of arrival.
        """

    @overload
    async def ask(
        self, prompt: str, *, model: str | None = None, temperature: float | None = 0.0
    ) -> str | None: ...

    @overload
    async def ask(
        self,
        prompt: str,
        *,
        verdict: type[V],
        candidates: Sequence[Candidate] = (),
        labels: str = "",
        model: str | None = None,
        temperature: float | None = 0.0,
    ) -> V | None: ...

    @abstractmethod
    async def ask(
        self,
        prompt: str,
        *,
        verdict: type[V] | None = None,
        candidates: Sequence[Candidate] = (),
        labels: str = "",
        model: str | None = None,
        temperature: float | None = 0.0,
    ) -> V | str | None:
        """Make one judging or helping call that the client never sees.

        Return the text of the reply, or the verdict read from it. The prompt says how to give a verdict, except for
        those of `optillm.toolkit.judging.verdicts`, which come with words of their own.
        `candidates` are those shown, in the order of their labels A, B, …; if something else is shown, `labels` are
        its labels. A verdict for any other label does not count. A judge that gives the answer of one candidate
        instead of a verdict has voted for that candidate. `None` is an abstention: the call failed, or said nothing
        that could be read. It is never to be counted against anybody.
        """

    @abstractmethod
    async def write(
        self,
        instruction: str | None = None,
        *,
        models: Sequence[str] = (),
        after: str | None = None,
        held: bool = False,
    ) -> list[Candidate]:
        """Make the last call, whose words are the answer: one candidate for each choice.

        The conversation plus one trailing instruction, streamed to the client when it asked for a stream.
        `models` are tried in order while nothing has reached the client. If `after` is given, it must be the `marker`:
        the client sees nothing up to the first line that consists of it. If `held`, it sees nothing before the
        technique returns, so that the text can still be replaced.
        """

    @property
    @abstractmethod
    def streams(self) -> bool:
        """Whether the client sees the text of `write` as it is written, unless it is held."""

    @abstractmethod
    async def proceed(self, messages: Sequence[Message]) -> Answer:
        """Go on with another form of the conversation: the next technique, else one plain call."""

    @property
    @abstractmethod
    def short_of_time(self) -> bool:
        """Whether another round would leave too little time for the call that writes the answer."""

    @property
    @abstractmethod
    def marker(self) -> str:
        """A line that no text of this request can contain, for replies of two parts.

        If a reply has such a line, its answer is what follows the first one, else the whole reply.
        """

    @abstractmethod
    def offer(self, candidate: Candidate, score: float = 0.0) -> None:
        """Keep this as the best answer so far when its score beats the kept one's."""

    answers_in_text: bool
    """Whether answers may be texts; not if the client forces a tool call."""

    executes: bool
    """Whether the operator lets the technique run programs of candidates; else `execute` returns `None`."""

    @abstractmethod
    async def execute(self, program: str) -> str | None:
        """What a Python program prints in the sandbox; `None` when it fails there in whatever way."""

    @abstractmethod
    async def gather(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """Run calls concurrently; results in the order given. A failure cancels the siblings."""

    @abstractmethod
    async def collect(
        self,
        *calls: Coroutine[Any, Any, T | None],
        enough: int | None = None,
        until: Callable[[Sequence[T]], bool] | None = None,
    ) -> list[T]:
        """Run calls concurrently; return their results in order of arrival.

        Stragglers are cut once most results, or `enough`, are in. A call that gives nothing (`None`, or anything empty)
        abstains: it is passed over and hurries nobody. `until` is called with the results so far whenever one arrives;
        once it returns true, the other calls are cancelled. It may also offer a better answer.
        """

    @abstractmethod
    async def beside(
        self, essential: Coroutine[Any, Any, T], *helpers: Coroutine[Any, Any, H | None]
    ) -> tuple[T, list[H | None]]:
        """Run a call and its helpers concurrently; helpers that are late or lost give `None`."""

    @abstractmethod
    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A named step in the trace."""

    @abstractmethod
    def say(self, text: str) -> None:
        """A line of progress, for clients that show it."""

    @abstractmethod
    def quote(self, label: str, text: str) -> str:
        """`text` as data behind a fence that no text of this request can close; judges are told so."""
