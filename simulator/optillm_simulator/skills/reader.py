"""From text to a task the demo model can work out."""

from __future__ import annotations

from functools import lru_cache

from optillm_simulator.skills.clues import read_puzzle
from optillm_simulator.skills.expression import read_expression
from optillm_simulator.skills.functions import read_function
from optillm_simulator.skills.language import sentences
from optillm_simulator.skills.reasoner import Task
from optillm_simulator.skills.rereading import once
from optillm_simulator.skills.story import read_story

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
