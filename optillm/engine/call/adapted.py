"""The layer that brings a call into a form its model accepts, and remembers what helped."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from optillm.engine.call.call import Call, Next, Result
from optillm.engine.call.ledger import JUDGE
from optillm.engine.call.negotiation import TOO_MUCH, BundleRefused, Negotiation, refuses
from optillm.engine.call.payload import Payload
from optillm.engine.call.remedies import Refusal, most_choices
from optillm.engine.upstream.capabilities import Capabilities, shape
from optillm.engine.upstream.routes import Route
from optillm.errors import BudgetExhausted, UpstreamError


class Adapted:
    """Sends each call in the form that its model is known to accept.

    Where that is refused, it sends it in others. `capabilities` returns what is known of a model at an upstream.
    `refused_models` are those that refused the conversation as the client sent it.
    """

    def __init__(self, capabilities: Callable[[Route, str], Capabilities]) -> None:
        self.refused_models = set[str]()
        self._capabilities = capabilities
        self._refused_in_vain = set[Hashable]()  # refusals that no other form of a call has overcome

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the result of `next` for the first `body` that is accepted.

        Raises the `UpstreamError` of the refusal if none is, and `BundleRefused` for a refused bundle.
        """
        route, payload = call.route, call.route.placed(call.payload)
        first = self._capabilities(route, payload.model).adaptation(payload)
        adaptation, negotiation = first, None
        while True:
            call.body = route.addressed(adaptation.body(payload))
            try:
                result = await next(call)
            except (UpstreamError, BudgetExhausted) as error:
                negotiation = negotiation or Negotiation(payload, first)
                self._change(call, payload, negotiation, error)
                adaptation = negotiation.adaptation
            else:
                capabilities = self._capabilities(route, payload.model)
                if adaptation is not first:
                    capabilities.learn(payload, first, adaptation)
                capabilities.took(call.body)
                capabilities.counted(payload.choices, len(result.replies))
                capabilities.notice(*result, judging=call.role == JUDGE)
                return result

    def _change(
        self, call: Call, payload: Payload, negotiation: Negotiation, error: UpstreamError | BudgetExhausted
    ) -> None:
        """Change what is ours in a refused call.

        Raise the error to give up with if it is no refusal, or if it is in vain.
        """
        if isinstance(error, BudgetExhausted):
            raise negotiation.error or error from None
        own_words = list(payload.plainer or payload.messages)
        if error.status in TOO_MUCH and call.role != JUDGE and call.body["messages"] == own_words:
            self.refused_models.add(payload.model)
        capabilities = self._capabilities(call.route, payload.model)
        if call.history.shown or not refuses(error, call, capabilities):
            raise error
        if payload.bundle and Refusal.read(error).is_about(payload):
            raise BundleRefused(most_choices(error, payload.choices)) from error
        refusal = (call.route.name, shape(call.body), error.status, error.message)
        negotiation.began_with = negotiation.began_with or refusal
        if negotiation.began_with in self._refused_in_vain:
            raise error
        if not negotiation.goes_on(error):
            self._refused_in_vain.add(negotiation.began_with)
            raise negotiation.error or error from None
        call.history.other_forms += 1
