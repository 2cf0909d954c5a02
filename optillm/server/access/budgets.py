"""What each key has used: asked before a request, written down after it.

Admission asks a store that may take its time, so it is not for the event loop. What a request then takes is told
to `note` on the loop, and booked by a thread that nobody waits for. A request whose key bounds what one request may
take holds that much of the day until it has ended, so that requests side by side cannot use more than the day has.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from optillm.chat import NONE, Budget, Grant
from optillm.config.keys import MAX_COUNT, MICRO, Client, Keys, UsageLimits
from optillm.errors import NotCounted, RateLimited
from optillm.logs import RareWarnings
from optillm.stores import StoreDown

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.observe.record import Record

DAY: Final = 86_400
SOON: Final = 1  # seconds in which what others hold may be free again
RETRY: Final = 1.0  # seconds between attempts to book what could not be
SERVER: Final = "server"
"""The counters of all keys together."""
SHOWN: Final = ("requests", "calls")
"""What is counted for `optillm usage` only and has no limit."""
KEY: Final = "key/"
"""The prefix of one key's counters, followed by its name."""

log = logging.getLogger(__name__)


class Counters(Protocol):
    """A store of counters; both verbs raise `StoreDown`."""

    def add(self, name: str, amount: int) -> int:
        """The value of a counter after adding to it."""

    def hit(self, name: str, per_minute: int) -> tuple[bool, int, float]:
        """Try for a place among so many per minute.

        Return whether there was one, how many are left, and the Unix time of the next to be free.
        """


@dataclass(frozen=True, slots=True)
class Hold:
    """A part of a day's budget that a request at work keeps from others."""

    counter: str
    amount: int


@dataclass(slots=True)
class Admission:
    """What a request got: its grant, what to tell its client, and what it holds.

    `headers` are OpenAI's `x-ratelimit-*`. If what is left of a daily limit bounds the request, `day_ends` is the
    seconds until the limit resets, and `bound_by` describes it in words.
    """

    grant: Grant
    headers: dict[str, str] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    day_ends: int | None = None
    bound_by: str | None = None


