"""Trace documents made by hand, for pages that draw them."""

from __future__ import annotations

from typing import Any

from tests.observe.traces import documents
from tests.observe.traces.documents import reply

QUESTION = (
    "Tom has 5 bags with 12 marbles each. He gives away 17 marbles and then doubles what he has. "
    "How many marbles does he have?"
)
TEXTS = {
    "86": "5 × 12 = 60. He gives away 17: 60 − 17 = 43. He doubles what he has: 43 × 2 = 86.\nThe answer is 86.",
    "69": "5 × 12 = 60. He gives away 17: 60 − 17 = 43. He doubles, so 43 + 26 = 69.\nThe answer is 69.",
    "103": "5 × 12 = 60 marbles, doubled 120. He gives away 17: 120 − 17 = 103.\nThe answer is 103.",
}


def document(**changes: Any) -> dict[str, Any]:
    """A plain request that succeeded."""
    empty: dict[str, Any] = {
        "object": "optillm.trace",
        "version": 1,
        "id": "trace_313ea6b5313ea6b5313ea6b5",
        "request_id": "req_313ea6b5",
        "created": 1764530000.12,
        "endpoint": "/chat/completions",
        "client": None,
        "technique": "none",
        "model": "demo-small",
        "stream": False,
        "status": "ok",
        "http_status": 200,
        "stop": None,
        "error": None,
        "seconds": 0.3,
        "rounds": 1,
        "usage": {"prompt_tokens": 60, "completion_tokens": 54, "total_tokens": 114},
        "cost": None,
        "call_counts": {"generate": 1},
        "losses": {},
        "options": {},
        "requested_options": None,
        "content": True,
        "request": {
            "body": {"model": "demo-small", "messages": [{"role": "user", "content": QUESTION}]},
            "question": QUESTION,
        },
        "calls": [call(0, replies=[reply(TEXTS["86"])], critical=True)],
        "steps": [],
        "candidates": [],
        "groups": [],
        "ballots": [],
        "trees": [],
        "decisions": [],
        "composition": None,
        "outcome": {"chosen": [], "runner_up": None, "text": TEXTS["86"], "why": ["One call, passed on."]},
        "critical_path": [0],
    }
    return empty | changes


def call(index: int, **changes: Any) -> dict[str, Any]:
    """A call that succeeded, and whose first token is known."""
    times = {"first_token": 0.11, "end": 0.29}
    tokens = {"input_tokens": 299, "cached_tokens": 212, "output_tokens": 54}
    own = {"prompt": [{"role": "user", "content": QUESTION}], "replies": [reply("…")]}
    return documents.call(index, **(times | tokens | own | changes))


def candidate(index: int, answer: str | None, group: int | None, **changes: Any) -> dict[str, Any]:
    """A candidate, with its text where there is one for its answer."""
    return documents.candidate(index, answer, group, **({"text": TEXTS.get(answer or "", answer)} | changes))


def ballot(call_id: int, shown: list[int], **changes: Any) -> dict[str, Any]:
    """A ballot whose labels are those of its candidates, and whose order is still to be said."""
    labels = "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[index % 26] for index in shown)
    return documents.ballot(call_id, shown, **({"labels": labels, "order": None, "note": None} | changes))


