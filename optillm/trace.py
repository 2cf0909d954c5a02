"""The trace of one request: named steps, upstream calls, and which call waited for which.

A call depends on the calls whose results its task had seen when it was issued. Each task carries that set in a
context variable, so the graph follows the flow of data, not the accident of timing: a call that queued behind its
siblings is still one round. Names follow OpenTelemetry's conventions for generative AI.

When a step or a call ends, one line is logged at the level debug.

Beside times and attributes, a trace refers to what the request has at hand anyway: payloads, replies, candidates,
verdicts. Nothing is copied or formatted for it while the request runs; whoever stores or shows the trace does that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeVar

from optillm.chat import Message, Reply, Usage

if TYPE_CHECKING:
    import networkx

    CallGraph = networkx.DiGraph[int]

T = TypeVar("T")
Status = Literal["running", "ok", "failed", "cancelled"]

_awaited: ContextVar[Set[int]] = ContextVar("calls whose results this task has awaited", default=frozenset())
_step: ContextVar[Span | None] = ContextVar("the innermost named step", default=None)


LOG_NAMES: Final = {"gen_ai.provider.name": "upstream"}
"""Attributes with a shorter name in the log; others are logged by the last part of their name."""

ENDED: Final = ("ok", "failed")
"""What became of the calls that ended of their own accord."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Span:
    """A named step inside another `step`, if any; times are in seconds of the trace's clock.

    What models wrote goes among the `texts`, which the reply's own trace does not have.
    """

    name: str
    start: float
    step: Span | None = None
    end: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)

    @property
    def parent(self) -> str | None:
        """Return the name of the step that this one is a part of."""
        return None if self.step is None else self.step.name

    @property
    def seconds(self) -> float:
        """Return how long the step took; 0 while it runs."""
        return 0.0 if self.end is None else self.end - self.start


class Sent(Protocol):
    """What a call sends, before it is adapted to an upstream."""

    @property
    def messages(self) -> Sequence[Message]:
        """The conversation that it goes on with, or the prompt of a judge."""

    @property
    def instruction(self) -> str | None:
        """What is added to the conversation."""

    def conversation(self) -> Sequence[Message]:
        """Return the messages with the instruction in its place."""


class Priced(Protocol):
    """What a model costs."""

    def of(self, usage: Usage) -> float:
        """Return the US dollars for so many tokens."""


@dataclass(slots=True)
class CallSpan(Span):
    """One upstream call, its retries included; `after` are the calls it had to wait for.

    `payload` is what it was to send and `body` what it sent in the end, `replies` are the choices that came back.
    `sent` is when it first left and `first_piece` when its reply began, if that came as a stream. `failure` is the
    status and the message of a failed call. With `judgement`, the call was to get the verdict of a judge.
    """

    id: int = 0
    after: Set[int] = frozenset()
    status: Status = "running"
    payload: Sent | None = None
    body: Mapping[str, Any] | None = None
    replies: Sequence[Reply] = ()
    usage: Usage | None = None
    price: Priced | None = None
    sent: float | None = None
    first_piece: float | None = None
    failure: tuple[int, str] | None = None
    judgement: Judgement | None = None


class Shown(Protocol):
    """A candidate, as far as a trace knows it."""

    @property
    def index(self) -> int:
        """Its number among the candidates of the request."""

    @property
    def reply(self) -> Reply:
        """What it says."""

    @property
    def text(self) -> str:
        """What judges see of it."""

    @property
    def answer(self) -> Any:
        """The final answer that it gives, `None` for a free-form text."""

    @property
    def complete(self) -> bool:
        """Whether the upstream finished it of its own accord."""


