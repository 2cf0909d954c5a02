"""What the configured upstream can do: one tiny call for each thing, and what the proxy makes of the result.

Two rounds of calls: which token limit the upstream understands, then with that limit everything else together.
The calls go through the proxy's own `Upstream`, and whether a refusal is adapted to is asked of the proxy's own
`Negotiation`: what is told here is what the proxy does.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from optillm.chat import Relay, Reply, Usage
from optillm.commands.doctor.capacity import capacity
from optillm.commands.doctor.placements import compared
from optillm.commands.tables import columns
from optillm.config.sources import nearest
from optillm.config.values import masked
from optillm.engine.call.adaptation import LIMITS, Adaptation
from optillm.engine.call.negotiation import REFUSING, Negotiation
from optillm.engine.call.remedies import SUSPECTS
from optillm.engine.run.payloads import Payload
from optillm.engine.upstream.client import Upstream, connect
from optillm.engine.upstream.errors import redacted
from optillm.engine.upstream.models import as_error, listed
from optillm.engine.upstream.replies import Assembly, read_replies
from optillm.engine.upstream.routes import calls_as_streams
from optillm.errors import UpstreamError
from optillm.logs import redaction
from optillm.toolkit.schema.checking import Form

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.config.upstreams import Upstream as Target

PATIENCE: Final = 60.0
"""Seconds a probe may take at most; a local server may have to load its model first."""
SHORT: Final = 16
"""Tokens of the calls that test the limits; they ask for about four times as many."""
TOKENS: Final = 64
"""Tokens of all other calls."""
LONGEST: Final = 300
"""Characters of an upstream's words that are shown."""
NAMED: Final = 5
"""Listed models that are named when the configured one is not among them."""