def bon() -> dict[str, Any]:
    """Four samples, three judges of whom one says nothing readable."""
    answers = ["86", "69", "86", "103"]
    groups = [0, 1, 0, 2]
    scores = [0.94, 0.31, 0.94, 0.19]
    ends = [0.25, 0.27, 0.22, 0.3]
    samples = [
        call(i, end=ends[i], candidates=[i], replies=[reply(TEXTS[answers[i]])], critical=i == 3)
        for i in range(4)
    ]
    orders: list[list[list[int]] | None] = [[[0], [1], [3]], [[0], [3], [1]], None]
    judges = [
        call(
            4 + i,
            role="judge",
            step=0,
            after=[0, 1, 2, 3],
            round=2,
            start=0.305,
            sent=0.307,
            first_token=0.41,
            end=(0.57, 0.61, 0.6)[i],
            ballot=i,
            critical=i == 1,
            replies=[
                reply(
                    'Candidate A doubles what is left.\n{"ranking": ["A", "D", "B"]}' if orders[i] else "Hm."
                )
            ],
        )
        for i in range(3)
    ]
    ballots = [
        ballot(
            4 + i,
            [[0, 1, 3], [1, 3, 0], [3, 0, 1]][i],
            order=order,
            verdict={"ranking": ["A", "D", "B"]} if order else None,
            unread=None if order else "no ranking in the reply",
            counted=order is not None,
            source="reasoned" if order else None,
            note="A full rotation, readable, weight 1." if order else None,
        )
        for i, order in enumerate(orders)
    ]
    return document(
        technique="bon(n=4)",
        model="gpt-4o-mini",
        client="team-a",
        stop="complete",
        seconds=0.61,
        rounds=2,
        usage={"prompt_tokens": 780, "completion_tokens": 344, "total_tokens": 1124},
        cost=0.0009,
        call_counts={"generate": 4, "judge": 3},
        losses={"unreadable": 1},
        options={"n": 4, "temperature": 0.7},
        calls=[*samples, *judges],
        steps=[
            {
                "id": 0,
                "name": "judge",
                "parent": None,
                "start": 0.305,
                "end": 0.61,
                "attributes": {"candidates": 3},
            }
        ],
        candidates=[candidate(i, answers[i], groups[i], score=scores[i]) for i in range(4)],
        groups=[
            {"id": 0, "answer": "86", "candidates": [0, 2], "votes": 2, "chosen": True},
            {"id": 1, "answer": "69", "candidates": [1], "votes": 1, "chosen": False},
            {"id": 2, "answer": "103", "candidates": [3], "votes": 1, "chosen": False},
        ],
        ballots=ballots,
        decisions=[
            {
                "at": 0.305,
                "step": 0,
                "kind": "note",
                "text": "Four samples gave three answers.",
                "data": {"answers": 3},
            },
            {"at": 0.61, "step": 0, "kind": "note", "text": "Ballots count 0.7, votes 0.3.", "data": {}},
        ],
        outcome={
            "chosen": [0],
            "runner_up": 1,
            "text": TEXTS["86"],
            "why": [
                "86 was chosen.",
                "Two of four samples give this answer, and both judges that could be read rank it first.",
                "The runner-up, 69, was one sample.",
                "One judge could not be read and was not counted.",
            ],
        },
        critical_path=[3, 5],
    )


def mcts(width: int = 3, depth: int = 3) -> dict[str, Any]:
    """A search tree in which each node but the leaves has `width` children; one call per node."""
    nodes: list[dict[str, Any]] = [node(0, None, visits=width**depth, label="root")]
    parents = [0]
    calls: list[dict[str, Any]] = []
    for level in range(1, depth + 1):
        grown: list[int] = []
        for parent in parents[: 2 * width]:
            for child in range(width):
                index = len(nodes)
                answer = ("86", "69", "103")[(index + child) % 3] if level > 1 else None
                nodes.append(
                    node(
                        index,
                        parent,
                        visits=max(1, width ** (depth - level) - child),
                        value=0.9 - 0.2 * child,
                        answer=answer,
                        candidate=None if answer is None else ("86", "69", "103").index(answer),
                        call=index - 1,
                    )
                )
                start = (level - 1) * 0.4
                calls.append(
                    call(
                        index - 1,
                        round=level,
                        start=start,
                        queued=0.0,
                        sent=start,
                        first_token=None,
                        end=start + 0.3 + 0.02 * child,
                    )
                )
                grown.append(index)
        parents = grown
    best = [0, 1, width + 1]
    return document(
        technique="mcts",
        rounds=depth,
        seconds=0.4 * depth,
        calls=calls,
        critical_path=[0, width],
        candidates=[candidate(i, answer, i, call=None) for i, answer in enumerate(("86", "69", "103"))],
        groups=[
            {"id": i, "answer": answer, "candidates": [i], "votes": 3 - i, "chosen": i == 0}
            for i, answer in enumerate(("86", "69", "103"))
        ],
        trees=[{"step": 0, "kind": "mcts", "nodes": nodes, "best": best}],
        outcome={"chosen": [0], "runner_up": 1, "text": TEXTS["86"], "why": ["86 has the highest value."]},
    )


def node(index: int, parent: int | None, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": index,
        "parent": parent,
        "visits": 1,
        "value": 0.5,
        "candidate": None,
        "answer": None,
        "label": "sample",
        "call": None,
    }
    return plain | changes


