"""The roles that judge: rank, rate, compare, group, criticise.

A task beyond the model's skills is judged by a harmless rule, the fuller candidate first, and the verdict says so.
"""

from __future__ import annotations

import re
from dataclasses import replace

import orjson

from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.filling import fill
from optillm_simulator.roles.findings import Findings, Scale
from optillm_simulator.roles.impressions import impressions
from optillm_simulator.roles.shapes import Shape
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.functions import code_in, recognised

_MEMBER = r"\b(?:[Cc]andidate|[Aa]nswer|[Rr]esponse|[Ss]olution|[Dd]raft|[Rr]eference|labelled)"
_PROBABILITY = re.compile(r"probab|likelihood|\bp_?\(?correct", re.IGNORECASE)
_SAMENESS = re.compile(r"equivalen|\bsame|agree", re.IGNORECASE)
_EQUIVALENT = re.compile(r"\bequivalent\b[^.\n]{0,40}\?|\b(?:yes or no|whether)\b", re.IGNORECASE)
_SCALES = (
    re.compile(
        r"(-?\d+(?:\.\d+)?)\s{0,2}(?:\([^()\n]{0,40}\)\s{0,2})?(?:-|–|—|to|and|through)\s{0,2}(\d+(?:\.\d+)?)(?![\d/])"
    ),
    re.compile(r"()(?:out of|/)\s{0,2}(\d+)"),
)


def judged(context: PromptContext) -> Findings:
    """Return everything that a judge of this prompt has to say."""
    judged_candidates = impressions(context)
    ranking = [each.label for each in sorted(judged_candidates, key=lambda each: -each.share)]
    groups = _groups(context)
    shares = {each.label: each.share for each in judged_candidates}
    pick = ranking[0] if ranking else ""
    remarks = {each.label: each.remark for each in judged_candidates}
    return Findings(
        labels=[each.label for each in judged_candidates],
        ranking=ranking,
        shares=shares,
        right={each.label: each.right for each in judged_candidates},
        remarks=remarks,
        groups=groups,
        pick=pick,
        reason=" ".join(dict.fromkeys(remarks.values())),
        scale=_scale(context),
        located={each.label: each.errors for each in judged_candidates},
    )


def _groups(context: PromptContext) -> list[list[str]]:
    """Return the labels of candidates with the same answer together, the largest group first."""
    groups: dict[str, list[str]] = {}
    for block in context.candidates:
        stated = stated_answer(block.text, context.task) if context.task else _program(block.text)
        groups.setdefault(stated or " ".join(block.text.lower().split()), []).append(block.label)
    return sorted(groups.values(), key=lambda group: -len(group))


def _program(text: str) -> str | None:
    """Return what a program does if no task says what it should do."""
    program = recognised(code_in(text) or "")
    return None if program is None else f"{program[0].kind} {program[0].k} {program[1]}"


def _scale(context: PromptContext) -> Scale:
    """Return the scale that the instruction states, else 0 to 10."""
    for text in (context.instruction, context.system):
        for pattern in _SCALES:
            for match in pattern.finditer(text):
                low, high = float(match[1] or 0), float(match[2])
                if low < high and high in (1, 3, 4, 5, 6, 7, 9, 10, 20, 100):
                    return Scale(low, high)
    prompt = f"{context.instruction}\n{context.system}"
    keys = list(context.shape.keys()) if context.shape else []
    return Scale(0, 1) if _PROBABILITY.search(prompt) or any(map(_PROBABILITY.search, keys)) else Scale()


def rank(context: PromptContext) -> str:
    """Put the candidates in order, best first."""
    findings = judged(context)
    return deliver(
        context,
        findings,
        "Ranking",
        " > ".join(findings.ranking),
        Shape("object", {"ranking": Shape("array")}),
    )


