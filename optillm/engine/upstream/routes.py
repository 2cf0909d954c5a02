"""Choose the upstream of a call: the next healthy one that serves its model.

Upstreams are tried in order, or shared by weight. Each call chooses for itself, so that one request may be served by
several upstreams. A call that fails at one of them through no fault of the client's goes to the next at once. Breakers
say which upstreams to pass over, but every call goes somewhere: when all breakers are open, it goes to the upstream
that is due for the next trial.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson

from optillm.chat import RawRequest, Relay
from optillm.config.prices import Price, Prices, dearest
from optillm.config.upstreams import by_model
from optillm.engine.call.payload import PLACEMENTS, Payload, Placement
from optillm.engine.memory import MB, Memory
from optillm.engine.upstream.breaker import Breaker
from optillm.engine.upstream.capabilities import Capabilities, CapabilityTable
from optillm.engine.upstream.client import JSON, Upstream, connect
from optillm.engine.upstream.latency import LatencyTracker
from optillm.engine.upstream.limiter import Limiters
from optillm.engine.upstream.local_servers import is_local, read_properties
from optillm.engine.upstream.outages import Outages
from optillm.errors import UpstreamError
from optillm.toolkit.bounded import BoundedMap

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.config.upstreams import UpstreamTable as Target

OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})
"""Statuses that refuse a key; if it is our own, the client need not know while another upstream can answer."""
LATELY: Final = 30.0
"""Seconds without a piece of any reply after which a server is no longer taken to be generating."""
SLOTS_KNOWN: Final = 600.0
"""Seconds after which a local server is asked again how many slots it has."""
SLOTS_AGAIN: Final = 10.0
"""The same if it has not answered."""
FAILING_MODELS: Final = 512
"""How many failing models are remembered for each upstream."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Route:
    """The way to one upstream, and its health.

    `models` are patterns of the models it serves, `rename` its names for some. `keyed` says that it has a key of its
    own, so that no client's key goes there. Lower `order` is called first; upstreams of equal order share the calls by
    `weight`. `streams` says that whole replies are requested as streams too, `local` that this is a server with slots,
    see `local_servers`. `placements` says where instructions go, by model-name pattern; the first match
    counts.
    """

    upstream: Upstream
    limiters: Limiters
    name: str = "default"
    models: Sequence[str] = ("*",)
    rename: Mapping[str, str] = field(default_factory=dict)
    keyed: bool = False
    order: int = 0
    weight: float = 1.0
    streams: bool = False
    local: bool = False
    placements: Sequence[tuple[str, Placement]] = ()
    _slots_known_until: float = float("-inf")
    _reading_slots: asyncio.Task[None] | None = None
    _breakers: BoundedMap[str, Breaker] = field(default_factory=lambda: BoundedMap(FAILING_MODELS))
    _warned: bool = False

    def serves(self, model: str) -> bool:
        """Return whether calls for this model may go here."""
        return model in self.rename or any(fnmatchcase(model, pattern) for pattern in self.models)

    @property
    def transparent(self) -> bool:
        """Whether every call can go here as it is."""
        return "*" in self.models and not self.rename

    def addressed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the body with this upstream's name for the model."""
        return {**body, "model": self.named(body["model"])} if self.rename else body

    def named(self, model: str) -> str:
        """Return this upstream's name for a model."""
        return self.rename.get(model, model)

    def clients_name(self, model: str) -> str | None:
        """Return the clients' name for a model that this upstream calls otherwise.

        Returns `None` if it has no other.
        """
        return next((name for name, renamed in self.rename.items() if renamed == model), None)

    def placed(self, payload: Payload) -> Payload:
        """Return the payload with its instruction placed as this model needs it."""
        if payload.instruction is None:
            return payload
        matches = (placement for pattern, placement in self.placements if fnmatchcase(payload.model, pattern))
        return replace(payload, placement=next(matches, payload.placement))

    def credential(self, authorization: str | None) -> str | None:
        """Return the client's `Authorization` if it may be sent here, else `None`."""
        return None if self.keyed else authorization

    async def relay(self, request: RawRequest) -> Relay:
        """Pass on one request byte for byte, see `Upstream.relay`."""
        if self.keyed and request.authorization is not None:
            request = replace(request, authorization=None)
        return await self.upstream.relay(request)

    # Slots.

    @property
    def generating(self) -> bool:
        """Whether a piece of any reply has come lately."""
        return asyncio.get_running_loop().time() - self.limiters.last_heard < LATELY

    def look_at_slots(self, authorization: str | None) -> None:
        """Ask a local server now and then how many slots it has, in a task that nothing waits for."""
        now = asyncio.get_running_loop().time()
        if self.local and now >= self._slots_known_until:
            self._slots_known_until = (
                now + SLOTS_KNOWN
            )  # already, or each call until the reply would ask again
            self._reading_slots = asyncio.create_task(self._read_slots(authorization))

    async def _read_slots(self, authorization: str | None) -> None:
        try:
            slots = (await read_properties(self.upstream, self.credential(authorization))).slots
        except (UpstreamError, TimeoutError):  # too busy, or down: the last known number may still be right
            self._slots_known_until = asyncio.get_running_loop().time() + SLOTS_AGAIN
            return
        if slots is not None and slots != self.limiters.slots:
            log.info("Upstream %s has %d slots: that many calls run at a time", self.name, slots)
        self.limiters.slots = slots

    async def close(self) -> None:
        """Close all connections."""
        if self._reading_slots is not None:
            self._reading_slots.cancel()
            await asyncio.gather(self._reading_slots, return_exceptions=True)
        await self.upstream.close()

    # Health.

    def healthy(self, model: str, now: float) -> bool:
        """Return whether calls for this model should go here, at this time of the loop's clock."""
        breaker = self._breakers.get(model)
        return breaker is None or breaker.admits(now)

    def due(self, model: str) -> float:
        """Return when calls for this model may be tried here again, on the loop's clock."""
        breaker = self._breakers.get(model)
        return 0.0 if breaker is None else breaker.reopens

    @contextmanager
    def watched(self, model: str) -> Iterator[None]:
        """Tell the breaker how the call in this block ends; a cancelled one is not counted."""
        breaker = self._breakers.get(model)
        if breaker is not None:
            breaker.trying = True
        try:
            yield
        except UpstreamError as error:
            if not _ailing(error):  # whoever refuses a call is well
                self._recovered(model)
            # A rate limit of a client's own key concerns nobody else.
            elif self.keyed or error.status != HTTPStatus.TOO_MANY_REQUESTS:
                self._failed(model)
            raise
        else:
            self._recovered(model)
        finally:
            if breaker is not None:
                breaker.trying = False

    def _failed(self, model: str) -> None:
        breaker = self._breakers.use(model, Breaker)
        pause = breaker.failed(asyncio.get_running_loop().time())
        if pause is not None:
            log.warning("Upstream %s keeps failing with %s: avoided for %g s", self.name, model, pause)

    def _recovered(self, model: str) -> None:
        breaker = self._breakers.pop(model, None)
        if breaker is not None and not breaker.closed:
            log.info("Upstream %s answers again with %s", self.name, model)

    def excuses(self, error: UpstreamError) -> bool:
        """Return whether another upstream may do better, as the failure is not the client's fault."""
        if self.keyed and error.status in OURS:
            if not self._warned:
                self._warned = True
                log.warning("Upstream %s refuses its key with status %d", self.name, error.status)
            return True
        return _ailing(error)