class Accounts:
    """The use of all keys, counted in a store; without one nothing is limited."""

    def __init__(
        self,
        keys: Keys,
        counters: Counters | None = None,
        ceiling: Budget | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self._counters = counters
        self._ceiling = ceiling or Budget()  # the server's, for any request
        self._clock = clock
        self._limits = {client.name: client.limits for client in keys.clients}
        self._warnings = RareWarnings(log)
        self._books = Books(counters.add, self._warn) if counters else None

    @classmethod
    def of(cls, settings: Settings) -> Accounts:
        """The accounts that the settings describe; their store is opened when first needed.

        Raises `ValueError`, one line, when the keys file is broken.
        """
        keys = settings.client_keys
        if not (keys.counted or settings.keys):
            return cls(keys)
        from optillm.server.access.store import Store, open_storage  # not paid for by those who count nothing

        ceiling = Budget(max_tokens=settings.max_tokens_per_request, max_cost=settings.max_cost_per_request)
        return cls(keys, Store(lambda: open_storage(settings.counters)), ceiling)

    def limited(self, client: Client) -> bool:
        """Return whether this client's requests have to wait for the store before they start."""
        return self._counters is not None and (client.limits.any or self.keys.server.any)

    def admit(self, client: Client, *, spends: bool) -> Admission:
        """Let a request in; `spends` says whether it may cost anything upstream.

        Raises `RateLimited` when a limit is reached and `NotCounted` when a budget's use cannot be checked.
        """
        admission = Admission(client.grant)
        if self._counters is None:
            return admission
        accounts = ((f"{KEY}{client.name}", client.limits), (SERVER, self.keys.server))
        for name, limits in accounts:
            if limits.requests_per_minute:
                headers = self._counted(self._counters, name, limits.requests_per_minute)
                admission.headers |= headers if name != SERVER else {}
        if spends:
            try:
                most = client.grant.ceiling.within(self._ceiling)
                for name, limits in accounts:
                    self._spend(self._counters, admission, name, limits, most)
            except Exception:
                self.release(admission)
                raise
        return admission

    def release(self, admission: Admission) -> None:
        """Give back what a request held; what it took has been booked, or is on its way."""
        holds, admission.holds = admission.holds, []
        if self._books is not None:
            self._books.add([(hold.counter, -hold.amount) for hold in holds])

    def note(self, record: Record) -> None:
        """Book what a request took; does not wait."""
        if self._books is not None:
            self._books.add(self._entries(record))

    def close(self) -> None:
        """Book what is not yet booked."""
        if self._books is not None:
            self._books.close()

    def _counted(self, counters: Counters, name: str, per_minute: int) -> dict[str, str]:
        """Count a request and return the headers that report its rate limit."""
        try:
            got, left, free = counters.hit(f"{name}/requests", per_minute)
        except StoreDown as error:  # a rate guards against haste, not money: it may be missed for a while
            self._warn(error)
            return {}
        wait = max(1, math.ceil(free - self._clock()))
        headers = _limit_headers("requests", per_minute, left, wait)
        if not got:
            raise RateLimited(
                f"The limit of {per_minute} requests a minute for {_whose(name)} is reached; try again in {wait} s",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(wait)} | (headers if name != SERVER else {}),
            )
        return headers

    def _spend(
        self, counters: Counters, admission: Admission, name: str, limits: UsageLimits, most: Budget
    ) -> None:
        """Bound a request by what is left of the day.

        Hold the most it may take, where that is bounded.
        """
        for kind, limit in _budgets(limits):
            now, wanted = self._clock(), min(limit, _amount(kind, most))
            day_ends = math.ceil(DAY - now % DAY)
            held = counter(name, f"{kind}/held", now)
            left = limit - self._hold(counters, admission, counter(name, kind, now), wanted)
            if left <= 0:
                if self._hold(counters, admission, held, 0) > 0:
                    raise _held(name, kind, limit, wanted)
                raise _used_up(name, kind, limit, day_ends)
            if wanted and self._books is not None:  # only to tell others, so that nobody need wait for it
                admission.holds.append(Hold(held, wanted))
                self._books.add([(held, wanted)])
            ceiling = admission.grant.ceiling
            bound = ceiling.within(
                Budget(max_tokens=left) if kind == "tokens" else Budget(max_cost=left / MICRO)
            )
            if bound != ceiling:
                admission.grant, admission.day_ends = replace(admission.grant, ceiling=bound), day_ends
                admission.bound_by = (
                    f"what is left of the {_of_a_day(name, kind, limit)}; {_next_day(day_ends)}"
                )
            if kind == "tokens" and name != SERVER:
                admission.headers |= _limit_headers(kind, limit, left, day_ends)

    def _hold(self, counters: Counters, admission: Admission, counter: str, amount: int) -> int:
        """Hold so much of a budget, beyond its limit on paper only.

        Return what others have used or hold.
        """
        try:
            used = counters.add(counter, amount) - amount
        except StoreDown as error:  # a budget guards money
            self._warn(error)
            headers = {"Retry-After": str(math.ceil(RETRY))}
            raise NotCounted(
                "What this key has used cannot be checked at the moment; try again", headers=headers
            ) from None
        if amount:
            admission.holds.append(Hold(counter, amount))
        return used

    def _entries(self, record: Record) -> Iterator[tuple[str, int]]:
        # An upstream may report what it likes.
        used = {
            "tokens": min(max(0, record.usage.total_tokens if record.usage else 0), MAX_COUNT),
            "cost": math.ceil(min(max(0.0, (record.cost or 0.0) * MICRO), MAX_COUNT)),
        }
        used |= {"requests": 1, "calls": sum(record.calls.values()) if record.technique != NONE else 1}
        limited = [kind for kind, _ in _budgets(self.keys.server)]
        of_key = used if record.client in self._limits else ()
        of_all = (*limited, *SHOWN) if self.keys.server.any else ()
        for name, kinds in ((f"{KEY}{record.client}", of_key), (SERVER, of_all)):
            for kind in kinds:
                if used[kind]:
                    yield counter(name, kind, record.started), used[kind]

    def _warn(self, error: StoreDown) -> None:
        self._warnings.warn("The store of counters does not work: %s", error)


