"""The roles that judge: rank, rate, compare, group, criticise.

A judge works the task out for itself and sees rightly whether a candidate is right as often as its character
says, anew for each candidate in each call. What a candidate says about itself does not count. A task beyond
its skills is judged by a harmless rule, the fuller candidate first, and the verdict says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from optillm.demo.roles.blocks import Block
from optillm.demo.roles.findings import Findings, Scale, fill
from optillm.demo.roles.scene import Scene
from optillm.demo.roles.shapes import Shape
from optillm.demo.roles.stated import stated_answer
from optillm.demo.skills.reasoner import truth

_MEMBER = r"\b(?:[Cc]andidate|[Aa]nswer|[Rr]esponse|[Ss]olution|[Dd]raft|[Rr]eference|labelled)"
_UNKNOWN = "I am a simulated demo model and cannot check this kind of task; I go by how complete each one is."
_SCALES = (
    re.compile(
        r"(-?\d+(?:\.\d+)?)\s{0,2}(?:\([^()\n]{0,40}\)\s{0,2})?(?:-|–|—|to|and|through)\s{0,2}(\d+(?:\.\d+)?)(?![\d/])"
    ),
    re.compile(r"()(?:out of|/)\s{0,2}(\d+)"),
)


@dataclass(frozen=True, slots=True)
class Impression:
    """How a judge sees one candidate: right or not, between 0 and 1, and why."""

    label: str
    right: bool
    share: float
    remark: str


def impressions(scene: Scene) -> list[Impression]:
    """How the judge of this scene sees each candidate, in the order shown."""
    if scene.task is None:
        return _by_length(scene.candidates)
    answer = truth(scene.task)
    character, last = scene.character, len(scene.candidates) - 1
    seen: list[Impression] = []
    for place, block in enumerate(scene.candidates):
        stated = stated_answer(block.text, scene.task)
        lean = character.position_bias * (1 - 2 * place / last) if last else 0.0
        chance = (character.reliability if stated == answer else 1 - character.reliability) + lean
        right = scene.luck.random() < chance
        share = scene.luck.uniform(0.78, 1.0) if right else scene.luck.uniform(0.05, 0.42)
        seen.append(Impression(block.label, right, share, _remark(block.label, stated, right)))
    return seen


def _remark(label: str, stated: str | None, right: bool) -> str:
    who = f"Candidate {label}" if label else "The answer"
    if stated is None:
        return f"{who} states no answer that I can read" + (", yet its working holds." if right else ".")
    holds = "its steps hold up" if right else "one of its steps does not hold up"
    return f"{who} arrives at {stated}; {holds}."


def _by_length(candidates: Sequence[Block]) -> list[Impression]:
    longest = max((len(block.text) for block in candidates), default=1) or 1
    return [
        Impression(block.label, True, 0.3 + 0.4 * len(block.text) / longest, _UNKNOWN) for block in candidates
    ]


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
    )


def _groups(scene: Scene) -> list[list[str]]:
    """Labels of candidates with the same answer together, the largest group first."""
    groups: dict[str, list[str]] = {}
    for block in scene.candidates:
        stated = stated_answer(block.text, scene.task) if scene.task else None
        groups.setdefault(stated or " ".join(block.text.lower().split()), []).append(block.label)
    return sorted(groups.values(), key=lambda group: -len(group))


def _scale(scene: Scene) -> Scale:
    """The scale that the instruction states, else 0 to 10."""
    for told in (scene.instruction, scene.standing):
        for pattern in _SCALES:
            for match in pattern.finditer(told):
                low, high = float(match[1] or 0), float(match[2])
                if low < high and high in (1, 3, 4, 5, 6, 7, 9, 10, 20, 100):
                    return Scale(low, high)
    return Scale()


def rank(scene: Scene) -> str:
    """Put the candidates in order, best first."""
    found = judged(scene)
    return deliver(
        scene, found, "Ranking", " > ".join(found.ranking), Shape("object", {"ranking": Shape("array")})
    )


def rate(scene: Scene) -> str:
    """Give each candidate a number on the scale that was stated."""
    found = judged(scene)
    marks = {label: found.scale.place(share) for label, share in found.shares.items()}
    high = f"/{found.scale.high:g}"
    if len(marks) == 1:
        (mark,) = marks.values()
        return deliver(scene, found, "Score", f"{mark}{high}", Shape("object", {"score": Shape("number")}))
    told = "\n".join(f"{label}: {mark}{high}" for label, mark in marks.items())
    return deliver(scene, found, "Scores", told, Shape("object", {"scores": Shape("object")}))


def compare(scene: Scene) -> str:
    """Say which candidate is the best."""
    found = judged(scene)
    return deliver(scene, found, "Winner", found.pick, Shape("object", {"winner": Shape("string")}))


def group(scene: Scene) -> str:
    """Put candidates with the same answer together and pick one of the largest group."""
    found = judged(scene)
    largest = [one for one in found.groups if len(one) == len(found.groups[0])]
    members = {label for one in largest for label in one}
    pick = next((label for label in found.ranking if label in members), "")
    told = "; ".join(", ".join(one) for one in found.groups)
    found = replace(found, pick=pick)
    shape = Shape("object", {"groups": Shape("array"), "pick": Shape("string")})
    return deliver(scene, found, "Groups", f"{told}\nPick: {pick}", shape)


def critique(scene: Scene) -> str:
    """Say of each candidate what is good and what is wrong."""
    found = judged(scene)
    named = [
        label for label in found.labels if re.search(rf"{_MEMBER} {re.escape(label)}\b", scene.instruction)
    ]
    if len(named) == 1:  # "review draft B in the light of the others"
        found = replace(found, labels=named, remarks={named[0]: found.remarks[named[0]]})
    told = [
        f"- {remark} " + ("I see no flaw." if found.right[label] else "Its working should be done again.")
        for label, remark in found.remarks.items()
    ]
    if scene.shape is not None:
        return deliver(scene, found, "", "", Shape("object", {"critique": Shape("string")}))
    return "\n".join(told)


def verify(scene: Scene) -> str:
    """Say whether an answer is right."""
    found = judged(scene)
    told = "correct" if found.right.get(found.pick) else "incorrect"
    return deliver(scene, found, "Verdict", told, Shape("object", {"correct": Shape("boolean")}))


def deliver(scene: Scene, found: Findings, title: str, told: str, usual: Shape) -> str:
    """The verdict in the format wanted: JSON in the shape that was shown, else prose; reasons come first."""
    if scene.shape is None:
        return f"{found.reason}\n\n{_title(scene.instruction, title)}: {told}"
    shape = scene.shape
    if not shape.fields and shape.type in ("object", "any"):
        shape = Shape("object", {"reason": Shape("string"), **usual.fields})
    verdict = orjson.dumps(fill(shape, found)).decode()
    return verdict if scene.strict else f"{found.reason}\n\n{verdict}"


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