class Routes:
    """The upstreams of one process, at least one.

    `retries` is how often all of them are asked again.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        retries: int = 3,
        rng: Random | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.all = tuple(sorted(routes, key=lambda route: route.order))
        self.retries = retries
        self.memory = memory or Memory()
        self.silences = LatencyTracker()
        self.durations = LatencyTracker()
        self.outages = Outages()
        self.capability_table = CapabilityTable(time.monotonic)
        self.alone = self.all[0] if len(self.all) == 1 and self.all[0].transparent else None
        self._rng = rng or Random()  # noqa: S311 - chance, not secrecy

        self.address = " ".join(map(_place, self.all))

    # `address` identifies these upstreams and their names for models. `alone` is the only upstream, if there is nothing
    # to choose or rename.

    @classmethod
    def to(cls, upstream: Upstream, *, cap: int = 256, retries: int = 3, local: bool = False) -> Routes:
        """Return the routes to one upstream, for at most `cap` calls at a time.

        A `local` one is called by streams.
        """
        return cls([Route(upstream, Limiters(cap, queues=local), streams=local, local=local)], retries)

    @classmethod
    def from_settings(cls, settings: Settings) -> Routes:
        """Return the routes that the settings describe."""
        memory = Memory(settings.reply_memory_mb * MB)
        routes = [_route(settings, target, memory) for target in settings.upstreams()]
        return cls(routes, settings.upstream_retries, memory=memory)

    def lap(self, model: str, rng: Random, avoided: Collection[Route] = ()) -> Lap:
        """Return the upstreams to try for a call in turn.

        Those `avoided` begin only if there is no other. An empty `model` is served by all. Raises `UpstreamError` if
        none serves it.
        """
        serving = self._serving(model)
        if not serving:
            raise _unserved(model)
        return Lap(serving, model, rng, avoided, self.outages)

    def _serving(self, model: str) -> list[Route]:
        return [route for route in self.all if not model or route.serves(model)]

    def capabilities(self, route: Route, model: str) -> Capabilities:
        """Return what is known of a model at this upstream; `model` is the name that clients use."""
        streamed = True if route.streams else None
        return self.capability_table.of(route.upstream.base_url, route.named(model), streamed=streamed)

    def honours_n(self, model: str) -> bool | None:
        """Return whether every upstream that may be called first gives several choices at once.

        `None` stands for not known. Upstreams that are called by streams count as not doing so: a call for several
        choices cannot be a stream, and at a local server it would wait until as many slots are free.
        """
        # A round would lack choices whenever its bundle went to an upstream that ignores `n`.
        first = self._may_be_first(model)
        honours = {not route.streams and self.capabilities(route, model).honours_n for route in first}
        return False if False in honours else honours == {True} or None

    def most_choices(self, model: str) -> int | None:
        """Return how many choices every upstream that may be called first gives at a time.

        `None` stands for no known bound.
        """
        bounds = (self.capabilities(route, model).most_choices for route in self._may_be_first(model))
        return min((bound for bound in bounds if bound is not None), default=None)

    def bound_n(self, model: str, most: int | None) -> None:
        """Request at most `most` choices of this model at a time, wherever it may go first.

        `None` stands for one: the refusal did not say how many would be given.
        """
        for route in self._may_be_first(model):
            self.capabilities(route, model).bound_n(most)

    def thinks(self, model: str) -> bool:
        """Return whether this model is known to think before it answers."""
        return any(self.capabilities(route, model).thinks for route in self._may_be_first(model))

    def judged(self, model: str, *, reasoned: bool, read: bool) -> None:
        """Record whether a verdict of this model could be read.

        It was requested with reasons first, or alone.
        """
        for route in self._may_be_first(model):
            self.capabilities(route, model).judged(reasoned=reasoned, read=read)

    def reasons_in_vain(self, model: str) -> bool:
        """Return whether most reasoned verdicts of this model cannot be read."""
        return any(self.capabilities(route, model).reasons_in_vain for route in self._may_be_first(model))

    def _may_be_first(self, model: str) -> Sequence[Route]:
        return [self.alone] if self.alone else _first(model, self._serving(model))

    def free(self, authorization: str | None, model: str) -> bool:
        """Return whether a call for this model could be sent at once."""
        return any(
            route.limiters.free(route.credential(authorization), route.named(model))
            for route in self._may_be_first(model)
        )

    def may_repeat(self, authorization: str | None, model: str) -> bool:
        """Return whether a silent call for this model may be made again beside itself.

        It may not if the only upstream is a local server that is generating: there the call waits for a slot, and a
        second one would wait behind it.
        """
        first = self._may_be_first(model)
        if len(first) == 1 and first[0].local and first[0].generating:
            return False
        return self.free(authorization, model)

    def price(self, model: str, prices: Prices) -> Price | None:
        """Return the highest price of this model at any upstream.

        Returns `None` if one of the prices is not known.
        """
        names = {model} if self.alone else {route.named(model) for route in self._serving(model)}
        prices_by_name = [prices.of(name, model) for name in names]
        listed = [price for price in prices_by_name if price is not None]
        return dearest(listed) if listed and len(listed) == len(names) else None

    async def relay(self, request: RawRequest) -> Relay:
        """Pass on one request byte for byte.

        Only the model's name is replaced where an upstream has its own. No upstream is tried twice; another one is,
        while nothing has come back but an excusable failure. A request without a body is about something that the first
        upstream keeps.
        """
        if self.alone or not request.content:
            return await self.all[0].relay(request)
        try:
            return await self._relay_in_turn(request)
        except _Refusal as refusal:
            return refusal.reply

    async def _relay_in_turn(self, request: RawRequest) -> Relay:
        model = request.model or _model_of(request)
        lap = self.lap(model, self._rng)
        for route in lap:
            try:
                with route.watched(model):
                    reply = await route.relay(_renamed(request, route.rename.get(model)))
                    if reply.status >= HTTPStatus.BAD_REQUEST:
                        raise _Refusal(reply)
                    return replace(reply, model=route.named(model))
            except UpstreamError as error:
                lap.failed(route, error)
        raise lap.failure()

    async def reachable(self) -> bool:
        """Return whether any upstream answers at all, even if it refuses our key."""
        probes = [asyncio.ensure_future(_answers(route)) for route in self.all]
        try:
            for answered in asyncio.as_completed(probes):
                if await answered:
                    return True
            return False
        finally:
            for probe in probes:
                probe.cancel()
            await asyncio.gather(*probes, return_exceptions=True)

    async def close(self) -> None:
        """Close all connections."""
        for route in self.all:
            await route.close()


class Lap:
    """One try at each upstream that may serve a call.

    Iterate over the routes, report failures, and raise the `failure`. Routes that are unhealthy come only while no
    healthy one is left at the beginning, those `avoided` as late.
    """

    def __init__(
        self, serving: Sequence[Route], model: str, rng: Random, avoided: Collection[Route], outages: Outages
    ) -> None:
        self._serving = serving
        self._model = model
        self._rng = rng
        self._avoided = avoided
        self._outages = outages
        self._failures = list[UpstreamError]()

    def __iter__(self) -> Iterator[Route]:
        """Yield the routes to try in turn, at least one."""
        left, model = list(self._serving), self._model
        others = [route for route in left if route not in self._avoided]
        peers = _first(model, others) or _first(model, left)
        # Breakers never refuse: failing fast would save a client a failure that it gets anyway, and cost it every call
        # that would have worked.
        peers = peers or [min(left, key=lambda route: route.due(model))]
        while peers:
            weights = [peer.weight for peer in peers]
            route = peers[0] if len(peers) == 1 else self._rng.choices(peers, weights)[0]
            left.remove(route)
            yield route
            peers = _first(model, left)

    def failed(self, route: Route, error: UpstreamError) -> None:
        """Note a failure; raise it if another upstream would do no better."""
        if not route.excuses(error):
            raise error
        self._failures.append(error)

    def failure(self) -> UpstreamError:
        """Return the failure that leaves most hope, when all upstreams have failed."""
        failure = min(self._failures, key=_despair)
        # One upstream that comes back is enough for the call to wait, whatever the others say.
        failure.restarting = any(self._outages.lasts(route.name) for route in self._serving)
        return failure


def _first(model: str, routes: Sequence[Route]) -> list[Route]:
    """Return the healthy ones of these routes that have the lowest order."""
    now = asyncio.get_running_loop().time()
    healthy = [route for route in routes if route.healthy(model, now)]
    return [route for route in healthy if route.order == healthy[0].order]


def calls_as_streams(settings: Settings, target: Target) -> bool:
    """Return whether an upstream's replies are requested as streams and put together."""
    streams = target.streams or settings.upstream_streams
    return streams == "always" or (streams == "auto" and is_local(target.base_url))