COUNT: Final = "Count from one to thirty in English words, separated by spaces."
GREET: Final = "Say hello in one word."
PRODUCT: Final = "What is 6 * 7? Answer with a JSON object that has the one key product."
WEATHER: Final = "What is the weather in Paris now? Call the tool to find out."
SCHEMA: Final = {
    "type": "object",
    "properties": {"product": {"type": "integer"}},
    "required": ["product"],
    "additionalProperties": False,
}
TOOL: Final = {
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
LOST: Final = "something answers, but nothing is where it should be: does the base URL lack its /v1?"
NO_KEY: Final = "passes each client's own key on; to examine with one, set OPENAI_API_KEY"
CUT: Final = "output limit was reached"
"""How OpenAI refuses a call whose tokens were all spent on thinking: the limit was understood."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: replies and their usage, or an error; and the seconds it took."""

    seconds: float
    replies: Sequence[Reply] = ()
    usage: Usage | None = None
    error: UpstreamError | None = None

    @property
    def cut(self) -> bool:
        """Whether the reply ended at its token limit."""
        return any(reply.finish_reason == "length" for reply in self.replies)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to test: `extra` is what the body holds beside a model, messages and a limit.

    `result` names what the replies show. `effects` says for each result what the proxy does about it; `streamed` says
    what it does instead if calls are made as streams.
    """

    about: str
    extra: Mapping[str, Any]
    result: Callable[[Outcome], str]
    effects: Mapping[str, str]
    question: str = GREET
    streamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis: what was examined, the result in a word, what was seen, what the proxy does."""

    about: str
    result: str
    found: str
    effect: str = ""

    def row(self) -> tuple[str, str, str]:
        """The cells of a table."""
        effect = f"optillm {self.effect}" if self.effect else ""
        return self.about, self.result, "; ".join(filter(None, (self.found, effect)))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found at an upstream; it is usable when it answered any call."""

    upstream: str
    model: str
    usable: bool
    findings: Sequence[Finding]

    def table(self) -> str:
        """The findings for a terminal."""
        verdict = "usable" if self.usable else "not usable"
        rows = [("WHAT", "RESULT", "FOUND"), *(finding.row() for finding in self.findings)]
        return f"{self.model} at {self.upstream}\n\n{columns(rows)}\n\nThe upstream is {verdict}."

    def json(self) -> str:
        """The same as JSON."""
        findings = [
            {"about": f.about, "result": f.result, "found": f.found, "optillm": f.effect or None}
            for f in self.findings
        ]
        whole = {"upstream": self.upstream, "model": self.model, "usable": self.usable, "findings": findings}
        return json.dumps(whole, indent=2, ensure_ascii=False)


async def examine(
    settings: Settings, patience: float = PATIENCE, target: Target | None = None, *, placements: bool = False
) -> Diagnosis:
    """Examine one upstream of the settings, by default the first; each of its calls gets `patience` seconds.

    With `placements`, it also finds where techniques' instructions should go, see `optillm.commands.doctor.placements`.
    """
    target = target or settings.upstreams()[0]
    upstream = connect(settings, target)
    try:
        visit = _Visit(upstream, settings, min(patience, settings.timeout), target)
        return await visit.diagnosis(placements=placements)
    finally:
        await upstream.close()


class _Visit:
    """The calls to one upstream and what they showed."""

    def __init__(self, upstream: Upstream, settings: Settings, patience: float, target: Target) -> None:
        self._upstream = upstream
        self._target = target
        self._model = target.rename.get(settings.model, settings.model)
        self._streams = calls_as_streams(settings, target)
        self._others = len(settings.upstreams()) > 1
        self._patience = patience
        self._retries = settings.upstream_retries
        self._redact = redaction(settings.secrets())
        self._findings: list[Finding] = []

    async def diagnosis(self, *, placements: bool) -> Diagnosis:
        """All findings, in the order in which one reads them."""
        listing, limits = await asyncio.gather(self._listing(), self._asked(LIMIT_PROBES))
        limit = _preferred(limits)
        if not self._reached(listing, limits):
            return self._concluded(usable=False)
        self._key(listing, limits)
        self._models(listing)
        probes, outcomes, local = [*LIMIT_PROBES], limits, list[Finding]()
        if limit is not None:
            rest, streamed, lines = await asyncio.gather(
                self._asked(PROBES, limit),
                self._streamed(limit),
                capacity(self._upstream, self._model, limit, self._patience),
            )
            probes, outcomes = [*probes, *PROBES, STREAMING], [*limits, *rest, streamed]
            local = [Finding(*line) for line in lines]
        self._findings += [*map(self._finding, probes, outcomes), *local]
        self._pace([outcome.seconds for outcome in outcomes if outcome.replies])
        if placements and limit is not None:
            lines = await compared(self._upstream, self._model, limit, self._patience, self._words)
            self._findings += [Finding(*line) for line in lines]
        return self._concluded(usable=limit is not None)

    def _concluded(self, *, usable: bool) -> Diagnosis:
        return Diagnosis(masked(self._target.base_url), self._model, usable, self._findings)

    # Calls.

    async def _asked(self, probes: Iterable[Probe], limit: str | None = None) -> list[Outcome]:
        async def once(probe: Probe) -> tuple[Sequence[Reply], Usage | None]:
            wire = await self._upstream.chat(self._body(probe, limit), None)
            return read_replies(wire), Usage.read(wire.get("usage"))

        return await asyncio.gather(*(self._timed(once(probe)) for probe in probes))

    async def _streamed(self, limit: str) -> Outcome:
        async def once() -> tuple[Sequence[Reply], Usage | None]:
            assembly = Assembly()
            async for chunk in self._upstream.stream(self._body(STREAMING, limit), None):
                assembly.add(chunk)
            return [assembly.reply()], assembly.usage

        return await self._timed(once())

    def _body(self, probe: Probe, limit: str | None) -> dict[str, Any]:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": probe.question}],
            **probe.extra,
        }
        return body if limit is None else {**body, limit: TOKENS}

    async def _timed(self, call: Awaitable[tuple[Sequence[Reply], Usage | None]]) -> Outcome:
        started, error = time.monotonic(), None
        replies: Sequence[Reply] = ()
        usage = None
        try:
            async with asyncio.timeout(self._patience):
                replies, usage = await call
            if not replies:
                error = UpstreamError("the upstream's reply has no choices", retryable=True)
        except TimeoutError:
            error = self._late()
        except UpstreamError as refusal:
            if CUT in refusal.message:
                replies = [Reply({"role": "assistant", "content": None}, "length")]
            else:
                error = refusal
        except (AttributeError, LookupError, TypeError):  # JSON, but of no shape that anybody knows
            error = UpstreamError("the upstream's reply is no chat completion", retryable=True)
        return Outcome(time.monotonic() - started, replies, usage, error)

    async def _listing(self) -> Relay | UpstreamError:
        try:
            async with asyncio.timeout(self._patience):
                return await self._upstream.relay("GET", "/models", b"", authorization=None)
        except UpstreamError as error:
            return error
        except TimeoutError:
            return self._late()

    def _late(self) -> UpstreamError:
        return UpstreamError(f"no answer within {self._patience:g} seconds", retryable=True)

    # Findings.

    def _reached(self, listing: Relay | UpstreamError, limits: Sequence[Outcome]) -> bool:
        """Whether anything at all came back."""
        errors = [outcome.error for outcome in limits]
        silent = all(error is not None and error.upstream_body is None for error in errors)
        if silent and isinstance(listing, UpstreamError):
            effect = "asks the other upstreams" if self._others else "answers 502 until it is"
            self._add("reachable", "no", self._words(listing), effect)
            return False
        served = isinstance(listing, UpstreamError) or listing.status != HTTPStatus.NOT_FOUND
        astray = not served and all(
            error is not None and error.status == HTTPStatus.NOT_FOUND for error in errors
        )
        self._add("reachable", "yes", LOST if astray else "it answers")
        return True

    def _key(self, listing: Relay | UpstreamError, limits: Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in limits if outcome.error]
        listed = isinstance(listing, Relay) and listing.status == HTTPStatus.OK
        if isinstance(listing, Relay) and not listed:
            errors.append(as_error(listing))
        refused = next(
            (error for error in errors if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)),
            None,
        )
        if refused is not None:
            result = "refused" if self._target.key else "needed"
            effect = "passes the refusal on" if self._target.key else NO_KEY
            self._add("key", result, self._words(refused), effect)
        elif not (listed or any(outcome.replies for outcome in limits)):
            self._add("key", "unclear", "no call succeeded")
        elif self._target.key:
            self._add("key", "accepted", "one is configured")
        else:
            self._add("key", "not needed", "none is configured")

    def _models(self, listing: Relay | UpstreamError) -> None:
        names = _names(listing)
        if isinstance(names, UpstreamError):
            self._add("models", "not listed", self._words(names), "has no list of them either")
        elif self._model in names:
            self._add("models", "listed", self._shown(f"{len(names)}, {self._model} among them"))
        else:
            some = ", ".join([*names[:NAMED], *("…" for _ in names[NAMED:][:1])])
            words = f"{self._model} is not among the {len(names)}: {some}{nearest(self._model, names)}"
            self._add("models", "missing", self._shown(words), "advertises it all the same: see --model")

    def _add(self, about: str, result: str, words: str, effect: str = "") -> None:
        self._findings.append(Finding(about, result, words, effect))

    def _finding(self, probe: Probe, outcome: Outcome) -> Finding:
        error = outcome.error
        if error is None:
            result = probe.result(outcome)
            words = f"{outcome.seconds:.2f} s"
            if result == "unclear":
                words += ", cut at its token limit before it could be seen"
            effects = {**probe.effects, **(probe.streamed if self._streams else {})}
            return Finding(probe.about, result, words, effects.get(result, ""))
        if error.retryable:
            return Finding(
                probe.about, "failed", self._words(error), f"tries again, {self._retries} times at most"
            )
        adapts = error.status in REFUSING and Negotiation(_payload(probe), Adaptation()).goes_on(error)
        effect = probe.effects.get("refused", "adapts to it") if adapts else "passes the refusal on"
        return Finding(probe.about, "refused", self._words(error), effect)

    def _pace(self, seconds: Sequence[float]) -> None:
        if seconds:
            words = f"the median of {len(seconds)} short calls, made together"
            effect = "takes this long for each round of a technique, or as long as a longer reply takes"
            self._add("seconds per call", f"{median(seconds):.2f}", words, effect)

    def _words(self, error: UpstreamError) -> str:
        """What the upstream said, with its status, or why it said nothing."""
        words = str(error.body()["error"]["message"] or error.message)
        cause: BaseException | None = error.__cause__
        while cause is not None and (cause.__cause__ or cause.__context__):
            cause = cause.__cause__ or cause.__context__
        if error.upstream_body is None and cause is not None and str(cause):
            words += f": {cause}"
        stated = error.upstream_body is None or str(error.status) in words
        return self._shown(words if stated else f"status {error.status}: {words}")

    def _shown(self, text: str) -> str:
        """Foreign text on one line, fit to be shown: no keys, no control characters."""
        safe = self._redact(redacted(text.encode()).decode())
        plain = " ".join("".join(c if c.isprintable() else " " for c in masked(safe)).split())
        return plain.removesuffix(".") if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"


def _names(listing: Relay | UpstreamError) -> UpstreamError | list[str]:
    """The names of the listed models, or why there are none."""
    if isinstance(listing, UpstreamError):
        return listing
    if listing.status != HTTPStatus.OK:
        return as_error(listing)
    names = [str(model.get("id")) for model in listed(listing)]
    return names or UpstreamError("the list of models is not one")


def _payload(probe: Probe) -> Payload:
    """Return a probe as a technique's call, marking the parameters that techniques add."""
    ours = dict.fromkeys(name for name in probe.extra if name in SUSPECTS)
    return Payload("", [{"role": "user", "content": probe.question}], probe.extra, ours)


def _preferred(limits: Sequence[Outcome]) -> str | None:
    """The limit to send with all other calls: one that holds, else one that does no harm."""
    answered = [pair for pair in zip(LIMIT_PROBES, limits, strict=True) if pair[1].replies]
    results = {probe.about: probe.result(outcome) for probe, outcome in answered}
    return min(results, key=lambda name: results[name] != "honoured", default=None)


# What the replies show.


def _limited(outcome: Outcome) -> str:
    if outcome.cut:
        return "honoured"
    written = outcome.usage.completion_tokens if outcome.usage else len(outcome.replies[0].text) // 4
    return "ignored" if written > SHORT else "accepted"


def _accepted(outcome: Outcome) -> str:  # noqa: ARG001 - that there is a reply is all it shows
    return "accepted"


def _several(outcome: Outcome) -> str:
    return "honoured" if len(outcome.replies) > 1 else "ignored"


def _called(outcome: Outcome) -> str:
    return _seen(outcome, bool(outcome.replies[0].tool_calls))


def _logged(outcome: Outcome) -> str:
    return _seen(outcome, bool(outcome.replies[0].logprobs))


def _formed(outcome: Outcome, response_format: Mapping[str, Any]) -> str:
    form = Form.of(response_format)
    return _seen(outcome, form is not None and form.violation(outcome.replies[0].text) is None)


def _counted(outcome: Outcome) -> str:
    return "with usage" if outcome.usage else "without usage"


def _seen(outcome: Outcome, there: bool) -> str:
    text = outcome.replies[0].text.lstrip()
    if there:
        return "honoured"
    return "unclear" if outcome.cut and (not text or text.startswith("{")) else "ignored"


def _form_probe(response_format: Mapping[str, Any]) -> Probe:
    effects = {
        "honoured": "passes it on, and drops candidates without the form",
        "ignored": "drops candidates without the form, and has the answer mended once",
    }
    result = partial(_formed, response_format=response_format)
    return Probe(response_format["type"], {"response_format": response_format}, result, effects, PRODUCT)


LIMIT_PROBES: Final = tuple(
    Probe(
        name,
        {name: SHORT},
        _limited,
        {"refused": f"sends {other} in its place", "ignored": "cannot bound the length of replies by it"},
        COUNT,
    )
    for name, other in LIMITS.items()
)
PROBES: Final = (
    Probe(
        "n",
        {"n": 2},
        _several,
        {
            "honoured": "asks for the candidates of a round in one call",
            "ignored": "tops up with single calls, sent together",
            "refused": "leaves it out and sends single calls together",
        },
        streamed={"honoured": "sends single calls together: each can be ended as soon as it is not needed"},
    ),
    Probe(
        "tools",
        {"tools": [{"type": "function", "function": TOOL}]},
        _called,
        {
            "honoured": "passes calls of tools on, and improves the turns that answer",
            "ignored": "passes tools on, but this model called none when told to",
        },
        WEATHER,
    ),
    _form_probe(
        {"type": "json_schema", "json_schema": {"name": "product", "strict": True, "schema": SCHEMA}}
    ),
    _form_probe({"type": "json_object"}),
    Probe(
        "logprobs",
        {"logprobs": True},
        _logged,
        {
            "honoured": "returns those of the chosen reply",
            "ignored": "returns none",
            "refused": "leaves it out and returns none",
        },
    ),
    Probe(
        "temperature",
        {"temperature": 0.7},
        _accepted,
        {"accepted": "samples at each technique's temperature", "refused": "leaves it out"},
    ),
    Probe(
        "seed",
        {"seed": 7},
        _accepted,
        {"accepted": "counts up from the client's, one for each candidate", "refused": "leaves it out"},
    ),
)
STREAMING: Final = Probe(
    "streaming",
    {"stream_options": {"include_usage": True}},
    _counted,
    {
        "with usage": "passes on what comes, and the usage as reported",
        "without usage": "passes on what comes, and estimates the usage, marked as such",
        "refused": "streams without asking for the usage, and estimates it",
    },
)
