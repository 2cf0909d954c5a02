"""The search for a form of one call that its model accepts.

The call is sent, changed where it was refused, and sent again; what helped is remembered.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

from optillm.engine.call.adaptation import Adaptation
from optillm.engine.call.call import Call
from optillm.engine.call.payload import Payload
from optillm.engine.call.remedies import MOST, Refusal, Remedy, remedies
from optillm.engine.upstream.capabilities import Capabilities
from optillm.errors import UpstreamError

REFUSING: Final = frozenset({400, 404, 422, 501})
"""Statuses with which upstreams refuse the content of a call."""
FAILING: Final = 500
"""The status of most failures, which some servers also use for refusals."""
TOO_MUCH: Final = frozenset({400, 413, 422})
"""Statuses with which upstreams refuse what a call says, or its length."""


class BundleRefused(Exception):
    """The upstream refused a call, perhaps because it asked for several choices.

    Request them one by one. `most` is how many choices it gives at a time, `None` if it does not say so.
    """

    def __init__(self, most: int | None) -> None:
        super().__init__("the upstream refused to give several choices")
        self.most = most


def refuses(error: UpstreamError, call: Call, capabilities: Capabilities) -> bool:
    """Return whether an error is a refusal of the call's content, not a failure of the upstream.

    A 500 counts as a refusal if it comes twice, for a call unlike any that the model has accepted.
    """
    if error.status != FAILING:
        return error.status in REFUSING
    # One passing failure must not cost a parameter for an hour.
    failed_before = call.route.name in call.history.failed_at
    call.history.failed_at.add(call.route.name)
    return failed_before and not capabilities.has_taken(call.body)


class Negotiation:
    """The search for a form of one payload that its model accepts.

    `adaptation` is the form to send next; `error` is the refusal to overcome, `None` before there is one. `began_with`
    identifies the first refusal of the call.
    """

    def __init__(self, payload: Payload, adaptation: Adaptation) -> None:
        self.adaptation = adaptation
        self.error: UpstreamError | None = None
        self.began_with: Hashable = None
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
        # Another complaint than before has remedies of its own, beside the change that settled the last one.
        if self._refusal is None or self._helped(refusal):
            self.error, self._refusal = error, refusal
            if not refusal.is_about(self._payload):
                return False
            self._left = remedies(self._payload, self.adaptation, refusal)
        while self._left and len(self._refused) <= MOST:
            self._trying = self._left.pop(0)
            self.adaptation = self._trying.adaptation
            if self.body not in self._refused:  # several remedies may come to the same form
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
