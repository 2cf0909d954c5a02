"""Which role a prompt gives, told by its vocabulary and by what it quotes. One row and one function make a role."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from optillm_simulator.characters import Character
from optillm_simulator.roles import author
from optillm_simulator.roles.judging import JUDGING
from optillm_simulator.roles.role import Play, Role
from optillm_simulator.roles.scene import Scene, Turn, set_scene
from optillm_simulator.roles.solving import REFINING, SOLVING
from optillm_simulator.roles.specialising import SPECIALISING

_FORBIDDEN = re.compile(
    r"\b(?:do not|don't|never|no need to|instead of|rather than)\b[^.;:\n]*", re.IGNORECASE
)

# When two roles are called for equally strongly, the earlier one is played.
ROLES: tuple[Role, ...] = (*SPECIALISING, *SOLVING, *JUDGING, REFINING)
_ALONE = tuple(role for role in ROLES if role.alone)
_CALLED_ALONE = 2
"""How strongly a role must be called for in one breath with the task: its words may be the task's own."""


def respond(
    turns: Sequence[Turn],
    character: Character,
    luck: random.Random,
    response_format: Mapping[str, Any] | None = None,
) -> str:
    """What the demo model says to a conversation."""
    scene = set_scene(turns, character, luck, response_format)
    return recognise(scene, prefilled=turns[-1][0] == "assistant")(scene)


def recognise(scene: Scene, *, prefilled: bool = False) -> Play:
    """The role that a scene gives: by its instruction, else by the system message; to answer when by neither."""
    if prefilled:
        return author.carry_on
    roles, least = (_ALONE, _CALLED_ALONE) if scene.bare else (ROLES, 1)
    for asked in (scene.instruction, scene.standing):
        told = _FORBIDDEN.sub("", asked)
        called, strongest = max(((role.called(scene, told), -place) for place, role in enumerate(roles)))
        if called >= least:
            return roles[-strongest].play
        if scene.bare:
            break
    return author.answer
