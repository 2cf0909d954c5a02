"""The search for a form of one call that its model accepts.

The call is sent, changed where it was refused, and sent again; what helped is remembered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from optillm.engine.call.adaptation import Adaptation
from optillm.engine.call.remedies import MOST, Refusal, Remedy, most_choices, remedies
from optillm.engine.run.payloads import Payload
from optillm.engine.upstream.capabilities import Capabilities, shape
from optillm.errors import BudgetExhausted, UpstreamError

REFUSING: Final = frozenset({400, 404, 422, 501})
"""Statuses with which upstreams refuse the content of a call."""
FAILING: Final = 500
"""The status of most failures, which some servers also use for refusals."""

T = TypeVar("T")


class BundleRefused(Exception):
    """The upstream refused a call, perhaps because it asked for several choices; request them one by one.

    `most` is how many choices it gives at a time, `None` if it does not say so.
    """

    def __init__(self, most: int | None) -> None:
        super().__init__("the upstream refused to give several choices")
        self.most = most


@dataclass(slots=True)
class Attempts:
    """One call's history: the upstreams that failed it, and how many `others` forms were tried.

    `blank` is the latest reply that said nothing, `None` before there is one. `in_vain` holds the refusals that no
    other form of a call has overcome, shared by all calls of the request.
    """

    in_vain: set[Hashable]
    failed_at: set[str] = field(default_factory=set)
    others: int = 0
    blank: Any = None

    def fail(self, upstream: str) -> bool:
        """Record that an upstream failed the call, and return whether it had done so before."""
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
    """Send a payload, changing what is ours in it until the model accepts it.

    `send` makes the call with a body; `capabilities` returns what is now known of the model. Raises the
    `UpstreamError` of the refusal if no form is accepted, and `BundleRefused` for a refused bundle.
    """
    first = capabilities().adaptation(payload)
    negotiation = Negotiation(payload, first)
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
            if payload.bundle and Refusal.read(error).is_about(payload):
                raise BundleRefused(most_choices(error, payload.choices)) from error
            refused = refused or (upstream, shape(body), error.status, error.message)
            if refused in attempts.in_vain:
                raise
            if not negotiation.goes_on(error):
                attempts.in_vain.add(refused)
                raise negotiation.error or error from None
            attempts.others += 1
        else:
            capabilities().learn(payload, first, negotiation.adaptation)
            capabilities().took(body)
            return result


def _refuses(
    error: UpstreamError,
    body: Mapping[str, Any],
    capabilities: Capabilities,
    attempts: Attempts,
    upstream: str,
) -> bool:
    """Return whether an error is a refusal of the call's content, not a failure of the upstream.

    A 500 counts as a refusal if it comes twice, for a call unlike any that the model has accepted.
    """
    if error.status != FAILING:
        return error.status in REFUSING
    return attempts.fail(upstream) and not capabilities.has_taken(body)


class Negotiation:
    """The search for a form of one payload that its model accepts.

    `adaptation` is the form to send next; `error` is the refusal to overcome, `None` before there is one.
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
        """Return the JSON of the form to send next."""
        return self.adaptation.body(self._payload)

    def goes_on(self, error: UpstreamError) -> bool:
        """Record that the last form was refused, choose the next, and return whether there is one."""
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
        """Return whether the last change settled one complaint and this refusal is another."""
        signs = self._trying.signs
        return (
            self._refusal is not None
            and self._refusal.position(signs) is not None
            and refusal.position(signs) is None
        )
