"""The candidates that a technique chose among, each scored like its answer.

They come from the trace of the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.evals.questions import Question
from optillm.evals.scorers.contract import Scorer, ScoringError, Tools
from optillm.toolkit.answers import FinalAnswer, extract, resolved

SAMPLE: Final = "sample"
NO_CHOICE: Final = ("decoy", "seed", "mended", "shown")
"""Origins of what is in a trace without being a choice: made to be wrong, there already, or a part of another."""


async def scored(
    trace: Mapping[str, Any], question: Question, scorer: Scorer, tools: Tools
) -> list[Mapping[str, Any]]:
    """Return each candidate's origin, score, final answer and tokens, from a trace.

    A score is `None` if it cannot be said. The tokens are those of the call's prompt, and a part of those of its reply.
    """
    candidates = [each for each in trace["candidates"] if each["origin"] not in NO_CHOICE]
    tokens = _tokens(trace["calls"], candidates)
    scores = {
        text: await _score(text, question, scorer, tools) for text in {each["text"] for each in candidates}
    }
    return [
        {
            "origin": candidate["origin"],
            "score": scores[candidate["text"]],
            "answer": await _answer(candidate["text"], question, tools),
            "tokens": tokens.get(candidate["call"]),
        }
        for candidate in candidates
    ]


def _tokens(
    calls: Sequence[Mapping[str, Any]], candidates: Sequence[Mapping[str, Any]]
) -> Mapping[int, float]:
    """Return the tokens of one candidate of each call that says how many it took."""
    choices = Counter(candidate["call"] for candidate in candidates)
    return {
        call["id"]: call["input_tokens"] + call["output_tokens"] / max(1, choices[call["id"]])
        for call in calls
        if call["input_tokens"] is not None and call["output_tokens"] is not None
    }


async def _score(text: str, question: Question, scorer: Scorer, tools: Tools) -> float | None:
    try:
        return (await scorer.score(question, text, tools)).value
    except ScoringError:
        return None


async def _answer(text: str, question: Question, tools: Tools) -> list[str | None] | None:
    """Return the fields of a `FinalAnswer` but its text; `None` for a free-form text."""
    answer = extract(text, question.text)
    if answer is None:
        return None
    if answer.kind == "expression":
        answer = resolved(answer, await tools.canonical(answer.value))
    return [answer.kind, answer.value, answer.unit, answer.subject]


def answer_of(candidate: Mapping[str, Any]) -> FinalAnswer | None:
    """Return the final answer of a candidate that `scored` returned."""
    return None if candidate["answer"] is None else FinalAnswer("", *candidate["answer"])