@dataclass(slots=True)
class Judgement:
    """What a judge is asked: a kind of verdict on candidates shown under `labels`.

    `verdict` is what was read and `source` how it was given. Without a verdict, `unread` says why: there was no reply,
    no verdict in it, or instead of one an answer that favours no single candidate.
    """

    kind: type
    candidates: Sequence[Shown] = ()
    labels: str = ""
    verdict: Any = None
    source: str | None = None
    unread: Literal["no reply", "no verdict", "other answer"] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that was decided, in words that may name fields of `data` in braces."""

    at: float
    step: Span | None
    kind: str
    text: str
    data: Mapping[str, Any]


class Trace:
    """Spans and calls of the request with this id; `clock` returns seconds from any fixed point."""

    def __init__(self, clock: Callable[[], float], request_id: str = "") -> None:
        self.clock = clock
        self.request_id = request_id
        self.spans: list[Span] = []
        self.calls: list[CallSpan] = []
        self.candidates: list[tuple[Shown, Reply]] = []
        self.decisions: list[Decision] = []
        _awaited.set(frozenset())  # the task that begins a trace has seen nothing of it

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[Span]:
        """Record a step for as long as the block runs."""
        span = Span(name, self.clock(), _step.get(), attributes=attributes)
        self.spans.append(span)
        token = _step.set(span)
        try:
            yield span
        finally:
            _step.reset(token)
            span.end = self.clock()
            if log.isEnabledFor(logging.DEBUG):
                self.note("step %s took %.2f s%s", name, span.seconds, _shown_attributes(span.attributes))

    @contextmanager
    def call(self, role: str, **attributes: Any) -> Iterator[CallSpan]:
        """Record an upstream call for as long as the block runs.

        What follows in this task depends on it.
        """
        call = CallSpan(
            role, self.clock(), _step.get(), attributes=attributes, id=len(self.calls), after=_awaited.get()
        )
        self.calls.append(call)
        try:
            yield call
        except Exception as error:
            call.failure = getattr(error, "status", 500), getattr(error, "message", type(error).__name__)
            self._end(call, "failed", error)
            raise
        except BaseException:  # the task was cancelled
            self._end(call, "cancelled")
            raise
        self._end(call, "ok")

    def _end(self, call: CallSpan, status: Status, error: Exception | None = None) -> None:
        call.end, call.status = self.clock(), status
        if status in ENDED:
            _awaited.set(frozenset([call.id]))
        if log.isEnabledFor(logging.DEBUG):  # few lines are read, and all are expensive to write
            reason = "" if error is None else f" with {getattr(error, 'status', type(error).__name__)}"
            outcome = f"{status}{reason} in {call.seconds:.2f} s"
            self.note("call %d, %s: %s%s", call.id, call.name, outcome, _shown_attributes(call.attributes))

    def add(self, candidate: Shown, reply: Reply) -> None:
        """Record a candidate, and the reply it was made of."""
        self.candidates.append((candidate, reply))

    def decide(self, kind: str, text: str, **data: Any) -> None:
        """Record a decision, see `Decision`."""
        self.decisions.append(Decision(self.clock(), _step.get(), kind, text, data))

    def note(self, message: str, *values: object) -> None:
        """Log something about this request at the level debug, but never the content of a message."""
        log.debug("Request %s: " + message, self.request_id, *values)

    def graph(self) -> CallGraph:
        """Return the calls that ended of their own accord, with edges to those that waited for them."""
        import networkx  # 0.1 s to import: only a process that traces pays for it

        graph: CallGraph = networkx.DiGraph()
        for call in self.calls:
            if call.status in ENDED:
                graph.add_node(call.id, role=call.name, seconds=call.seconds)
                graph.add_edges_from((earlier, call.id, {"seconds": call.seconds}) for earlier in call.after)
        return graph

    def rounds(self) -> int:
        """The length in calls of the longest chain of calls that waited for each other.

        Counted without the graph, since every request needs it: a call only waits for earlier ones.
        """
        lengths: dict[int, int] = {}
        for call in self.calls:
            if call.status in ENDED:
                lengths[call.id] = 1 + max((lengths[earlier] for earlier in call.after), default=0)
        return max(lengths.values(), default=0)

    def critical_path(self) -> list[int]:
        """Return the ids of the chain of calls that took the longest, first call first.

        Found without the graph, since every stored trace needs it: a call only waits for earlier ones.
        """
        ends: dict[int, float] = {}  # the seconds of the longest chain that ends with a call
        before: dict[int, int | None] = {}
        for call in self.calls:
            if call.status in ENDED:
                before[call.id] = max(call.after, key=lambda earlier: (ends[earlier], -earlier), default=None)
                latest = before[call.id]
                ends[call.id] = call.seconds + (0.0 if latest is None else ends[latest])
        chain: list[int] = []
        last = max(ends, key=lambda call_id: (ends[call_id], -call_id), default=None)
        while last is not None:
            chain.append(last)
            last = before[last]
        return chain[::-1]

    def wire(self) -> dict[str, Any]:
        """Return the JSON form, which holds no content of any message."""
        origin = min((span.start for span in (*self.spans, *self.calls)), default=0.0)

        def item(span: Span) -> dict[str, Any]:
            start, seconds = round(span.start - origin, 4), round(span.seconds, 4)
            return {
                "name": span.name,
                "parent": span.parent,
                "start": start,
                "seconds": seconds,
            } | span.attributes

        return {
            "spans": [item(span) for span in self.spans],
            "calls": [
                {"id": call.id, "after": sorted(call.after), "status": call.status} | item(call)
                for call in self.calls
            ],
            "critical_path": self.critical_path(),
        }


class Fork(Generic[T]):
    """Run work in a task of its own, which sees other calls than the task that began it.

    `task` runs at once.
    """

    __slots__ = ("_variables", "task")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._variables = copy_context()
        self.task = asyncio.get_running_loop().create_task(work, context=self._variables)

    def join(self) -> None:
        """Note that the running task has taken over what this one, which has ended, had seen."""
        _awaited.set(_awaited.get() | self._variables.get(_awaited, frozenset()))


def _shown_attributes(attributes: Mapping[str, Any]) -> str:
    """Return the attributes that are texts or numbers; structured ones may hold message content."""
    return "".join(
        f", {LOG_NAMES.get(name) or name.rpartition('.')[2]} {value}"
        for name, value in attributes.items()
        if isinstance(value, str | int | float)
    )