class Books:
    """A thread that adds to counters, and tries again what has failed.

    It starts with the first entry.
    """

    def __init__(self, add: Callable[[str, int], int], warn: Callable[[StoreDown], None]) -> None:
        self._write = add
        self._warn = warn
        self._entries: queue.SimpleQueue[Sequence[tuple[str, int]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def add(self, entries: Iterable[tuple[str, int]]) -> None:
        """Have amounts added to counters, soon; at once when the books are closed."""
        listed = list(entries)
        if not listed:
            return
        with self._lock:
            if not self._closed:
                self._entries.put(listed)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="accounts", daemon=True)
                    self._thread.start()
                return
        self._lost(self._booked(Counter(dict(listed))))

    def close(self) -> None:
        """Write what waits, with one last attempt where the store has failed.

        A second call only waits.
        """
        with self._lock:
            again, self._closed = self._closed, True
            if self._thread is not None and not again:
                self._entries.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        waiting: Counter[str] = Counter()
        more = True
        while more:
            more = self._collect(waiting)
            waiting = self._booked(waiting)
        self._lost(waiting)

    def _collect(self, waiting: Counter[str]) -> bool:
        """Sum up what has come; gives whether more may come."""
        try:
            entries = self._entries.get(timeout=RETRY if waiting else None)
            while entries is not None:
                for counter, amount in entries:
                    waiting[counter] += amount
                entries = self._entries.get_nowait()
        except queue.Empty:
            return True
        return False

    def _booked(self, waiting: Counter[str]) -> Counter[str]:
        """Write amounts down; gives those that could not be."""
        left = {counter: amount for counter, amount in waiting.items() if amount}
        try:
            for counter, amount in waiting.items():
                if amount:
                    self._write(counter, amount)
                    del left[counter]
        except StoreDown as error:
            self._warn(error)
        return Counter(left)

    def _lost(self, entries: Counter[str]) -> None:
        budgets = {name: amount for name, amount in entries.items() if name.split("/")[-2] not in SHOWN}
        if budgets:
            log.error("Not counted, because the store does not work: %s", budgets)


def _budgets(limits: UsageLimits) -> Iterator[tuple[str, int]]:
    """The budgets of a day that there are.

    Each has a kind, and so many tokens or millionths of a dollar.
    """
    if limits.tokens_per_day is not None:
        yield "tokens", limits.tokens_per_day
    if limits.cost_per_day is not None:
        yield "cost", round(limits.cost_per_day * MICRO)


def _amount(kind: str, ceiling: Budget) -> int:
    """What a request may take at most, as it is counted; 0 where it is not bounded."""
    if kind == "tokens":
        return ceiling.max_tokens or 0
    return math.ceil((ceiling.max_cost or 0.0) * MICRO)


def counter(name: str, kind: str, now: float) -> str:
    """The name of a counter of one day of UTC."""
    return f"{name}/{kind}/{time.strftime('%Y-%m-%d', time.gmtime(now))}"


def _limit_headers(kind: str, limit: int, left: int, seconds: int) -> dict[str, str]:
    """Return the headers in which OpenAI's clients look for a limit; it resets in `seconds`."""
    return {
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": str(left),
        f"x-ratelimit-reset-{kind}": f"{seconds}s",
    }


def _whose(name: str) -> str:
    return "all keys together" if name == SERVER else f"the key {name.removeprefix(KEY)!r}"


def _of_a_day(name: str, kind: str, limit: int) -> str:
    amount = f"{limit} tokens" if kind == "tokens" else f"${limit / MICRO:g}"
    return f"{amount} a day for {_whose(name)}"


def _used_up(name: str, kind: str, limit: int, day_ends: int) -> RateLimited:
    return RateLimited(
        f"The limit of {_of_a_day(name, kind, limit)} is reached; {_next_day(day_ends)}",
        code="insufficient_quota",
        headers={"Retry-After": str(day_ends), "x-should-retry": "false"},
    )


def _held(name: str, kind: str, limit: int, amount: int) -> RateLimited:
    each = f"{amount} tokens" if kind == "tokens" else f"${amount / MICRO:g}"
    return RateLimited(
        f"The limit of {_of_a_day(name, kind, limit)} is used up or held by running requests, up to {each} for each "
        f"of them; try again when one has ended. A smaller max_{kind}, of the key or of the server, holds less",
        code="insufficient_quota",
        headers={"Retry-After": str(SOON)},
    )


def _next_day(seconds: int) -> str:
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return f"it resets in {hours} h {minutes} min, at midnight UTC"
