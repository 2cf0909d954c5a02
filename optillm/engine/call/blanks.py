"""Replies that say nothing: requested once more, then returned if nothing better comes."""

from __future__ import annotations

from optillm.chat import Reply, ReplyKind, Usage
from optillm.errors import UpstreamError


class Blank(UpstreamError):
    """All choices of a reply say nothing; `result` is the result of the call if no other attempt says more."""

    def __init__(self, result: tuple[list[Reply], Usage]) -> None:
        super().__init__("the upstream's reply says nothing", retryable=True)
        self.result = result


def blank(reply: Reply) -> bool:
    """Return whether a reply says nothing and may say more if repeated.

    One that spent its tokens on thoughts would do so again.
    """
    return reply.kind is ReplyKind.EMPTY and not (reply.finish_reason == "length" or reply.thought)
