"""Who answers: techniques in this process, or models of an OpenAI-compatible server."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from optillm.chat import NONE
from optillm.config.sources import SettingsError
from optillm.engine.plan.expression import parse, split
from optillm.errors import InvalidRequest

PLAIN: Final = "plain"


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table: a technique for a model, or a model as it is.

    `approach` is a technique expression, `none` for a plain request. `here`: it runs in this process; otherwise its
    name is that of a model, which its server gets as it is. `repetition` counts rows of the same kind before it.
    """

    name: str
    approach: str
    model: str
    here: bool = True
    repetition: int = 0


def read_targets(text: str, slugs: Collection[str], model: str) -> list[Target]:
    """Return the rows that a list such as `plain,bon(n=8),gpt-4o` names.

    A name that is neither `plain` nor a technique expression is a model's. Raises `SettingsError` for one that is
    almost a technique.
    """
    targets: list[Target] = []
    for name in _split(text):
        repetition = sum(name == _original(target) for target in targets)
        shown = f"{name} ({repetition + 1})" if repetition else name
        targets.append(replace(_target(name, slugs, model), name=shown, repetition=repetition))
    if not targets:
        raise SettingsError("--with names nothing: write --with plain,self_consistency")
    return targets


def _original(target: Target) -> str:
    return target.name.removesuffix(f" ({target.repetition + 1})")


def _split(text: str) -> list[str]:
    """Split at the commas outside of all brackets."""
    names, depth = [""], 0
    for sign in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        if sign == "," and depth <= 0:
            names.append("")
        else:
            names[-1] += sign
    return [name.strip() for name in names if name.strip()]


def _target(name: str, slugs: Collection[str], model: str) -> Target:
    if name in (PLAIN, NONE):
        return Target(name, NONE, model)
    try:
        parse(name, slugs)
    except InvalidRequest as error:
        if not _is_model(name, slugs):
            raise SettingsError(f"--with {name}: {error.message}") from None
        return Target(name, NONE, name, here=False)
    return Target(name, name, model)


def _is_model(name: str, slugs: Collection[str]) -> bool:
    """Return whether a name may be a model's.

    Raises `SettingsError` for one that is almost a technique's. A technique in front of a model's name is one for the
    server.
    """
    try:
        if split(name, slugs)[0] is not None:
            return True
    except InvalidRequest:
        return False
    word = re.split(r"[(|&]", name, maxsplit=1)[0]
    close = get_close_matches(word, [*slugs, PLAIN], n=1, cutoff=0.75)
    if close and word not in slugs:
        raise SettingsError(f"--with {name}: there is no technique {word}; did you mean {close[0]}?")
    return word not in slugs
