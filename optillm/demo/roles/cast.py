"""Which role a prompt gives, told by its vocabulary and by what it quotes. One row and one function make a role."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optillm.demo.characters import Character
from optillm.demo.roles import author, judge
from optillm.demo.roles.scene import Scene, Turn, set_scene

Play = Callable[[Scene], str]
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Role:
    """A role: how it is played and what calls for it.

    `names` are words that all but name it, `cues` words that go with it, `keys` names of what a verdict is to
    hold. It needs so many quoted `candidates`, or `partial` work to go on with.
    """

    play: Play
    names: re.Pattern[str]
    cues: re.Pattern[str] = _NEVER
    keys: re.Pattern[str] = _NEVER
    candidates: int = 1
    partial: bool = False

    def called(self, scene: Scene, told: str) -> int:
        """How strongly an instruction calls for this role; not at all when what it needs is not there."""
        if (self.partial and not scene.partial) or len(scene.candidates) < self.candidates:
            return 0
        keys = [key for key in (scene.shape.keys() if scene.shape else ()) if self.keys.search(key)]
        return 2 * _different(self.names, told) + _different(self.cues, told) + 2 * len(keys)


def _different(words: re.Pattern[str], told: str) -> int:
    return len({match[0].lower() for match in words.finditer(told)})


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_MEMBER = r"(?:candidate|answer|response|reply|solution|draft|reference|option|proposal|attempt|one)s?"
_NEAR = r"[^.\n]{0,40}"
_FORBIDDEN = re.compile(
    r"\b(?:do not|don't|never|no need to|instead of|rather than)\b[^.;:\n]*", re.IGNORECASE
)

# When two roles are called for equally strongly, the earlier one is played.
ROLES: tuple[Role, ...] = (
    Role(
        author.carry_on,
        _any(r"\bcontinu\w+", r"\bcarry on\b", r"\bgo on\b", r"\bpick up\b", r"\bresume\b", r"\btake over\b"),
        _any(r"\bfinish\w*", r"\bcomplete\b", r"\bproceed\b", r"\bremaining steps?\b", r"\bpartial\b"),
        candidates=0,
        partial=True,
    ),
    Role(
        judge.group,
        _any(r"\bgroup\w*", r"\bcluster\w*", r"\bpartition\w*", r"\bbucket\w*"),
        _any(
            rf"\bsame\b{_NEAR}\b(?:answer|conclusion|result|meaning)",
            r"\bequivalent\b",
            r"\bconsisten\w+",
            r"\bconsensus\b",
        ),
        _any("group", "cluster"),
        candidates=2,
    ),
    Role(
        judge.rank,
        _any(r"\brank\w*", r"\bbest to (?:the )?worst\b", r"\bbest first\b", r"\bstrongest to\b"),
        _any(
            r"\border (?:the|these|them|all)\b",
            r"\bsort\b",
            r"\border of (?:quality|preference|merit)\b",
            r"\bfrom (?:the )?best\b",
        ),
        _any("rank", "order"),
        candidates=2,
    ),
    Role(
        judge.rate,
        _any(
            r"\brat(?:e|ings?)\b",
            r"\bscor(?:e|es|ing)\b",
            r"\bgrad(?:e|es|ing)\b",
            r"\bmark out of\b",
            r"\bout of \d+",
        ),
        _any(
            r"\bpoints\b",
            r"\bscale (?:of|from)\b",
            r"\bhow (?:good|well|likely)\b",
            r"\bprobability\b",
            r"\bfrom \d+ to \d+",
            r"\bbetween \d+ and \d+",
        ),
        _any("score", "rating", "grade", "probab"),
    ),
    Role(
        judge.compare,
        _any(
            r"\bcompar\w+",
            r"\bwinner\b",
            r"\bhead[- ]to[- ]head\b",
            rf"\bwhich\b{_NEAR}\b(?:better|best|stronger)\b",
        ),
        _any(
            rf"\b(?:choose|pick|select|decide|identify)\b{_NEAR}\b(?:best|better|strongest|{_MEMBER})\b",
            r"\bprefer\w*",
            r"\bbetter of the two\b",
            rf"\bwhich {_MEMBER}\b",
        ),
        _any("winner", "best", "better", "choice", "pick", "prefer", "select"),
        candidates=2,
    ),
    Role(
        author.merge,
        _any(
            r"\bcombin\w+",
            r"\bmerg\w+",
            r"\bsynthesi[sz]\w*",
            r"\bconsolidat\w+",
            r"\bintegrat\w+",
            r"\baggregat\w+",
            r"\bfus(?:e|ing)\b",
            r"\bunif(?:y|ied)\b",
            r"\breconcil\w+",
        ),
        _any(
            r"\breferences?\b",
            rf"\b(?:write|produce|give|compose|craft|draft|provide)\b{_NEAR}\b(?:answer|response|reply)\b",
            rf"\b(?:single|one|new|final|better|improved)\b{_NEAR}\b(?:answer|response|reply|solution)\b",
            r"\busing them\b",
            r"\bdrawing on\b",
        ),
    ),
    Role(
        judge.critique,
        _any(
            r"\bcriti(?:que|ci[sz]e)\w*",
            r"\bflaws?\b",
            r"\bweakness(?:es)?\b",
            r"\bshortcomings?\b",
            r"\breview\b",
            r"\bwhat is wrong\b",
        ),
        _any(
            r"\bmistakes?\b",
            r"\berrors?\b",
            r"\bproblems?\b",
            r"\bfaults?\b",
            r"\bfeedback\b",
            r"\bmissing\b",
            r"\bstrengths\b",
        ),
        _any("critique", "flaw", "weakness", "feedback"),
    ),
    Role(
        judge.verify,
        _any(r"\bverif(?:y|ies)\b", r"\bcorrect or (?:not|incorrect)\b"),
        _any(r"\b(?:check|is|are|whether|decide)\b[^.?\n]{0,60}\b(?:correct|right|valid|true)\b"),
        _any("correct", "valid", "verdict"),
    ),
)


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
    if scene.bare:
        return author.answer
    for asked in (scene.instruction, scene.standing):
        told = _FORBIDDEN.sub("", asked)
        strongest = max(ROLES, key=lambda role: role.called(scene, told))
        if strongest.called(scene, told):
            return strongest.play
    return author.answer
