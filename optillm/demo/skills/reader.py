"""From text to a task the demo model can work out."""

from __future__ import annotations

from functools import lru_cache

from optillm.demo.skills.clues import read_puzzle
from optillm.demo.skills.expression import read_expression
from optillm.demo.skills.functions import read_function
from optillm.demo.skills.language import sentences
from optillm.demo.skills.reasoner import Task
from optillm.demo.skills.rereading import once
from optillm.demo.skills.story import read_story

_LONGEST = 4000


@lru_cache(maxsize=1024)
def read(text: str) -> Task | None:
    """The task in a text, or `None` when it is beyond the demo model's skills."""
    if len(text) > _LONGEST:
        return None
    text = once(text)
    wanted = read_function(text)
    if wanted:
        return wanted
    for sentence in sentences(text):
        found = read_expression(sentence)
        if found:
            return found
    return read_puzzle(text) or read_story(text)
