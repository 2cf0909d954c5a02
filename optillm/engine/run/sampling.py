"""Sample candidates: what is at hand, then calls, as many as model and budget allow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Any, Final

import orjson

from optillm.chat import Reply
from optillm.engine.call.calls import Calls
from optillm.engine.call.payload import Payload
from optillm.engine.run.candidates import ReplyScreen
from optillm.engine.run.concurrency import most_telling, race
from optillm.engine.run.payloads import Bodies
from optillm.engine.run.single_flight import SingleFlight
from optillm.errors import BudgetExhausted
from optillm.technique import Candidate
from optillm.trace import Fork

SHORT: Final = "the budget had room for {room} of {calls} calls"
"""What is recorded of samples that the budget does not allow."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How candidates are sampled: `models` and `instructions` are dealt out in turn.

    `singly` says that each has to be a call of its own, so that the first ones can be had before the others.
    """

    model: str
    temperature: float | None = None
    models: Sequence[str] = ()
    instructions: Sequence[str] = ()
    singly: bool = False

    @property
    def uniform(self) -> bool:
        """Whether all calls are the same but for their seeds."""
        return not self.models and not self.instructions

    def payload(self, bodies: Bodies, index: int, seed: int) -> Payload:
        """Return the call for the candidate with this index in its wave."""
        model = self.models[index % len(self.models)] if self.models else self.model
        instruction = self.instructions[index % len(self.instructions)] if self.instructions else None
        return bodies.candidate(model, instruction, temperature=self.temperature, seed=seed)


@dataclass(slots=True)
class Sampler:
    """Samples the candidates of one part of a request's work.

    `seeds` are replies at hand, taken before any is requested; `requested` counts the samples that were. `draws` are
    shared with parallel branches. No straggler is waited for after `last_call()`, a time on the loop's clock.
    """

    calls: Calls
    screen: ReplyScreen
    bodies: Bodies
    question: str
    last_call: Callable[[], float]
    draws: SingleFlight[list[Candidate]] | None = None
    seeds: Sequence[Reply] = ()
    requested: int = 0

    async def arrivals(self, n: int, sampling: Sampling) -> AsyncGenerator[Candidate, None]:
        """Yield n candidates in order of arrival, see `Context.sample`.

        Leaving the loop cancels the rest.
        """
        sample_round = self.screen.sample_round(n, limited=self.bodies.limited)
        for first in (True, False):  # a second wave replaces what was lost
            if sample_round.done:
                break
            singly = sampling.singly or not first
            try:
                wave = self._wave(n - sample_round.usable, replace(sampling, singly=singly))
            except BudgetExhausted as error:
                sample_round.fail(error)
                break
            async with aclosing(race(wave, sample_round.enough, self.calls, self.last_call)) as results:
                async for result in results:
                    if isinstance(result, Exception):
                        sample_round.fail(result)
                        continue
                    for candidate in sample_round.take(result):
                        yield candidate
        for candidate in sample_round.remainder():
            yield candidate

    def _wave(self, n: int, sampling: Sampling) -> list[Coroutine[Any, Any, list[Candidate]]]:
        """Return the calls for n candidates: as few as the model allows, as many as the budget does.

        Raises `BudgetExhausted` if that is none.
        """
        seeds, self.seeds = self.seeds[:n], self.seeds[n:]
        n -= len(seeds)
        offset = (
            self.requested
        )  # with the seeds of an earlier wave, a later one would sample the same replies
        self.requested += n
        payloads = [sampling.payload(self.bodies, index, offset + index) for index in range(n)]
        bundled = n > 1 and sampling.uniform and not sampling.singly
        bundles = self._bundled(payloads) if bundled else [[payload] for payload in payloads]
        worst_cases = [self.calls.worst(bundle[0]) for bundle in bundles]
        affordable = self.calls.ledger.affordable(worst_cases)
        if affordable < len(bundles):
            self.calls.trace.decide("budget", SHORT, room=affordable, calls=len(bundles))
        if not affordable and not seeds:
            raise self.calls.ledger.exhausted(worst_cases[0])
        drawn = [self._drawn(bundle, index) for index, bundle in enumerate(bundles[:affordable])]
        return [*map(self._seeded, seeds), *drawn]

    def _bundled(self, payloads: list[Payload]) -> list[list[Payload]]:
        """Return as few calls with `n` as the model allows, if it honours `n`, else single calls.

        If it is not known whether the model does, the first single call tests it. That costs one surplus reply per
        model and hour, but never a round. The payloads after the first in a bundle are single calls, to be made if
        the first returns too few choices.
        """
        model = payloads[0].model
        honours = self.calls.honours_n(model)
        if honours:
            count = ceil(len(payloads) / (self.calls.most_choices(model) or len(payloads)))
            ends = [len(payloads) * i // count for i in range(count + 1)]
            return [_bundle(payloads[start:end]) for start, end in pairwise(ends)]
        if honours is None:
            payloads[0] = payloads[0].asking_for(2)
        return [[payload] for payload in payloads]

    async def _seeded(self, reply: Reply) -> list[Candidate]:
        return [await self._candidate(reply)]

    async def _drawn(self, bundle: Sequence[Payload], index: int) -> list[Candidate]:
        """Return the candidates of one call.

        They are the same for every branch that draws from the same body.
        """
        if self.draws is None:
            return await self._generate(*bundle)
        return await self.draws.run(orjson.dumps(bundle[0].body), index, lambda: self._generate(*bundle))

    async def _generate(self, payload: Payload, *singly: Payload) -> list[Candidate]:
        """Return the candidates of one call; request those missing from a bundle `singly`."""
        if not singly:
            return [await self._candidate(reply) for reply in await self.calls.complete("generate", payload)]
        bundle = Fork(self.calls.complete("generate", payload))
        replies = await bundle.task
        if replies:  # a refused bundle is no round of its own
            bundle.join()
        candidates = [await self._candidate(reply) for reply in replies]
        missing = singly[len(replies) :]
        if missing:
            candidates += await self._one_by_one(missing)
            if not replies:
                self.calls.bound_n(payload.model)
        return candidates

    async def _one_by_one(self, payloads: Sequence[Payload]) -> list[Candidate]:
        """Return the candidates of these calls; raises if all of them fail."""
        candidates, errors = list[Candidate](), list[Exception]()
        calls = [self._generate(payload) for payload in payloads]
        async with aclosing(race(calls, len(calls), self.calls)) as results:
            async for result in results:
                if isinstance(result, Exception):
                    errors.append(result)
                else:
                    candidates += result
        if not candidates:
            raise most_telling(errors)
        return candidates

    async def _candidate(self, reply: Reply) -> Candidate:
        return await self.screen.candidate(reply, self.question)


def _bundle(payloads: Sequence[Payload]) -> list[Payload]:
    """Return one call for several choices, followed by the single calls that it stands for."""
    if len(payloads) == 1:
        return [*payloads]
    return [replace(payloads[0].asking_for(len(payloads)), bundle=True), *payloads]
