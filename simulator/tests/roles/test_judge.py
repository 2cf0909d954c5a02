"""The judging roles: how reliable they are, and that their verdicts come in the format asked for."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

import pytest
from optillm_simulator.error_models import LARGE, SMALL, ErrorModel
from optillm_simulator.roles.context import read_context
from optillm_simulator.roles.impressions import impressions

from simulator.tests.talk import QUESTION, RIGHT, WRONG, quoting, say

VERSE = "Write a poem about the sea."


def seen_right(model: ErrorModel, *candidates: str, calls: int = 600) -> list[int]:
    """How often each candidate is seen as right."""
    prompt = [("user", quoting("Rank them.", *candidates))]
    counts = [0] * len(candidates)
    for seed in range(calls):
        seen = impressions(read_context(prompt, model, random.Random(seed), None))
        counts = [count + one.right for count, one in zip(counts, seen, strict=True)]
    return counts


@pytest.mark.parametrize("model", [SMALL, LARGE], ids=lambda one: one.name)
def test_sees_rightly_as_often_as_documented(model: ErrorModel) -> None:
    spread = 4 * math.sqrt(600 * model.reliability * (1 - model.reliability))
    (right,) = seen_right(model, RIGHT)
    (wrong,) = seen_right(model, WRONG)
    assert abs(right - 600 * model.reliability) <= spread
    assert abs(wrong - 600 * (1 - model.reliability)) <= spread


def test_leans_slightly_towards_what_is_shown_first() -> None:
    first, _, third = seen_right(SMALL, WRONG, WRONG, WRONG, calls=4000)
    assert 0 < (first - third) / 4000 < 4 * SMALL.position_bias


def test_several_rotated_ballots_beat_one() -> None:
    def best(order: str, seed: int) -> str:
        texts = {"A": WRONG, "B": RIGHT, "C": WRONG.replace("43", "50")}
        blocks = "\n".join(f"<{label}-1f>{texts[label]}</{label}-1f>" for label in order)
        prompt = f"Question: {QUESTION}\n\n{blocks}\n\nRank them."
        return say(prompt, model=SMALL, seed=seed).rpartition(": ")[2]

    def points(label: str, seed: int) -> int:
        ballots = [best(order, 3 * seed + turn) for turn, order in enumerate(("ABC", "BCA", "CAB"))]
        return sum(ballot.split(" > ")[::-1].index(label) for ballot in ballots)

    single = sum(best("ABC", seed).startswith("B") for seed in range(300))
    rotated = sum(max("ABC", key=lambda one: points(one, seed)) == "B" for seed in range(300))
    assert rotated > single


SCHEMA = {
    "type": "object",
    "properties": {
        "reasons": {"type": "string"},
        "ranking": {"type": "array", "items": {"type": "string"}},
        "scores": {"$ref": "#/$defs/Scores"},
    },
    "$defs": {"Scores": {"type": "object", "additionalProperties": {"type": "integer"}}},
}


def test_fills_a_json_schema() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": SCHEMA}}
    verdict = json.loads(say(quoting("Rank and score them.", WRONG, RIGHT), response_format=wanted))
    assert list(verdict) == ["reasons", "ranking", "scores"]
    assert verdict["ranking"] == ["B", "A"]
    assert verdict["scores"]["B"] > verdict["scores"]["A"]


FORMATS = [
    ('{"ranking": ["B", "A", "C"]}', {"ranking": ["B", "A", "C"]}),
    ('{"ranking": [2, 1, 3]}', {"ranking": [2, 1, 3]}),
    ('{"winner": "A" | "B" | "C"}', {"winner": "B"}),
    ('{"best": <number of the best one>}', {"best": 2}),
    ('{"correct": {"A": false, "B": true, "C": false}}', {"correct": {"A": False, "B": True, "C": False}}),
    ('{"groups": [["A", "B"], ["C"]], "pick": "A"}', {"groups": [["A", "C"], ["B"]], "pick": "A"}),
]


@pytest.mark.parametrize(("template", "verdict"), FORMATS)
def test_fills_the_template_that_the_instruction_shows(template: str, verdict: dict[str, Any]) -> None:
    reply = say(quoting(f"Judge the candidates. End with JSON like {template}", WRONG, RIGHT, WRONG))
    reasons, _, last = reply.rpartition("\n\n")
    assert reasons
    found = json.loads(last)
    assert list(found) == list(verdict)
    if "ranking" in verdict:
        assert found["ranking"][0] == verdict["ranking"][0]
        assert sorted(found["ranking"]) == sorted(verdict["ranking"])
    elif "groups" in verdict:
        assert found["groups"] == verdict["groups"]
        assert found["pick"] in ("A", "C")
    else:
        assert found == verdict


def test_a_list_of_objects_gets_one_for_each_candidate() -> None:
    template = '{"ratings": [{"label": "A", "comment": "...", "score": 5}, ...]}'
    reply = say(quoting(f"Rate each. Only JSON: {template}", WRONG, RIGHT))
    ratings = json.loads(reply)["ratings"]
    assert [one["label"] for one in ratings] == ["A", "B"]
    assert ratings[0]["score"] < ratings[1]["score"]
    assert all(isinstance(one["comment"], str) for one in ratings)


SCALES = [
    ("from 0 to 10", 0, 10),
    ("on a scale of 1-5", 1, 5),
    ("from 1 (poor) to 5 (perfect)", 1, 5),
    ("out of 100", 0, 100),
    ("between 0 and 1", 0, 1),
]


@pytest.mark.parametrize(("words", "low", "high"), SCALES)
def test_rates_on_the_scale_that_is_stated(words: str, low: float, high: float) -> None:
    middle = (low + high) / 2
    for text, above in ((RIGHT, True), (WRONG, False)):
        reply = say(quoting(f"Rate the answer {words}. Question first, then `Score: <number>`.", text))
        score = re.search(r"Score: ([\d.]+)/", reply)
        assert score is not None
        assert low <= float(score[1]) <= high
        assert (float(score[1]) > middle) is above


def test_without_a_format_a_verdict_is_prose_with_reasons_first() -> None:
    reply = say(quoting("Rank the candidates.", WRONG, RIGHT))
    assert reply.splitlines()[-1] == "Ranking: B > A"
    assert "arrives at 43" in reply.splitlines()[0]


def test_a_task_beyond_its_skills_is_judged_harmlessly_and_honestly() -> None:
    prompt = quoting(
        'Rank them. {"reasons": "", "ranking": []}', "Waves.", "Waves upon waves, grey.", question=VERSE
    )
    verdict = json.loads(say(prompt).rpartition("\n\n")[2])
    assert verdict["ranking"] == ["B", "A"]
    assert "simulated demo model" in verdict["reasons"]


def test_a_critique_names_what_each_candidate_says() -> None:
    reply = say(quoting("Critique the drafts.", WRONG, RIGHT))
    assert "Candidate A arrives at 43; one of its steps does not hold up" in reply
    assert "Candidate B arrives at 53; its steps hold up" in reply


def test_a_critique_of_one_draft_leaves_the_others_alone() -> None:
    reply = say(quoting("Review draft B in the light of the others. What is missing?", WRONG, RIGHT))
    assert "Candidate B" in reply
    assert "Candidate A" not in reply


LABEL = {"type": "string", "enum": ["A", "B", "C"]}
FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("Rank them.", {"ranking": {"type": "array", "items": LABEL}}, {"ranking": "B"}),
    (
        "Which candidate is better?",
        {"better": {"type": "string", "enum": ["A", "B", "tie"]}},
        {"better": "B"},
    ),
    (
        "Group them.",
        {"groups": {"type": "array", "items": {"type": "array", "items": LABEL}}},
        {"groups": [["A", "C"], ["B"]]},
    ),
]


@pytest.mark.parametrize(
    ("instruction", "fields", "expected"), FIELDS, ids=["ranking", "comparison", "groups"]
)
@pytest.mark.parametrize("reasons", [False, True], ids=["direct", "reasoned"])
def test_labels_are_those_that_a_schema_lists(
    instruction: str, fields: dict[str, Any], expected: dict[str, Any], reasons: bool
) -> None:
    properties = {"analysis": {"type": "string"}, **fields} if reasons else fields
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": properties}}}
    verdict = json.loads(say(quoting(instruction, WRONG, RIGHT, WRONG), response_format=form))
    assert list(verdict) == list(properties)
    assert not reasons or "arrives at 43" in verdict["analysis"]
    if "ranking" in expected:
        assert verdict["ranking"][0] == "B"
        assert sorted(verdict["ranking"]) == ["A", "B", "C"]
    else:
        assert verdict == verdict | expected


def test_a_score_is_one_of_those_that_a_schema_lists() -> None:
    score = {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    schema = {"type": "object", "properties": {"errors": {"type": "array"}, "score": score}}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    right, wrong = (
        json.loads(say(quoting("Verify the solution.", text), response_format=form))
        for text in (RIGHT, WRONG)
    )
    assert (right["score"], right["errors"]) == (5, [])
    assert 1 <= wrong["score"] < 4
    assert wrong["errors"]


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("Rank them. Reply with the ranking alone.", r"Ranking: B > A"),
        ("Which candidate is better? Reply with its letter and nothing else.", r"Winner: B"),
        (
            'Rank them. Reply with JSON alone, without reasons: {"ranking": [all labels, best first]}',
            r'\{"ranking":\["B","A"\]\}',
        ),
    ],
    ids=["ranking", "comparison", "JSON"],
)
def test_where_no_reasons_are_wanted_the_verdict_is_all(words: str, verdict: str) -> None:
    assert re.fullmatch(verdict, say(quoting(words, WRONG, RIGHT)))