def rate(context: PromptContext) -> str:
    """Give each candidate a number on the stated scale."""
    findings = judged(context)
    marks = {label: findings.scale.rating(share) for label, share in findings.shares.items()}
    high = f"/{findings.scale.high:g}"
    if len(marks) == 1:
        (mark,) = marks.values()
        return deliver(
            context, findings, "Score", f"{mark}{high}", Shape("object", {"score": Shape("number")})
        )
    stated = "\n".join(f"{label}: {mark}{high}" for label, mark in marks.items())
    return deliver(context, findings, "Scores", stated, Shape("object", {"scores": Shape("object")}))


def compare(context: PromptContext) -> str:
    """Say which candidate is the best."""
    findings = judged(context)
    return deliver(context, findings, "Winner", findings.pick, Shape("object", {"winner": Shape("string")}))


def group(context: PromptContext) -> str:
    """Put candidates with the same answer together and pick one of the largest group."""
    findings = judged(context)
    largest = [members for members in findings.groups if len(members) == len(findings.groups[0])]
    labels = {label for members in largest for label in members}
    pick = next((label for label in findings.ranking if label in labels), "")
    stated = "; ".join(", ".join(members) for members in findings.groups)
    same = len(findings.groups) == 1
    findings = replace(findings, pick=pick, overrides=[(_SAMENESS, same)])
    if context.shape is None and _EQUIVALENT.search(context.instruction) and len(findings.labels) == 2:
        return deliver(context, findings, "Equivalent", "yes" if same else "no", Shape())
    shape = Shape("object", {"groups": Shape("array"), "pick": Shape("string")})
    return deliver(context, findings, "Groups", f"{stated}\nPick: {pick}", shape)


def critique(context: PromptContext) -> str:
    """Say of each candidate what is good and what is wrong."""
    findings = judged(context)
    named = [
        label
        for label in findings.labels
        if re.search(rf"{_MEMBER} {re.escape(label)}\b", context.instruction)
    ]
    if len(named) == 1:  # "review draft B in the light of the others"
        findings = replace(findings, labels=named, remarks={named[0]: findings.remarks[named[0]]})
    stated = [
        f"- {remark} " + ("I see no flaw." if findings.right[label] else "Its working should be done again.")
        for label, remark in findings.remarks.items()
    ]
    if context.shape is not None:
        return deliver(context, findings, "", "", Shape("object", {"critique": Shape("string")}))
    return "\n".join(stated)


def verify(context: PromptContext) -> str:
    """Say whether an answer is correct."""
    findings = judged(context)
    stated = "correct" if findings.right.get(findings.pick) else "incorrect"
    return deliver(context, findings, "Verdict", stated, Shape("object", {"correct": Shape("boolean")}))


def deliver(context: PromptContext, findings: Findings, title: str, stated: str, usual: Shape) -> str:
    """Return the verdict in the wanted format: JSON in the shape shown, else prose, reasons first."""
    if context.shape is None:
        line = f"{_title(context.instruction, title)}: {stated}"
        return line if context.strict else f"{findings.reason}\n\n{line}"
    shape = context.shape
    if not shape.fields and shape.type in ("object", "any"):
        shape = Shape("object", {"reason": Shape("string"), **usual.fields})
    verdict = orjson.dumps(fill(shape, findings)).decode()
    return verdict if context.strict else f"{findings.reason}\n\n{verdict}"


_SENTINEL = re.compile(r"((?:Final )?[A-Za-z][A-Za-z_]{2,20}):[ ]{0,2}(?=[<\[{(#_?]|[A-Z0-9]\b|XX|\.\.\.)")


def _title(instruction: str, usual: str) -> str:
    """Return the word with which the instruction wants the verdict line to begin, else the usual one."""
    wanted = [match[1] for match in _SENTINEL.finditer(instruction)]
    alike = {
        "Ranking": "rank|order",
        "Score": "score|rating|grade",
        "Winner": "winner|best|choice|verdict|answer|pick",
    }
    words = alike.get(usual.removesuffix("s") if usual == "Scores" else usual, usual)
    return next((word for word in reversed(wanted) if re.search(words, word, re.IGNORECASE)), usual)
