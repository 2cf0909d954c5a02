"""Read a text as a task that the demo model can work out."""

from __future__ import annotations

from functools import lru_cache

from optillm_simulator.skills.clues import read_puzzle
from optillm_simulator.skills.expression import read_expression
from optillm_simulator.skills.functions import read_function
from optillm_simulator.skills.language import sentences
from optillm_simulator.skills.reasoner import Task
from optillm_simulator.skills.rereading import once
from optillm_simulator.skills.story import read_story

_MAX_TEXT = 4000


@lru_cache(maxsize=1024)
def read(text: str) -> Task | None:
    """Return the task in a text, or `None` if it is beyond the demo model's skills."""
    if len(text) > _MAX_TEXT:
        return None
    text = once(text)
    function = read_function(text)
    if function:
        return function
    for sentence in sentences(text):
        calculation = read_expression(sentence)
        if calculation:
            return calculation
    return read_puzzle(text) or read_story(text)
