"""The proxy's own fields of a request: `optillm_approach`, and the `optillm` object.

The object has the finer choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args

from optillm.chat import Budget, Merge, Progress
from optillm.errors import InvalidRequest
from optillm.server.api.checks import CONTROL, MAX_NAME, of_kind

_FIELDS: Final = ("approach", "options", "budget", "progress", "merge", "trace")
_BOUNDS: Final = ("max_calls", "max_tokens", "seconds", "max_cost")
_WHOLE: Final = ("max_calls", "max_tokens")


@dataclass(frozen=True, slots=True)
class Extension:
    """What a request says to the proxy and not to the upstream; `None`: nothing."""

    approach: str | None = None
    approach_field: str = "optillm_approach"
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    progress: Progress | None = None
    merge: Merge | None = None
    trace: bool | None = None


NOTHING: Final = Extension()


def take_extension(body: dict[str, Any]) -> Extension:
    """Take the proxy's own fields out of a body.

    Raises `InvalidRequest`, which names the wrong one.
    """
    if "optillm" not in body and "optillm_approach" not in body:
        return NOTHING
    approach, block = body.pop("optillm_approach", None), body.pop("optillm", None)
    own = _object(block, "optillm", _FIELDS)
    return Extension(
        _approach(approach, own.get("approach")),
        "optillm.approach" if approach is None else "optillm_approach",
        _options(own.get("options")),
        _budget(own.get("budget")),
        cast("Progress | None", _one_of(get_args(Progress), own.get("progress"), "optillm.progress")),
        cast("Merge | None", _one_of(get_args(Merge), own.get("merge"), "optillm.merge")),
        of_kind(own.get("trace"), bool, "optillm.trace"),
    )


def _object(value: Any, name: str, allowed: tuple[str, ...]) -> Mapping[str, Any]:
    fields = of_kind(value, dict, name) or {}
    for key in fields:
        if key not in allowed:
            where = f"{name}.{key}"
            raise InvalidRequest(f"{where} is unknown; {name} holds {', '.join(allowed)}", param=where)
    return fields


def _approach(plain: Any, structured: Any) -> str | None:
    of_kind(plain, str, "optillm_approach")
    of_kind(structured, str, "optillm.approach")
    if plain is not None and structured is not None and plain != structured:
        raise InvalidRequest(
            "optillm_approach and optillm.approach contradict each other", param="optillm_approach"
        )
    approach: str | None = structured if plain is None else plain
    if approach is not None:
        name = "optillm.approach" if plain is None else "optillm_approach"
        if not approach.strip():
            raise InvalidRequest(f"{name} must not be empty", param=name)
        if len(approach) > MAX_NAME:
            raise InvalidRequest(f"{name} must have at most {MAX_NAME} characters", param=name)
        _check_text("".join(approach.split()), name)
    return approach


def _options(value: Any) -> Mapping[str, Mapping[str, Any]]:
    options = of_kind(value, dict, "optillm.options") or {}
    for slug, chosen in options.items():
        for name, value in (of_kind(chosen, dict, f"optillm.options.{slug}") or {}).items():
            _check_text(value, f"optillm.options.{slug}.{name}")
    return {slug: chosen or {} for slug, chosen in options.items()}


def _check_text(value: Any, name: str) -> None:
    """Refuse text with control characters, a list's items included.

    Mostly it is a model's name.
    """
    for text in value if type(value) is list else [value]:
        if type(text) is str and CONTROL.search(text):
            raise InvalidRequest(f"{name} must not hold control characters", param=name)


def _budget(value: Any) -> Budget:
    bounds = _object(value, "optillm.budget", _BOUNDS)
    for name, bound in bounds.items():
        kinds: tuple[type, ...] = (int,) if name in _WHOLE else (int, float)
        if bound is not None and (type(bound) not in kinds or bound <= 0):
            where = f"optillm.budget.{name}"
            raise InvalidRequest(
                f"{where} must be a positive {'number' if len(kinds) == 2 else 'integer'}", param=where
            )
    return Budget(**bounds)


def _one_of(words: tuple[str, ...], value: Any, name: str) -> str | None:
    if value is not None and value not in words:
        raise InvalidRequest(f"{name} must be one of {', '.join(words)}", param=name)
    return cast("str | None", value)
