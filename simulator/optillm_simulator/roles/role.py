"""What makes a role: how it is played and which words call for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from optillm_simulator.roles.blocks import Kind
from optillm_simulator.roles.scene import Scene

Play = Callable[[Scene], str]
NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Role:
    """A role: how it is played and what calls for it.

    `names` are words that all but name it, `cues` words that go with it, `keys` names of what a verdict is to
    hold; `sure` are words that leave no doubt. It needs so many quoted `candidates` and takes `most`, or needs
    `partial` work to go on with, quotations of certain kinds, or a scene that `fits`. `alone`: it may be given
    in one breath with the task itself.
    """

    play: Play
    names: re.Pattern[str]
    cues: re.Pattern[str] = NEVER
    keys: re.Pattern[str] = NEVER
    sure: re.Pattern[str] = NEVER
    candidates: int = 1
    most: int = 99
    partial: bool = False
    needs: tuple[Kind, ...] = ()
    fits: Callable[[Scene], bool] | None = None
    alone: bool = False

    def called(self, scene: Scene, text: str) -> int:
        """How strongly an instruction calls for this role; not at all when what it needs is not there."""
        if (self.partial and not scene.begun) or not self.candidates <= len(scene.candidates) <= self.most:
            return 0
        if (self.needs and not scene.quoted(*self.needs)) or (self.fits and not self.fits(scene)):
            return 0
        keys = [key for key in (scene.shape.keys() if scene.shape else ()) if self.keys.search(key)]
        named = 5 * _different(self.sure, text) + 2 * _different(self.names, text) + 2 * len(keys)
        return named + _different(self.cues, text) if named or not self.alone else 0


@lru_cache(maxsize=16_384)
def _different(words: re.Pattern[str], text: str) -> int:
    return len({match[0].lower() for match in words.finditer(text)})


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern for whichever of several comes first, in any case."""
    return re.compile("|".join(patterns), re.IGNORECASE)


MEMBER = r"(?:candidate|answer|response|reply|solution|draft|reference|option|proposal|attempt|one)s?"
NEAR = r"[^.\n]{0,40}"
