"""One request as a role sees it: what is asked, what is quoted, which task it is all about."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from optillm_simulator.characters import Character
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
class Scene:
    """What a role works with.

    `said` is the last user message, `instruction` that without what it quotes, `standing` the system messages.
    `task` is what it is all about, `asked` its text, `own` when the user asks it now and not in an earlier
    exchange; `bare` when the last message is that task and nothing else. `blocks` is everything quoted;
    `marker` a line that is to stand between what a reply thinks and what it answers. `strict` wants nothing
    but JSON.
    """

    said: str
    instruction: str
    standing: str
    task: Task | None
    asked: str
    own: bool
    bare: bool
    candidates: tuple[Block, ...]
    partial: str
    blocks: tuple[Block, ...]
    marker: str
    shape: Shape | None
    strict: bool
    character: Character
    luck: random.Random

    def quoted(self, *kinds: Kind) -> str:
        """What is quoted of some kinds, one after the other; empty when nothing is."""
        return "\n\n".join(block.text for block in self.blocks if block.kind in kinds)

    @property
    def begun(self) -> str:
        """Work to go on with: the partial work, else a single quotation that comes to no answer."""
        if self.partial or len(self.candidates) != 1:
            return self.partial
        (only,) = self.candidates
        return "" if concluded(only.text) else only.text


def set_scene(
    turns: Sequence[Turn],
    character: Character,
    luck: random.Random,
    response_format: Mapping[str, Any] | None,
) -> Scene:
    """Read a conversation for the role it gives."""
    standing = "\n".join(text for role, text in turns if role in ("system", "developer"))
    said = [text for role, text in turns if role == "user"]
    last = said[-1] if said else standing
    parts = take_apart(last)
    candidates, quoted = _candidates(parts, turns)
    partial = (
        turns[-1][1] if turns[-1][0] == "assistant" else "\n".join(one.text for one in parts.of("partial"))
    )
    asked_now = _first_readable(_asked_now(parts, turns))
    task, asked = asked_now or _first_readable(_asked_before(turns)) or (None, "")
    shape, strict = _format(parts.rest, standing, response_format)
    return Scene(
        said=last,
        instruction=parts.rest,
        standing=standing,
        task=task,
        asked=asked,
        own=asked_now is not None,
        bare=not quoted and read(last) is not None,
        candidates=candidates,
        partial=partial,
        blocks=parts.blocks,
        marker=marker_in(parts.rest) or marker_in(standing),
        shape=shape,
        strict=strict,
        character=character,
        luck=luck,
    )


def _candidates(parts: Parts, turns: Sequence[Turn]) -> tuple[tuple[Block, ...], bool]:
    """The candidates of the last message, else those of an earlier one, else the last answer in the conversation.

    The second value says whether the last message itself quotes them, by more than a list.
    """
    found = parts.of("candidate")
    others = any(block.kind not in ("candidate", "task", "other") for block in parts.blocks)
    quoted = others or (bool(found) and not parts.listed)
    for role, text in reversed(turns[:-1]):
        if not found and role == "user":
            found = take_apart(text).of("candidate")
    if not found:
        found = [Block("candidate", "", text) for role, text in turns[:-1] if role == "assistant" and text][
            -1:
        ]
    several = len(found) > 1
    named = [
        Block("candidate", block.label or (str(place) if several else ""), block.text)
        for place, block in enumerate(found, start=1)
    ]
    return tuple(named), quoted


def _first_readable(texts: Iterator[str]) -> tuple[Task, str] | None:
    return next(((task, text) for text in texts if text.strip() and (task := read(text))), None)


def _asked_now(parts: Parts, turns: Sequence[Turn]) -> Iterator[str]:
    """Where the task may stand that the user is at now, the likeliest place first."""
    quoted = [block.text for block in reversed(parts.of("task"))]
    yield from map(last_user_turn, quoted)
    yield from quoted
    yield from (block.text for block in parts.of("spec"))
    yield parts.rest
    yield from re.split(r"\n[ \t]*\n", parts.rest)
    unanswered = list(takewhile(lambda turn: turn[0] != "assistant", reversed(_until_user(turns))))
    said = [text for role, text in unanswered if role == "user"]
    yield from said if parts.listed else said[1:]  # a list may turn out to be the task's own


def _until_user(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The conversation up to its last user message."""
    last = max((at for at, (role, _) in enumerate(turns) if role == "user"), default=-1)
    return turns[: last + 1]


def _asked_before(turns: Sequence[Turn]) -> Iterator[str]:
    """Where the task may stand when the last message is about something said before."""
    for role, text in reversed(turns[:-1]):
        if role == "user":
            yield from (last_user_turn(block.text) for block in take_apart(text).of("task"))
            yield text
    yield from (text for role, text in turns if role in ("system", "developer"))


def _format(
    instruction: str, standing: str, response_format: Mapping[str, Any] | None
) -> tuple[Shape | None, bool]:
    kind = (response_format or {}).get("type")
    shown = shape_in(instruction) or shape_in(standing)
    if kind == "json_schema":
        described = (response_format or {}).get("json_schema")
        return shape_of_schema(described.get("schema") if isinstance(described, dict) else None), True
    if kind == "json_object":
        return shown or Shape("object"), True
    return shown, bool((_ONLY_JSON if shown else _ONLY_VERDICT).search(instruction))
