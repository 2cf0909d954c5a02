"""One request as sections of text: why this answer, its calls, its candidates, their judges."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from optillm.chat import content_text
from optillm.commands.traces.judging import ballots, tree
from optillm.commands.traces.lanes import FULL, lanes, result
from optillm.commands.traces.terminal import (
    Line,
    Piece,
    Section,
    counted,
    fit,
    letter,
    line,
    paragraphs,
    safe,
)
from optillm.config.sources import SettingsError
from optillm.observe.traces.messages import messages_in

Document = Mapping[str, Any]
METER: Final = 20
ANSWER: Final = 28
"""Columns for an answer."""
ANSWER_COLOURS: Final = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#E69F00")
LONGEST: Final = 16
"""Lines of an answer that are shown; a call shows all of its reply."""


def sections(document: Document, width: int) -> list[Section]:
    """Return all that is shown of a request; a section without lines is left out."""
    outcome = document["outcome"]
    runner_up = document["candidates"][outcome["runner_up"]] if outcome["runner_up"] is not None else None
    trees = [Section(f"Search tree ({safe(each['kind'])})", tree(each)) for each in document["trees"]]
    return [
        Section(None, [*_facts(document, width)]),
        Section("Why", [each for reason in outcome["why"] for each in paragraphs(reason, width)]),
        Section("Where the time went", lanes(document, width)),
        Section("Answers", [*_answers(document)]),
        Section("Ballots", ballots(document, width)),
        *trees,
        Section("Composition", [*_composition(document)]),
        Section("Decisions", [*_decisions(document)]),
        Section("Answer", paragraphs(outcome["text"] or "", width, LONGEST)),
        Section("Runner-up", paragraphs((runner_up or {}).get("text") or "", width, LONGEST // 2)),
    ]


def _facts(document: Document, width: int) -> Iterator[Line]:
    question, seconds = document["request"]["question"], document["seconds"]
    if question is not None:
        for part in paragraphs(question, width, LONGEST // 2):
            yield [Piece(piece.text, "bold") for piece in part]
    took = [
        document["status"] if document["status"] != "ok" else document["stop"] or "ok",
        "" if seconds is None else f"in {seconds:.2f} s",
    ]
    rest = f" · {safe(document['model'])} · {' '.join(filter(None, took))}"
    yield line(Piece(safe(document["technique"]), "bold"), rest)
    yield line(" · ".join(_effort(document)))
    yield line(Piece(" · ".join(_origin(document)), "dim"))
    if document["error"]:
        yield line(Piece(safe(document["error"]), "bold red"))


def _effort(document: Document) -> Iterator[str]:
    """Yield what a request took: calls, rounds, tokens, dollars."""
    counts = ", ".join(f"{number} {safe(role)}" for role, number in document["call_counts"].items())
    losses = ", ".join(f"{number} {safe(kind)}" for kind, number in document["losses"].items() if number)
    total = sum(document["call_counts"].values())
    yield counted(total, "call") + (f" ({counts})" if counts else "")
    if losses:
        yield f"unusable: {losses}"
    yield counted(document["rounds"], "round")
    if document["usage"]:
        yield counted(document["usage"]["total_tokens"], "token")
    if document["cost"] is not None:
        yield f"${document['cost']:.4f}"


def _origin(document: Document) -> Iterator[str]:
    yield safe(document["id"])
    yield time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(document["created"]))
    yield f"request {safe(document['request_id'])}"
    if document["client"] is not None:
        yield f"key {safe(document['client'])}"
    if not document["content"]:
        yield "texts not kept"


def _answers(document: Document) -> Iterator[Line]:
    """Yield the groups of equal answers, largest first, with their votes."""
    groups: Sequence[Mapping[str, Any]] = document["groups"]
    votes = sum(group["votes"] for group in groups)
    for index, group in enumerate(groups):
        colour = ANSWER_COLOURS[index % len(ANSWER_COLOURS)]
        answer = f"answer {group['id']}" if group["answer"] is None else safe(group["answer"])
        members = " ".join(map(letter, group["candidates"]))
        scores = [document["candidates"][each]["score"] for each in group["candidates"]]
        marks = [score for score in scores if score is not None]
        filled = round(METER * group["votes"] / votes) if votes else 0
        yield line(
            Piece("* " if group["chosen"] else "  ", "bold"),
            Piece(fit(answer, ANSWER), f"bold {colour}" if group["chosen"] else colour),
            Piece(f" {FULL * filled}".ljust(METER + 2), colour),
            f"{group['votes']:g} of {votes:g}"
            + (f"  score {max(marks):.3g}" if marks else "")
            + f"  {members}",
        )


def _composition(document: Document) -> Iterator[Line]:
    """Yield each part of a composition with those that take over from it."""
    graph = document["composition"] or {"nodes": [], "edges": []}
    labels = {node["id"]: safe(node["label"]) for node in graph["nodes"]}
    for number, label in labels.items():
        following = [labels[after] for before, after in graph["edges"] if before == number]
        if following:
            yield line(Piece(label, "bold"), f" → {', '.join(following)}")


def _decisions(document: Document) -> Iterator[Line]:
    for decision in document["decisions"]:
        yield line(Piece(f"{decision['at']:7.2f} s  ", "dim"), safe(decision["text"]))


def call_sections(document: Document, number: int, width: int) -> list[Section]:
    """Return one upstream call in full: its numbers, its prompt, its replies and its verdict.

    Raises `SettingsError` if there is no such call.
    """
    call = _call(document, number)
    ballot = None if call["ballot"] is None else document["ballots"][call["ballot"]]
    head = Piece(f"call {number}, {safe(call['role'])}: ", "bold")
    return [
        Section(None, [line(head, result(call, document) or call["status"])]),
        Section("Numbers", [line(fit(name, 16), safe(value)) for name, value in _numbers(call)]),
        *(
            Section(f"Prompt: {safe(message['role'])}", paragraphs(content_text(message), width))
            for message in messages_in(call["prompt"])
        ),
        *(Section("Reply", _reply(reply, width)) for reply in call["replies"] or ()),
        *([Section("Verdict", [*_verdict(ballot, width)])] if ballot else []),
    ]


def _call(document: Document, number: int) -> Mapping[str, Any]:
    calls: Sequence[Mapping[str, Any]] = document["calls"]
    if not calls:
        raise SettingsError("the request made no call")
    if not 0 <= number < len(calls):
        raise SettingsError(f"the request has no call {number}: its calls are 0 to {len(calls) - 1}")
    return calls[number]


def _numbers(call: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name in (
        "model",
        "upstream",
        "status",
        "error",
        "round",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "cost",
    ):
        if call[name] is not None:
            yield name.replace("_", " "), call[name]
    for name in ("start", "sent", "first_token", "end"):
        if call[name] is not None:
            yield name.replace("_", " "), f"{call[name]:.3f} s"
    if call["after"]:
        yield "waited for", ", ".join(map(str, call["after"]))


def _reply(reply: Mapping[str, Any], width: int) -> list[Line]:
    lines = paragraphs(reply["text"] or "", width)
    if reply["thoughts"]:
        lines = [
            line(Piece("thoughts:", "dim")),
            *paragraphs(reply["thoughts"], width),
            line(""),
            *lines,
        ]
    return lines + [line(safe(json.dumps(each))) for each in reply["tool_calls"] or ()]


def _verdict(ballot: Mapping[str, Any], width: int) -> Iterator[Line]:
    if ballot["verdict"] is not None:
        yield from paragraphs(json.dumps(ballot["verdict"], ensure_ascii=False), width)
    for words in (ballot["unread"], ballot["note"]):
        if words is not None:
            yield from paragraphs(words, width)
