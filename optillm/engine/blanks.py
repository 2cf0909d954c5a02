"""Replies that say nothing: asked for once more, then kept for when nothing better comes."""

from __future__ import annotations

from optillm.chat import Reply, ReplyKind, Usage
from optillm.errors import UpstreamError


class Blank(UpstreamError):
    """All choices of a reply say nothing; `result` is what the call gives if no other attempt says more."""

    def __init__(self, result: tuple[list[Reply], Usage]) -> None:
        super().__init__("the upstream's reply says nothing", retryable=True)
        self.result = result


def blank(reply: Reply) -> bool:
    """Return whether a reply says nothing at all; one that thought instead of answering would do so again."""
    return reply.kind is ReplyKind.EMPTY and not (reply.finish_reason == "length" or reply.thought)