def composed() -> dict[str, Any]:
    """Two techniques beside each other, merged, then a third."""
    labels = [("bon(n=4)", "technique"), ("moa", "technique"), ("merge: vote", "merge"), ("re2", "technique")]
    return bon() | {
        "technique": "(bon(n=4)|moa)>re2",
        "composition": {
            "nodes": [{"id": i, "label": label, "kind": kind} for i, (label, kind) in enumerate(labels)],
            "edges": [[0, 2], [1, 2], [2, 3]],
        },
    }


def large(number: int = 200) -> dict[str, Any]:
    """Many samples, half as many judges, one of ten calls cancelled."""
    samples, judges = number * 2 // 3, number - number * 2 // 3
    answers = [("86", "69", "103", "43")[i * i % 7 % 4] for i in range(samples)]
    distinct = sorted(set(answers), key=answers.count, reverse=True)
    calls = [
        call(
            i,
            start=0.01 * (i % 13),
            sent=0.02 + 0.01 * (i % 13),
            first_token=0.4,
            end=0.9 + 0.05 * (i % 9),
            status="cancelled" if i % 10 == 9 else "ok",
            candidates=[i],
        )
        for i in range(samples)
    ]
    calls += [
        call(
            samples + i,
            role="judge",
            round=2,
            start=1.4,
            sent=1.4,
            first_token=1.6,
            end=2 + 0.07 * (i % 9),
            ballot=i,
        )
        for i in range(judges)
    ]
    shown = list(range(4))
    return bon() | {
        "technique": f"bon(n={samples})",
        "seconds": 2.8,
        "calls": calls,
        "candidates": [
            candidate(i, answer, distinct.index(answer), score=0.5) for i, answer in enumerate(answers)
        ],
        "groups": [
            {
                "id": i,
                "answer": answer,
                "candidates": [j for j, other in enumerate(answers) if other == answer],
                "votes": answers.count(answer),
                "chosen": i == 0,
            }
            for i, answer in enumerate(distinct)
        ],
        "ballots": [ballot(samples + i, shown, order=[[0], [1], [2], [3]]) for i in range(judges)],
        "critical_path": [5, samples + 8],
    }


HOSTILE = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script><!--<script>",
    '<img src=x onerror="window.owned = 1">',
    "<svg onload=\"window.owned = 1\"><a href='javascript:window.owned=1'>x</a></svg>",
    "[link](javascript:window.owned=1) {{ 7 * 7 }} ${7*7} \u2028\u2029 & &lt;",
    "left \u202e thgir \u2066 never closed \u2067",
    "x" * 20_000,
    "Z\u0351\u036b\u0343" + "\u0301" * 300,
]
"""What a model may write."""


def hostile() -> dict[str, Any]:
    """The same words wherever a model or a client can put any."""
    everything = "\n".join(HOSTILE)
    made = bon()
    texts = [HOSTILE[i % len(HOSTILE)] for i in range(4)]
    made["request"] = {
        "body": {"model": everything, "messages": [{"role": everything, "content": everything}]},
        "question": everything[:500],
    }
    made["technique"] = made["model"] = HOSTILE[0]
    made["error"] = HOSTILE[2]
    made["client"] = HOSTILE[1]
    for each in made["calls"]:
        each |= {"role": HOSTILE[3], "model": HOSTILE[0], "upstream": HOSTILE[1], "error": HOSTILE[2]}
        each |= {
            "prompt": [{"role": HOSTILE[0], "content": everything}],
            "replies": [reply(everything) | {"thoughts": everything}],
        }
    for each, text in zip(made["candidates"], texts, strict=True):
        each |= {"answer": text, "text": everything, "origin": HOSTILE[0]}
    for each, text in zip(made["groups"], texts, strict=False):
        each["answer"] = text
    for each in made["ballots"]:
        each |= {
            "labels": HOSTILE[0],
            "verdict": {HOSTILE[0]: everything},
            "note": everything,
            "kind": HOSTILE[0],
        }
    made["ballots"][2]["unread"] = everything
    made["decisions"] = [
        {"at": 0.1, "step": None, "kind": "note", "text": everything, "data": {HOSTILE[0]: everything}}
    ]
    made["trees"] = [
        {
            "step": 0,
            "kind": HOSTILE[0],
            "nodes": [node(0, None, label=HOSTILE[3], answer=everything, candidate=0)],
            "best": [0],
        }
    ]
    made["composition"] = {
        "nodes": [{"id": i, "label": text, "kind": text} for i, text in enumerate(texts)],
        "edges": [[0, 1]],
    }
    made["outcome"] = {"chosen": [0], "runner_up": 1, "text": everything, "why": texts}
    return made
