"""The layer that chooses the upstream of a call, and another one when that fails."""

from __future__ import annotations

from random import Random

from optillm.engine.call.call import Call, Next, Result
from optillm.engine.upstream.outages import Outages
from optillm.engine.upstream.routes import Route, Routes
from optillm.errors import UpstreamError


class Routed:
    """Makes a call at one upstream after the other until one answers or has shown some text."""

    def __init__(self, routes: Routes, rng: Random) -> None:
        self._routes = routes
        self._rng = rng

    async def __call__(self, call: Call, next: Next) -> Result:
        """Return the result of `next` at an upstream.

        Raise the failure that leaves most hope when all have failed.
        """
        if self._routes.alone is not None:
            return await self._at(self._routes.alone, call, next)
        model, history = call.payload.model, call.history
        lap = self._routes.lap(model, self._rng, avoided=history.waiting_for)
        for route in lap:
            call.span.attributes["gen_ai.provider.name"] = route.name
            history.waiting_for.append(route)
            try:
                with route.watched(model):
                    result = await self._at(route, call, next)
            except UpstreamError as error:
                if history.shown:
                    raise
                lap.failed(route, error)
            else:
                # The upstream that answered; a repetition may have named another one since.
                call.span.attributes["gen_ai.provider.name"] = route.name
                return result
            finally:
                history.waiting_for.remove(route)
        raise lap.failure()

    async def _at(self, route: Route, call: Call, next: Next) -> Result:
        """Make a call at one upstream, and note whether it is up."""
        call.route = route
        outages: Outages = self._routes.outages
        try:
            result = await next(call)
        except UpstreamError as error:
            if error.restarting:
                outages.began(route.name, error)
            elif error.upstream_body is not None:
                outages.ended(route.name)
            raise
        outages.ended(route.name)
        return result
