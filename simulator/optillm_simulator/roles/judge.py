"""The roles that judge: rank, rate, compare, group, criticise.

A task beyond its skills is judged by a harmless rule, the fuller candidate first, and the verdict says so.
"""

from __future__ import annotations

import re
from dataclasses import replace

import orjson

from optillm_simulator.roles.filling import fill
from optillm_simulator.roles.findings import Findings, Scale
from optillm_simulator.roles.impressions import impressions
from optillm_simulator.roles.scene import Scene
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


def judged(scene: Scene) -> Findings:
    """Everything a judge of this scene has to say."""
    seen = impressions(scene)
    ranking = [one.label for one in sorted(seen, key=lambda one: -one.share)]
    groups = _groups(scene)
    shares = {one.label: one.share for one in seen}
    pick = ranking[0] if ranking else ""
    remarks = {one.label: one.remark for one in seen}
    return Findings(
        labels=[one.label for one in seen],
        ranking=ranking,
        shares=shares,
        right={one.label: one.right for one in seen},
        remarks=remarks,
        groups=groups,
        pick=pick,
        reason=" ".join(dict.fromkeys(remarks.values())),
        scale=_scale(scene),
        located={one.label: one.errors for one in seen},
    )


def _groups(scene: Scene) -> list[list[str]]:
    """Labels of candidates with the same answer together, the largest group first."""
    groups: dict[str, list[str]] = {}
    for block in scene.candidates:
        stated = stated_answer(block.text, scene.task) if scene.task else _program(block.text)
        groups.setdefault(stated or " ".join(block.text.lower().split()), []).append(block.label)
    return sorted(groups.values(), key=lambda group: -len(group))


def _program(text: str) -> str | None:
    """What a program does, when nobody says what it should do."""
    program = recognised(code_in(text) or "")
    return None if program is None else f"{program[0].kind} {program[0].k} {program[1]}"


def _scale(scene: Scene) -> Scale:
    """The scale that the instruction states, else 0 to 10."""
    for text in (scene.instruction, scene.standing):
        for pattern in _SCALES:
            for match in pattern.finditer(text):
                low, high = float(match[1] or 0), float(match[2])
                if low < high and high in (1, 3, 4, 5, 6, 7, 9, 10, 20, 100):
                    return Scale(low, high)
    prompt = f"{scene.instruction}\n{scene.standing}"
    keys = list(scene.shape.keys()) if scene.shape else []
    return Scale(0, 1) if _PROBABILITY.search(prompt) or any(map(_PROBABILITY.search, keys)) else Scale()


def rank(scene: Scene) -> str:
    """Put the candidates in order, best first."""
    findings = judged(scene)
    return deliver(
        scene, findings, "Ranking", " > ".join(findings.ranking), Shape("object", {"ranking": Shape("array")})
    )


def rate(scene: Scene) -> str:
    """Give each candidate a number on the scale that was stated."""
    findings = judged(scene)
    marks = {label: findings.scale.place(share) for label, share in findings.shares.items()}
    high = f"/{findings.scale.high:g}"
    if len(marks) == 1:
        (mark,) = marks.values()
        return deliver(scene, findings, "Score", f"{mark}{high}", Shape("object", {"score": Shape("number")}))
    stated = "\n".join(f"{label}: {mark}{high}" for label, mark in marks.items())
    return deliver(scene, findings, "Scores", stated, Shape("object", {"scores": Shape("object")}))


def compare(scene: Scene) -> str:
    """Say which candidate is the best."""
    findings = judged(scene)
    return deliver(scene, findings, "Winner", findings.pick, Shape("object", {"winner": Shape("string")}))


def group(scene: Scene) -> str:
    """Put candidates with the same answer together and pick one of the largest group."""
    findings = judged(scene)
    largest = [one for one in findings.groups if len(one) == len(findings.groups[0])]
    members = {label for one in largest for label in one}
    pick = next((label for label in findings.ranking if label in members), "")
    stated = "; ".join(", ".join(one) for one in findings.groups)
    same = len(findings.groups) == 1
    findings = replace(findings, pick=pick, given=[(_SAMENESS, same)])
    if scene.shape is None and _EQUIVALENT.search(scene.instruction) and len(findings.labels) == 2:
        return deliver(scene, findings, "Equivalent", "yes" if same else "no", Shape())
    shape = Shape("object", {"groups": Shape("array"), "pick": Shape("string")})
    return deliver(scene, findings, "Groups", f"{stated}\nPick: {pick}", shape)


def critique(scene: Scene) -> str:
    """Say of each candidate what is good and what is wrong."""
    findings = judged(scene)
    named = [
        label for label in findings.labels if re.search(rf"{_MEMBER} {re.escape(label)}\b", scene.instruction)
    ]
    if len(named) == 1:  # "review draft B in the light of the others"
        findings = replace(findings, labels=named, remarks={named[0]: findings.remarks[named[0]]})
    stated = [
        f"- {remark} " + ("I see no flaw." if findings.right[label] else "Its working should be done again.")
        for label, remark in findings.remarks.items()
    ]
    if scene.shape is not None:
        return deliver(scene, findings, "", "", Shape("object", {"critique": Shape("string")}))
    return "\n".join(stated)


def verify(scene: Scene) -> str:
    """Say whether an answer is right."""
    findings = judged(scene)
    stated = "correct" if findings.right.get(findings.pick) else "incorrect"
    return deliver(scene, findings, "Verdict", stated, Shape("object", {"correct": Shape("boolean")}))


def deliver(scene: Scene, findings: Findings, title: str, stated: str, usual: Shape) -> str:
    """The verdict in the format wanted: JSON in the shape that was shown, else prose; reasons come first."""
    if scene.shape is None:
        line = f"{_title(scene.instruction, title)}: {stated}"
        return line if scene.strict else f"{findings.reason}\n\n{line}"
    shape = scene.shape
    if not shape.fields and shape.type in ("object", "any"):
        shape = Shape("object", {"reason": Shape("string"), **usual.fields})
    verdict = orjson.dumps(fill(shape, findings)).decode()
    return verdict if scene.strict else f"{findings.reason}\n\n{verdict}"


_SENTINEL = re.compile(r"((?:Final )?[A-Za-z][A-Za-z_]{2,20}):[ ]{0,2}(?=[<\[{(#_?]|[A-Z0-9]\b|XX|\.\.\.)")


def _title(instruction: str, usual: str) -> str:
    """The word that the instruction wants the verdict line to begin with, else the usual one."""
    wanted = [match[1] for match in _SENTINEL.finditer(instruction)]
    alike = {
        "Ranking": "rank|order",
        "Score": "score|rating|grade",
        "Winner": "winner|best|choice|verdict|answer|pick",
    }
    words = alike.get(usual.removesuffix("s") if usual == "Scores" else usual, usual)
    return next((word for word in reversed(wanted) if re.search(words, word, re.IGNORECASE)), usual)
