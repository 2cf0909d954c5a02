"""The words that call for somebody who works with a solver or with code."""

from __future__ import annotations

from optillm_simulator.roles import asker, coder, formaliser, verbaliser
from optillm_simulator.roles.role import NEAR, Role, any_of

_SOLVERS = (r"\bsmt[- ]?lib\b", r"\bsmt2?\b", r"\bz3(?:py)?\b", r"\bformali[sz]\w*", r"\bsolver\b")

SPECIALISING: tuple[Role, ...] = (
    Role(
        formaliser.repair,
        any_of(
            r"\brepair\w*",
            r"\bfix\b",
            r"\bcorrect(?:ed)?\b",
            r"\bmend\w*",
            r"\bagain\b",
            r"\brevis\w+",
            r"\bunsat\w*",
            r"\bcores?\b",
            r"\bnot unique\b",
            r"\btwo (?:different )?models\b",
            r"\bcontradict\w*",
            rf"\b(?:solver|parser|z3|it)\b{NEAR}\b(?:says|said|reports?|reported|rejected|complain\w*|failed|error)\b",
        ),
        any_of(r"\berrors?\b", r"\bline \d+", r"\bproblems?\b", r"\bwrong\b", r"\bsyntax\b"),
        sure=any_of(*_SOLVERS),
        candidates=0,
        fits=lambda context: formaliser.has_formalisation(context) and not verbaliser.has_facts(context),
    ),
    Role(
        verbaliser.verbalise,
        any_of(
            r"\bcertified\b",
            r"\bverdict\b",
            r"\bfound by (?:a|the) \w+",
            r"\bexact\b",
            r"\bproved|proven\b",
            rf"\b(?:solver|z3)\b{NEAR}\b(?:found|result|solved|established|computed|values?|determined)\b",
        ),
        any_of(r"\bfacts?\b", r"\bvalues?\b", r"\bin words\b"),
        sure=any_of(r"\bcertified\b", r"\bsolver\b", r"\bz3\b"),
        candidates=0,
        fits=verbaliser.has_facts,
    ),
    Role(
        formaliser.formalise,
        any_of(
            r"\bconstraints?\b",
            r"\bassertions?\b",
            r"\bassert\b",
            r"\bdeclarations?\b",
            r"\btranslat\w+",
            r"\bencod\w+",
            r"\bdeclare-\w+",
        ),
        any_of(r"\bvariables?\b", r"\bcheck-sat\b", r"\bapplicable\b", r"\bmodel\b", r"\blogic\w*"),
        any_of("smt", "formali", "answer_vars", "assertions", "constraints", r"\Aapplicable\Z"),
        sure=any_of(*_SOLVERS),
        candidates=0,
        alone=True,
        fits=lambda context: not verbaliser.has_facts(context),
    ),
    Role(
        coder.describe,
        any_of(
            r"\bdescri(?:be|bes|ption)\b",
            r"\bspecif(?:y|ies|ication)\b",
            r"\bwhat (?:it|this|the) \w+ does\b",
            rf"\bexplain\b{NEAR}\b(?:does|behavio\w+|code|program)\b",
            r"\bsummari[sz]e\b",
        ),
        any_of(r"\bcode\b", r"\bself-contained\b", r"\bbehavio\w+", r"\bprogram\b", r"\bwords\b"),
        any_of("specification", "description"),
        sure=any_of(
            r"\bself-contained (?:specification|description)\b", r"\bwhat (?:it|this \w+|the \w+) does\b"
        ),
        candidates=0,
        fits=coder.shows_code_alone,
    ),
    Role(
        coder.regenerate,
        any_of(
            r"\bimplement\w*",
            r"\bre-?(?:generate|construct|create|build)\w*",
            r"\bspecification\b",
            rf"\b(?:write|produce|give)\b{NEAR}\b(?:code|program|function)\b",
            r"\bdescription\b",
        ),
        any_of(r"\bcode\b", r"\bfunction\b", r"\bprogram\b", r"\bscratch\b"),
        candidates=0,
        fits=coder.gives_specification,
    ),
    Role(
        coder.write_tests,
        any_of(
            r"\b(?:unit )?tests?\b",
            r"\btest (?:inputs?|cases?)\b",
            r"\bassert(?:ion)?s?\b",
            rf"\b(?:inputs?|calls?)\b{NEAR}\bexpected\b",
        ),
        any_of(r"\binputs?\b", r"\bexpected\b", r"\bedge cases?\b", r"\bquestion only\b"),
        any_of(r"\btests?\b", "assert", "inputs"),
        sure=any_of(
            rf"\b(?:write|list|think up|give|propose|invent)\b{NEAR}\b(?:tests?|test \w+|assertions?|inputs)\b"
        ),
        candidates=0,
        alone=True,
        fits=coder.asks_for_function,
    ),
    Role(
        asker.reconstruct,
        any_of(
            rf"\b(?:guess|reconstruct|recover|infer|work out|write down){NEAR}\b(?:question|request|task|asked)\b",
            r"\bwhat (?:they|she|he|somebody|someone|the user|was|were)\b[^.\n]{0,20}\basked\b",
            r"\b(?:question|request|task)\b[^.\n]{0,30}\b(?:behind|led to|answered by|produced)\b",
        ),
        any_of(r"\bgive away\b", r"\bstranger\b", r"\bcondition\b", r"\bthe answer\b"),
        any_of("request", r"\Aquestion\Z"),
        sure=any_of(
            r"\bwas asked\b", r"\bwere asked\b", r"\b(?:original|underlying) (?:question|request|task)\b"
        ),
        fits=lambda context: context.task is None,
    ),
)
