"""The words that call for somebody who works on an answer."""

from __future__ import annotations

from optillm_simulator.roles import author, prover, refiner, steps
from optillm_simulator.roles.role import NEAR, Role, any_of

SOLVING: tuple[Role, ...] = (
    Role(
        author.carry_on,
        any_of(
            r"\bcontinu\w+",
            r"\bcarry on\b",
            r"\bgo on\b",
            r"\bpick up\b",
            r"\bresume\b",
            r"\btake over\b",
            r"\b(?:broke|cut|left) off\b",
            r"\blead to\b",
        ),
        any_of(r"\bfinish\w*", r"\bcomplete\b", r"\bproceed\b", r"\bremaining steps?\b", r"\bpartial\b"),
        candidates=0,
        partial=True,
    ),
    Role(
        author.merge,
        any_of(
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
        any_of(
            r"\breferences?\b",
            rf"\b(?:write|produce|give|compose|craft|draft|provide)\b{NEAR}\b(?:answer|response|reply)\b",
            rf"\b(?:single|one|new|final|better|improved)\b{NEAR}\b(?:answer|response|reply|solution)\b",
            r"\busing them\b",
            r"\bdrawing on\b",
        ),
    ),
    Role(
        prover.mislead,
        any_of(
            r"\bplausible\b",
            r"\bdeliberate\w*",
            r"\bconvincing\w*",
            r"\bsubtl[ey]\b",
            r"\bon purpose\b",
            rf"\b(?:wrong|incorrect|false|different)\b{NEAR}\b(?:answer|result|conclusion|solution)\b",
        ),
        any_of(
            r"\bexactly one\b",
            r"\bfatal\b",
            r"\bhard to (?:spot|find|notice|detect)\b",
            r"\btest (?:of )?\w*\b",
            r"\blooks? (?:right|correct|sound)\b",
            r"\bintentional\w*",
            r"\bmistake\b",
            r"\berror\b",
        ),
        sure=any_of(
            r"\bsneaky\b",
            r"\bdecoys?\b",
            r"\b(?:hidden|hide|conceal\w*|plant\w*|smuggle|sneak)\b[^.\n]{0,60}\b(?:error|mistake|flaw|slip)\b",
            r"\b(?:error|mistake|flaw|slip)\b[^.\n]{0,40}\b(?:hidden|concealed|planted)\b",
        ),
        candidates=0,
        alone=True,
    ),
    Role(
        prover.prove,
        any_of(
            r"\b(?:number|numbered)\b[^.\n]{0,40}\b(?:claims?|steps?|statements?)\b",
            r"\bclaims\b",
            r"\bprover\b",
            r"\b(?:easy|easier|easily|possible)\b[^.\n]{0,30}\b(?:check|verify|checked|verified)\b",
            r"\bcheckable\b",
            r"\bverifiable\b",
        ),
        any_of(r"\bintermediate (?:values?|results?)\b", r"\beach step\b", r"\bevery step\b", r"\bproof\b"),
        candidates=0,
        most=0,
        alone=True,
    ),
    Role(
        steps.next_step,
        any_of(
            rf"\b(?:next|one|single|first)\b{NEAR}\b(?:reasoning |logical |solution )?step\b",
            rf"\b(?:only|just|exactly)\b{NEAR}\b(?:next|one)\b",
            r"\bone[- ]step\b",
            r"\bone step at a time\b",
        ),
        any_of(
            r"\bpropose\b",
            r"\bnothing (?:more|else)\b",
            r"\bthen stop\b",
            r"\bstop\b",
            r"\bso far\b",
            r"\badd\b",
        ),
        any_of("next_step", r"\Astep\Z", "thought"),
        candidates=0,
        alone=True,
    ),
    Role(
        steps.sub_question,
        any_of(
            r"\bdecompos\w+",
            rf"\b(?:next|one|simpler|smaller|easier|ask)\b{NEAR}\bsub-?\s?(?:questions?|problems?)\b",
            rf"\bsimpler\b{NEAR}\bquestions?\b",
        ),
        any_of(
            r"\band (?:then )?answer (?:it|that)\b",
            r"\bsub-?\s?questions?\b",
            r"\bbreak\w*\b[^.\n]{0,30}\bdown\b",
        ),
        any_of("sub_?question", "subproblem"),
        candidates=0,
        alone=True,
    ),
    Role(
        steps.answer_sub,
        any_of(
            rf"\b(?:re-?answer|answer\b{NEAR}\b(?:again|anew|afresh|once more|only)|re-?consider|second look|re-?do)\b",
            rf"\b(?:answer|solve|work)\b{NEAR}\b(?:this|that|the|following|last|given) sub-?\s?(?:question|problem)\b",
        ),
        any_of(
            r"\bsub-?\s?(?:question|problem)s?\b", r"\bindependently\b", r"\bfrom scratch\b", r"\bcarefully\b"
        ),
        needs=("sub", "partial"),
        candidates=0,
    ),
    Role(
        steps.rephrase,
        any_of(
            r"\brephras\w+",
            r"\brestat\w+",
            r"\bparaphras\w+",
            r"\breword\w*",
            r"\breformulat\w+",
            rf"\blist\b{NEAR}\b(?:conditions?|facts?|givens?)\b",
            rf"\b(?:question|problem)\b{NEAR}\b(?:in other words|differently|as a list)\b",
        ),
        any_of(
            r"\bconditions?\b",
            r"\bfacts?\b",
            r"\bkeep\w* (?:all|every)\b",
            r"\bdo(?:es)? not (?:solve|answer)\b",
            r"\bown words\b",
            r"\blose nothing\b",
        ),
        any_of("rephras", "conditions", "restate"),
        candidates=0,
        alone=True,
    ),
)

REFINING = Role(
    refiner.refine,
    any_of(
        r"\brefin\w+",
        r"\brewrite\b",
        r"\brevis(?:e|ed|ion)\b",
        r"\bimprov\w+",
        rf"\b(?:better|corrected|repaired|stronger)\b{NEAR}\b(?:answer|version|solution|response|reply|one)\b",
        r"\b(?:correct|fix|mend|repair)\s(?:it|its|them|the|that|this|any|every|all|what|errors?|mistakes?)\b",
    ),
    any_of(
        r"\b(?:most|more) (?:serious|important|severe)\b",
        r"\bweakest\b",
        r"\bfull\b",
        r"\bcomplete\b",
        r"\bcurrent\b",
        r"\bproblems?\b",
        r"\bmistakes?\b",
        r"\berrors?\b",
        r"\bcriti\w+",
        r"\bflaws?\b",
        r"\bfrom scratch\b",
        r"\bwrite\b",
    ),
    any_of("improved", "revised", "refined", "rewritten", r"\Aanswer\Z"),
    most=1,
)