def placements(settings: Settings, target: Target) -> list[tuple[str, Placement]]:
    """Return where instructions go at an upstream, by patterns of model names.

    Its own settings come before the general ones.
    """
    stated = [*by_model(target.instructions), *by_model(settings.instructions)]
    return [(pattern, PLACEMENTS[word]) for pattern, word in stated]


def _route(settings: Settings, target: Target, memory: Memory) -> Route:
    local, streamed = is_local(target.base_url), calls_as_streams(settings, target)
    return Route(
        connect(settings, target, memory),
        Limiters(settings.upstream_concurrency, queues=streamed and local),
        name=target.name,
        models=target.models,
        rename=target.rename,
        keyed=target.key is not None,
        order=target.order,
        weight=target.weight,
        streams=streamed,
        local=streamed and local,
        placements=placements(settings, target),
    )


class _Refusal(UpstreamError):
    """A reply with an error status, passed on as it is when no upstream does better."""

    def __init__(self, reply: Relay) -> None:
        super().__init__("refused", status=reply.status, upstream_body={}, retryable=True)
        self.reply = reply


def _ailing(error: UpstreamError) -> bool:
    """Return whether the failure is the upstream's own.

    It could not be reached, or is overloaded, slow or broken.
    """
    return (
        error.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _despair(error: UpstreamError) -> tuple[bool, bool, float, bool]:
    """Return a sort key, lower where a failure leaves more hope.

    An upstream's own words go before its silence.
    """
    return error.status in OURS, not error.retryable, error.retry_after or 0.0, error.upstream_body is None


def _place(route: Route) -> str:
    names = "".join(f" {name}={renamed}" for name, renamed in sorted(route.rename.items()))
    return route.upstream.base_url + names


def _unserved(model: str) -> UpstreamError:
    words = f"No upstream serves the model {model!r}"
    error = {"message": words, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    return UpstreamError(words, status=HTTPStatus.NOT_FOUND, upstream_body={"error": error})


def _model_of(request: RawRequest) -> str:
    """Return the model that a body names; empty when it names none that can be read."""
    if not request.content_type.startswith(JSON):
        return ""
    try:
        model = orjson.loads(request.content).get("model")
    except (orjson.JSONDecodeError, AttributeError):
        return ""
    return model if isinstance(model, str) else ""


def _renamed(request: RawRequest, name: str | None) -> RawRequest:
    """Return the request under an upstream's own name for its model, if it has one."""
    if name is None:
        return request
    return replace(request, content=orjson.dumps({**orjson.loads(request.content), "model": name}))


async def _answers(route: Route) -> bool:
    try:
        return (await route.relay(RawRequest("GET", "/models"))).status < HTTPStatus.INTERNAL_SERVER_ERROR
    except UpstreamError:
        return False
