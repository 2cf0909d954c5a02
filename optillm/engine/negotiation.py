"""One call on its way to a form that its model takes: sent, refused, changed, sent again; what helped is remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from optillm.engine.adaptation import Adaptation
from optillm.engine.bodies import Payload
from optillm.engine.capabilities import Capabilities, shape
from optillm.engine.remedies import MOST, Refusal, Remedy, remedies
from optillm.errors import BudgetExhausted, UpstreamError

REFUSING: Final = frozenset({400, 404, 422, 501})
"""Statuses by which models refuse what a call says."""
FAILING: Final = 500
"""What most servers say when they fail, and some when they refuse."""

T = TypeVar("T")


class BundleRefused(Exception):
    """Choices are better asked for one by one than the call mended that asks for all of them."""


@dataclass(slots=True)
class Attempts:
    """What one call has been through: the upstreams that failed it, and how many other forms of it were tried.

    `in_vain` are the refusals that no other form of a call has overcome, of all calls of the request.
    """

    in_vain: set[Hashable]
    failed_at: set[str] = field(default_factory=set)
    others: int = 0

    def fail(self, upstream: str) -> bool:
        """Note that an upstream failed the call, and return whether it had before."""
        before = upstream in self.failed_at
        self.failed_at.add(upstream)
        return before


async def negotiated(
    payload: Payload,
    send: Callable[[Mapping[str, Any]], Awaitable[T]],
    capabilities: Callable[[], Capabilities],
    attempts: Attempts,
    upstream: str,
    allowed: Callable[[], bool],
) -> T:
    """Send a payload in the form its model takes: refused, without what of it is ours, one thing after the other.

    `send` makes the call with a body, `capabilities` gives what is known of the model now. Raises `UpstreamError`
    in the words of the refusal when no form is taken, and `BundleRefused`.
    """
    known = capabilities().adaptation(payload)
    negotiation = Negotiation(payload, known)
    refused: Hashable = None
    while True:
        body = negotiation.body
        try:
            result = await send(body)
        except BudgetExhausted:
            if negotiation.error is None:
                raise
            raise negotiation.error from None
        except UpstreamError as error:
            if not (allowed() and _refuses(error, body, capabilities(), attempts, upstream)):
                raise
            if payload.bundle:
                raise BundleRefused from error
            refused = refused or (upstream, shape(body), error.status, error.message)
            if refused in attempts.in_vain:
                raise
            if not negotiation.goes_on(error):
                attempts.in_vain.add(refused)
                raise negotiation.error or error from None
            attempts.others += 1
        else:
            capabilities().learn(payload, known, negotiation.adaptation)
            capabilities().took(body)
            return result


def _refuses(
    error: UpstreamError,
    body: Mapping[str, Any],
    capabilities: Capabilities,
    attempts: Attempts,
    upstream: str,
) -> bool:
    """Whether an error refuses what a call says, rather than being a failure.

    A 500 is taken for a refusal when it comes twice, to a call unlike any that the model has taken.
    """
    if error.status != FAILING:
        return error.status in REFUSING
    return attempts.fail(upstream) and not capabilities.has_taken(body)


class Negotiation:
    """The search for a form of one payload that its model takes.

    `adaptation` is the form to send next; `error` the refusal that the search is about, `None` before there is one.
    """

    def __init__(self, payload: Payload, adaptation: Adaptation) -> None:
        self.adaptation = adaptation
        self.error: UpstreamError | None = None
        self._payload = payload
        self._refusal: Refusal | None = None
        self._trying = Remedy(adaptation)
        self._left: list[Remedy] = []
        self._refused: list[Mapping[str, Any]] = []

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the form to send next."""
        return self.adaptation.body(self._payload)

    def goes_on(self, error: UpstreamError) -> bool:
        """Take in that the last form was refused, and choose the next; whether there is one."""
        refusal = Refusal.read(error)
        self._refused.append(self.body)
        if self._refusal is None or self._helped(refusal):
            self.error, self._refusal = error, refusal
            if not refusal.is_about(self._payload):
                return False
            self._left = remedies(self._payload, self.adaptation, refusal)
        while self._left and len(self._refused) <= MOST:
            self._trying = self._left.pop(0)
            self.adaptation = self._trying.adaptation
            if self.body not in self._refused:
                return True
        return False

    def _helped(self, refusal: Refusal) -> bool:
        """Whether what the model complained of is gone, and it now complains of something else."""
        signs = self._trying.signs
        return (
            self._refusal is not None
            and self._refusal.position(signs) is not None
            and refusal.position(signs) is None
        )
