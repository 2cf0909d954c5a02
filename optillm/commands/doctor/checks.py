"""Examine an upstream: one tiny call for each thing, and what the proxy makes of the result.

There are two rounds of calls: which token limit the upstream understands, then with that limit everything else
together. They go through the proxy's own `Upstream`, and its own `Negotiation` decides whether a refusal is adapted to,
so the report says what the proxy really does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Sequence
from http import HTTPStatus
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from optillm.chat import RawRequest, Relay, Reply, Usage
from optillm.commands.doctor.capacity import capacity
from optillm.commands.doctor.placements import compared
from optillm.commands.doctor.probes import LIMIT_PROBES, PROBES, STREAMING, Outcome, Probe
from optillm.commands.doctor.report import Diagnosis, Finding
from optillm.config.sources import nearest
from optillm.config.values import masked
from optillm.engine.call.adaptation import Adaptation
from optillm.engine.call.negotiation import REFUSING, Negotiation
from optillm.engine.call.payload import Payload
from optillm.engine.call.remedies import SUSPECTS
from optillm.engine.upstream.client import Upstream, connect
from optillm.engine.upstream.errors import redacted
from optillm.engine.upstream.models import as_error, listed
from optillm.engine.upstream.replies import Assembly, read_replies
from optillm.engine.upstream.routes import calls_as_streams
from optillm.errors import UpstreamError
from optillm.logs import redaction

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.config.upstreams import UpstreamTable as Target

PATIENCE: Final = 60.0
"""Seconds a probe may take at most; a local server may have to load its model first."""
TOKENS: Final = 64
"""Token limit of the calls that do not test limits."""
LONGEST: Final = 300
"""Characters of an upstream's words that are shown."""
NAMED: Final = 5
"""Listed models that are named when the configured one is not among them."""

LOST: Final = "something answers, but nothing is where it should be: does the base URL lack its /v1?"
NO_KEY: Final = "passes each client's own key on; to examine with one, set OPENAI_API_KEY"
CUT: Final = "output limit was reached"
"""How OpenAI refuses a call whose tokens were all spent on thinking: the limit was understood."""


async def examine(
    settings: Settings, patience: float = PATIENCE, target: Target | None = None, *, placements: bool = False
) -> Diagnosis:
    """Examine one upstream of the settings, by default the first.

    Each of its calls gets `patience` seconds. With `placements`, it also finds where techniques' instructions should
    go, see `optillm.commands.doctor.placements`.
    """
    target = target or settings.upstreams()[0]
    upstream = connect(settings, target)
    try:
        examination = _Examination(upstream, settings, min(patience, settings.timeout), target)
        return await examination.diagnosis(placements=placements)
    finally:
        await upstream.close()


class _Examination:
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
        listing, limits = await asyncio.gather(self._listing(), self._called(LIMIT_PROBES))
        limit = _preferred(limits)
        if not self._reached(listing, limits):
            return self._concluded(usable=False)
        self._key(listing, limits)
        self._models(listing)
        probes, outcomes, local = [*LIMIT_PROBES], limits, list[Finding]()
        if limit is not None:
            rest, streamed, local = await asyncio.gather(
                self._called(PROBES, limit),
                self._streamed(limit),
                capacity(self._upstream, self._model, limit, self._patience),
            )
            probes, outcomes = [*probes, *PROBES, STREAMING], [*limits, *rest, streamed]
        self._findings += [*map(self._finding, probes, outcomes), *local]
        self._pace([outcome.seconds for outcome in outcomes if outcome.replies])
        if placements and limit is not None:
            self._findings += await compared(self._upstream, self._model, limit, self._patience, self._words)
        return self._concluded(usable=limit is not None)

    def _concluded(self, *, usable: bool) -> Diagnosis:
        return Diagnosis(masked(self._target.base_url), self._model, usable, self._findings)

    # Calls.

    async def _called(self, probes: Iterable[Probe], limit: str | None = None) -> list[Outcome]:
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
                return await self._upstream.relay(RawRequest("GET", "/models"))
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
