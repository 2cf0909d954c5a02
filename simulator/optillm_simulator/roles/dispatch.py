"""Choose the role that a prompt calls for, by its vocabulary and by what it quotes.

A role is one row of a table and one function.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from optillm_simulator.error_models import ErrorModel
from optillm_simulator.roles import author
from optillm_simulator.roles.context import PromptContext, Turn, read_context
from optillm_simulator.roles.judging import JUDGING
from optillm_simulator.roles.role import Play, Role
from optillm_simulator.roles.solving import REFINING, SOLVING
from optillm_simulator.roles.specialising import SPECIALISING

_FORBIDDEN = re.compile(
    r"\b(?:do not|don't|never|no need to|instead of|rather than)\b[^.;:\n]*", re.IGNORECASE
)

# If two roles fit equally well, the earlier one wins.
ROLES: tuple[Role, ...] = (*SPECIALISING, *SOLVING, *JUDGING, REFINING)
_ALONE = tuple(role for role in ROLES if role.alone)
_CALLED_ALONE = 2
"""The score a role needs if the message is nothing but the task: the matching words may be the task's own."""


def respond(
    turns: Sequence[Turn],
    model: ErrorModel,
    rng: random.Random,
    response_format: Mapping[str, Any] | None = None,
) -> str:
    """Return the demo model's reply to a conversation."""
    context = read_context(turns, model, rng, response_format)
    return recognise(context, prefilled=turns[-1][0] == "assistant")(context)


def recognise(context: PromptContext, *, prefilled: bool = False) -> Play:
    """Return the role that a prompt calls for.

    The instruction decides, else the system message; if neither calls for a role, the model answers.
    """
    if prefilled:
        return author.carry_on
    roles, threshold = (_ALONE, _CALLED_ALONE) if context.bare else (ROLES, 1)
    for text in (context.instruction, context.system):
        wanted = _FORBIDDEN.sub("", text)
        score, index = max((role.score(context, wanted), -index) for index, role in enumerate(roles))
        if score >= threshold:
            return roles[-index].play
        if context.bare:
            break
    return author.answer
