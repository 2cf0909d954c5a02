"""Take a prompt apart into what it quotes and what it asks."""

from __future__ import annotations

from optillm_simulator.roles.blocks import Block, Parts
from optillm_simulator.roles.headings import (
    headed,
    last_user_line,
    listed,
    partial_paragraphs,
    task_paragraph,
)
from optillm_simulator.roles.tags import tagged

_SPEAKERS = frozenset({"assistant", "system", "developer", "tool"})


def take_apart(text: str) -> Parts:
    """Return the quotations in a prompt, and the prompt without them.

    Tags take precedence over headings, and headings over lists.
    """
    in_tags = tagged(text, take_apart)
    task = task_paragraph(in_tags.rest)
    partial = partial_paragraphs(task.rest)
    blocks, rest = in_tags.blocks + task.blocks + partial.blocks, partial.rest
    if in_tags.of("candidate"):
        return Parts(blocks, rest)
    others = [other for other in in_tags.of("other") if other.label not in _SPEAKERS]
    if len(others) > 1:  # the tags have an unknown name, but they are tags
        return Parts(blocks + tuple(Block("candidate", other.label, other.text) for other in others), rest)
    candidates = headed(rest)
    candidates = candidates if candidates.blocks else listed(rest)
    return Parts(blocks + candidates.blocks, candidates.rest, candidates.listed)


def last_user_turn(conversation: str) -> str:
    """Return the last thing that the user says in a quoted conversation."""
    turns = [block.text for block in tagged(conversation, take_apart).blocks if block.label == "user"]
    return turns[-1] if turns else last_user_line(conversation)
