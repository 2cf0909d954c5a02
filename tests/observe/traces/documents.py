"""Trace documents by hand: each has what one kind of request leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

QUESTION = (
    "Tom has 5 bags with 12 marbles each. He gives away 17 marbles and then doubles what he has. How many?"
)


def call(index: int, role: str = "generate", **changes: Any) -> dict[str, Any]:
    """One call, as a document has it."""
    defaults: dict[str, Any] = {
        "id": index,
        "role": role,
        "step": None,
        "after": [],
        "round": 1,
        "status": "ok",
        "start": 0.0,
        "queued": 0.002,
        "sent": 0.002,
        "first_token": None,
        "end": 0.3,
        "model": "gpt-4o-mini",
        "upstream": "openai",
        "cached": 0,
        "retries": 0,
        "repetitions": 0,
        "input_tokens": 60,
        "cached_tokens": None,
        "output_tokens": 40,
        "cost": 0.0001,
        "error": None,
        "prompt": [{"role": "user", "content": QUESTION}],
        "replies": [reply("The answer is 86.")],
        "candidates": [],
        "ballot": None,
        "critical": False,
    }
    return defaults | changes


def reply(text: str, **changes: Any) -> dict[str, Any]:
    """One reply of a call."""
    return {"text": text, "thoughts": None, "tool_calls": None, "finish_reason": "stop"} | changes


def candidate(index: int, answer: str | None, group: int | None, **changes: Any) -> dict[str, Any]:
    """One candidate, sampled by the call of its number."""
    text = f"So the answer is {answer}."
    defaults = {"choice": 0, "complete": True, "text": text, "origin": "sample", "score": None}
    return {"index": index, "call": index, "answer": answer, "group": group} | defaults | changes


def ballot(judge: int, shown: Sequence[int], **changes: Any) -> dict[str, Any]:
    """One ballot, a ranking that can be read."""
    defaults: dict[str, Any] = {
        "call": judge,
        "step": 0,
        "kind": "ranking",
        "shown": list(shown),
        "labels": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(shown)],
        "verdict": None,
        "order": [[index] for index in shown],
        "scores": None,
        "source": "reasoned",
        "unread": None,
        "counted": True,
        "note": "a full ranking, weight 1",
    }
    return defaults | changes


def document(**changes: Any) -> dict[str, Any]:
    """A plain request that was passed on."""
    defaults: dict[str, Any] = {
        "object": "optillm.trace",
        "version": 1,
        "id": "trace_0123456789abcdef01234567",
        "request_id": "req_313ea6b5",
        "created": 1_700_000_000.25,
        "endpoint": "/chat/completions",
        "client": None,
        "technique": "none",
        "model": "gpt-4o-mini",
        "stream": False,
        "status": "ok",
        "http_status": 200,
        "stop": None,
        "error": None,
        "seconds": 0.3,
        "rounds": 1,
        "usage": {"prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100},
        "cost": 0.0001,
        "call_counts": {"generate": 1},
        "losses": {},
        "options": {},
        "requested_options": None,
        "content": True,
        "request": {"body": {"messages": [{"role": "user", "content": QUESTION}]}, "question": QUESTION},
        "calls": [call(0, critical=True)],
        "steps": [],
        "candidates": [],
        "groups": [],
        "ballots": [],
        "trees": [],
        "decisions": [],
        "composition": None,
        "outcome": {
            "chosen": [],
            "runner_up": None,
            "text": "The answer is 86.",
            "why": ["One call, passed on."],
        },
        "critical_path": [0],
    }
    return defaults | changes


def bon() -> dict[str, Any]:
    """Best of four: two of the samples agree, two judges rank them first, one cannot be read, one is cut off."""
    answers = [("86", 0, 0.26), ("69", 1, 0.27), ("86", 0, 0.22), ("103", 2, 0.29)]
    samples = [
        call(
            index,
            first_token=0.11,
            end=end,
            candidates=[index],
            critical=index == 3,
            replies=[reply(f"So the answer is {answer}.")],
        )
        for index, (answer, _, end) in enumerate(answers)
    ]
    judging: dict[str, Any] = {"role": "judge", "step": 0, "after": [0, 1, 2, 3], "round": 2, "start": 0.3}
    judging |= {"sent": 0.3, "prompt": [{"role": "user", "content": "Which is best?"}]}
    judges = [
        call(4, **judging, end=0.56, ballot=0, replies=[reply('{"ranking": ["A", "D", "B"]}')]),
        call(5, **judging, end=0.6, ballot=1, critical=True, replies=[reply('{"ranking": ["A", "B", "D"]}')]),
        call(6, **judging, end=0.6, ballot=2, replies=[reply("I cannot decide")]),
        call(7, **judging, end=0.6, status="cancelled", output_tokens=None, replies=None),
    ]
    unread = "no ranking in the reply"
    return document(
        technique="bon(n=4)",
        stop="complete",
        seconds=0.61,
        rounds=2,
        usage={"prompt_tokens": 840, "completion_tokens": 284, "total_tokens": 1124},
        cost=0.0009,
        call_counts={"generate": 4, "judge": 4},
        losses={"abstained": 1, "cancelled": 1},
        options={"n": 4},
        calls=[*samples, *judges],
        steps=[
            {"id": 0, "name": "judge", "parent": None, "start": 0.3, "end": 0.6, "attributes": {"ballots": 3}}
        ],
        candidates=[
            candidate(index, answer, group, score=[0.94, 0.31, 0.94, 0.19][index])
            for index, (answer, group, _) in enumerate(answers)
        ],
        groups=[
            {"id": 0, "answer": "86", "candidates": [0, 2], "votes": 2, "chosen": True},
            {"id": 1, "answer": "69", "candidates": [1], "votes": 1, "chosen": False},
            {"id": 2, "answer": "103", "candidates": [3], "votes": 1, "chosen": False},
        ],
        ballots=[
            ballot(4, [0, 3, 1]),
            ballot(5, [0, 1, 3], order=[[0], [1, 3]]),
            ballot(6, [3, 0, 1], order=None, source=None, unread=unread, counted=False, note="not counted"),
        ],
        decisions=[
            {"at": 0.6, "step": 0, "kind": "cut", "text": "One judge was no longer needed.", "data": {}}
        ],
        outcome={
            "chosen": [0],
            "runner_up": 1,
            "text": "So the answer is 86.",
            "why": ["86 was chosen.", "Two of four samples give this answer."],
        },
        critical_path=[3, 5],
    )


def mcts() -> dict[str, Any]:
    """A search tree of four nodes, the best of them a refinement of a refinement."""

    def node(index: int, parent: int | None, label: str, answer: str | None, **more: Any) -> dict[str, Any]:
        rest = {"visits": 8 - index, "value": 0.5 + index / 10, "candidate": None, "call": None}
        return {"id": index, "parent": parent, "label": label, "answer": answer} | rest | more

    nodes = [
        node(0, None, "root", None),
        node(1, 0, "sample", "69", candidate=0, call=0),
        node(2, 0, "sample", "86", candidate=1, call=1),
        node(3, 1, "refine", "86", candidate=2, call=2),
    ]
    return document(
        technique="mcts",
        stop="complete",
        rounds=2,
        calls=[call(0), call(1), call(2, role="generate", after=[0], round=2, start=0.3, end=0.6)],
        steps=[{"id": 0, "name": "tree", "parent": None, "start": 0.0, "end": 0.6, "attributes": {}}],
        candidates=[candidate(0, "69", 1), candidate(1, "86", 0), candidate(2, "86", 0, origin="refinement")],
        groups=[
            {"id": 0, "answer": "86", "candidates": [1, 2], "votes": 2, "chosen": True},
            {"id": 1, "answer": "69", "candidates": [0], "votes": 1, "chosen": False},
        ],
        trees=[{"step": 0, "kind": "mcts", "nodes": nodes, "best": [0, 1, 3]}],
        outcome={"chosen": [2], "runner_up": 0, "text": "So 86.", "why": ["86 has the highest value."]},
        critical_path=[0, 2],
    )


def running() -> dict[str, Any]:
    """A request whose only call still runs, of which no content is kept."""
    waiting = call(0, status="running", end=None, output_tokens=None, prompt=None, replies=None)
    return document(
        status="running",
        http_status=None,
        seconds=None,
        usage=None,
        cost=None,
        content=False,
        request={"body": None, "question": None},
        calls=[waiting],
        outcome={"chosen": [], "runner_up": None, "text": None, "why": []},
    )
