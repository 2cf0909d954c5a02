"""What a role sees of a request: the instruction, the quotations and the task."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from optillm_simulator.error_models import ErrorModel
from optillm_simulator.roles.blocks import Block, Kind, Parts
from optillm_simulator.roles.markers import marker_in
from optillm_simulator.roles.prompts import last_user_turn, take_apart
from optillm_simulator.roles.shapes import Shape, shape_in, shape_of_schema
from optillm_simulator.roles.stated import concluded
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import Task

Turn = tuple[str, str]
_ONLY_VERDICT = re.compile(
    r"\bnothing (?:else|beside|but)\b"
    r"|\b(?:no|not|without)\b[^.,;\n]{0,12}\b(?:explain\w*|explanation|reason\w*)\b"
    r"|\b(?:only|just)\b[^.\n]{0,40}\b(?:labels?|letters?|verdict|ranking|score|number|yes or no)\b"
    r"|\b(?:labels?|letters?|verdict|ranking|score|number)\b[^.\n]{0,12}\b(?:alone|only)\b",
    re.IGNORECASE,
)
_ONLY_JSON = re.compile(
    rf"\bonly\b[^.\n]{{0,40}}\bjson\b|\bjson\b[^.\n]{{0,30}}\bonly\b|{_ONLY_VERDICT.pattern}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a role works with.

    `message` is the last user message, `instruction` the same without its quotations, `system` the system messages.
    `task` is what it is all about and `task_text` its text; `is_current`: the user asks it now and not in an earlier
    exchange; `bare`: the last message is that task and nothing else. `blocks` are all quotations; `marker` is a line
    that has to stand between a reply's thoughts and its answer. `strict` wants nothing but JSON.
    """

    message: str
    instruction: str
    system: str
    task: Task | None
    task_text: str
    is_current: bool
    bare: bool
    candidates: tuple[Block, ...]
    partial: str
    blocks: tuple[Block, ...]
    marker: str
    shape: Shape | None
    strict: bool
    model: ErrorModel
    rng: random.Random

    def quoted(self, *kinds: Kind) -> str:
        """Return the quotations of some kinds one after the other; empty if there are none."""
        return "\n\n".join(block.text for block in self.blocks if block.kind in kinds)

    @property
    def work_so_far(self) -> str:
        """Return work to continue: the partial work, else a single quotation without a final answer."""
        if self.partial or len(self.candidates) != 1:
            return self.partial
        (only,) = self.candidates
        return "" if concluded(only.text) else only.text


def read_context(
    turns: Sequence[Turn],
    model: ErrorModel,
    rng: random.Random,
    response_format: Mapping[str, Any] | None,
) -> PromptContext:
    """Read a conversation: what it quotes, asks and wants in reply."""
    system = "\n".join(text for role, text in turns if role in ("system", "developer"))
    user_messages = [text for role, text in turns if role == "user"]
    last = user_messages[-1] if user_messages else system
    parts = take_apart(last)
    candidates, quoted = _candidates(parts, turns)
    partial = (
        turns[-1][1]
        if turns[-1][0] == "assistant"
        else "\n".join(block.text for block in parts.of("partial"))
    )
    current = _first_readable(_current_texts(parts, turns))
    task, task_text = current or _first_readable(_earlier_texts(turns)) or (None, "")
    shape, strict = _format(parts.rest, system, response_format)
    return PromptContext(
        message=last,
        instruction=parts.rest,
        system=system,
        task=task,
        task_text=task_text,
        is_current=current is not None,
        bare=not quoted and read(last) is not None,
        candidates=candidates,
        partial=partial,
        blocks=parts.blocks,
        marker=marker_in(parts.rest) or marker_in(system),
        shape=shape,
        strict=strict,
        model=model,
        rng=rng,
    )


def _candidates(parts: Parts, turns: Sequence[Turn]) -> tuple[tuple[Block, ...], bool]:
    """Return the candidates of the last message, else of an earlier one, else the last answer.

    The second value is whether the last message itself quotes them, by more than a list.
    """
    candidates = parts.of("candidate")
    others = any(block.kind not in ("candidate", "task", "other") for block in parts.blocks)
    quoted = others or (bool(candidates) and not parts.listed)
    for role, text in reversed(turns[:-1]):
        if not candidates and role == "user":
            candidates = take_apart(text).of("candidate")
    if not candidates:
        candidates = [
            Block("candidate", "", text) for role, text in turns[:-1] if role == "assistant" and text
        ][-1:]
    several = len(candidates) > 1
    named = [
        Block("candidate", block.label or (str(number) if several else ""), block.text)
        for number, block in enumerate(candidates, start=1)
    ]
    return tuple(named), quoted


def _first_readable(texts: Iterator[str]) -> tuple[Task, str] | None:
    return next(((task, text) for text in texts if text.strip() and (task := read(text))), None)


def _current_texts(parts: Parts, turns: Sequence[Turn]) -> Iterator[str]:
    """Yield the texts that may hold the current task, the likeliest first."""
    quoted = [block.text for block in reversed(parts.of("task"))]
    yield from map(last_user_turn, quoted)
    yield from quoted
    yield from (block.text for block in parts.of("spec"))
    yield parts.rest
    yield from re.split(r"\n[ \t]*\n", parts.rest)
    unanswered = list(takewhile(lambda turn: turn[0] != "assistant", reversed(_until_user(turns))))
    messages = [text for role, text in unanswered if role == "user"]
    yield from messages if parts.listed else messages[1:]  # a list may turn out to be part of the task


def _until_user(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the conversation up to its last user message."""
    last = max((index for index, (role, _) in enumerate(turns) if role == "user"), default=-1)
    return turns[: last + 1]


def _earlier_texts(turns: Sequence[Turn]) -> Iterator[str]:
    """Yield the texts that may hold the task if the last message refers back to it."""
    for role, text in reversed(turns[:-1]):
        if role == "user":
            yield from (last_user_turn(block.text) for block in take_apart(text).of("task"))
            yield text
    yield from (text for role, text in turns if role in ("system", "developer"))


def _format(
    instruction: str, system: str, response_format: Mapping[str, Any] | None
) -> tuple[Shape | None, bool]:
    kind = (response_format or {}).get("type")
    shown = shape_in(instruction) or shape_in(system)
    if kind == "json_schema":
        described = (response_format or {}).get("json_schema")
        return shape_of_schema(described.get("schema") if isinstance(described, dict) else None), True
    if kind == "json_object":
        return shown or Shape("object"), True
    return shown, bool((_ONLY_JSON if shown else _ONLY_VERDICT).search(instruction))
