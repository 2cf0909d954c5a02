"""The words that call for a judge."""

from __future__ import annotations

from optillm_simulator.roles import judge
from optillm_simulator.roles.role import MEMBER, NEAR, Role, any_of

JUDGING: tuple[Role, ...] = (
    Role(
        judge.group,
        any_of(r"\bgroup\w*", r"\bcluster\w*", r"\bpartition\w*", r"\bbucket\w*"),
        any_of(
            rf"\bsame\b{NEAR}\b(?:answer|conclusion|result|meaning)",
            r"\bequivalent\b",
            r"\bconsisten\w+",
            r"\bconsensus\b",
        ),
        any_of("group", "cluster"),
        candidates=2,
    ),
    Role(
        judge.rank,
        any_of(r"\brank\w*", r"\bbest to (?:the )?worst\b", r"\bbest first\b", r"\bstrongest to\b"),
        any_of(
            r"\border (?:the|these|them|all)\b",
            r"\bsort\b",
            r"\border of (?:quality|preference|merit)\b",
            r"\bfrom (?:the )?best\b",
        ),
        any_of("rank", "order"),
        candidates=2,
    ),
    Role(
        judge.rate,
        any_of(
            r"\brat(?:e|ings?)\b",
            r"\bscor(?:e|es|ing)\b",
            r"\bgrad(?:e|es|ing)\b",
            r"\bmark out of\b",
            r"\bout of \d+",
        ),
        any_of(
            r"\bpoints\b",
            r"\bscale (?:of|from)\b",
            r"\bhow (?:good|well|likely)\b",
            r"\bprobability\b",
            r"\bfrom \d+ to \d+",
            r"\bbetween \d+ and \d+",
        ),
        any_of("score", "rating", "grade", "probab", "p_?correct"),
    ),
    Role(
        judge.compare,
        any_of(
            r"\bcompar\w+",
            r"\bwinner\b",
            r"\bhead[- ]to[- ]head\b",
            rf"\bwhich\b{NEAR}\b(?:better|best|stronger)\b",
        ),
        any_of(
            rf"\b(?:choose|pick|select|decide|identify)\b{NEAR}\b(?:best|better|strongest|{MEMBER})\b",
            r"\bprefer\w*",
            r"\bbetter of the two\b",
            rf"\bwhich {MEMBER}\b",
        ),
        any_of("winner", "best", "better", "choice", "pick", "prefer", "select"),
        candidates=2,
    ),
    Role(
        judge.critique,
        any_of(
            r"\bcriti(?:que|ci[sz]e)\w*",
            r"\bflaws?\b",
            r"\bweakness(?:es)?\b",
            r"\bshortcomings?\b",
            r"\breview\b",
            r"\bwhat is wrong\b",
        ),
        any_of(
            r"\bmistakes?\b",
            r"\berrors?\b",
            r"\bproblems?\b",
            r"\bfaults?\b",
            r"\bfeedback\b",
            r"\bmissing\b",
            r"\bstrengths\b",
        ),
        any_of("critique", "flaw", "weakness", "feedback"),
    ),
    Role(
        judge.verify,
        any_of(r"\bverif(?:y|ies)\b", r"\bcorrect or (?:not|incorrect)\b"),
        any_of(r"\b(?:check|is|are|whether|decide)\b[^.?\n]{0,60}\b(?:correct|right|valid|true)\b"),
        any_of("correct", "valid", "verdict"),
    ),
)
