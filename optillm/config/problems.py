"""Say in one line what is wrong with a value from outside.

Nothing else reads pydantic's lists of errors. A value may be a secret, so it is shown for settings that are none, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings

from optillm.config.sources import nearest, origin, setting_specs, shapes
from optillm.config.values import allowed, masked

LONGEST_VALUE = 80
"""Characters of a value up to which it is shown whole."""


class Problem(NamedTuple):
    """One thing that is wrong with a value.

    `path` leads to the field and is empty for the value as a whole. `reason` is in the words of a validator of ours,
    `None` if the value failed one of pydantic's own, which says `message`.
    """

    path: tuple[str, ...]
    kind: Literal["unknown", "missing", "invalid"]
    reason: str | None
    message: str
    value: Any

    @property
    def name(self) -> str:
        """The field's name in the value itself; empty for the value as a whole."""
        return self.path[0] if self.path else ""


def problems(error: ValidationError) -> list[Problem]:
    """Return everything that is wrong, at least one thing."""
    kinds: dict[str, Literal["unknown", "missing"]] = {"extra_forbidden": "unknown", "missing": "missing"}
    listed = []
    for details in error.errors(include_url=False):
        reason = details.get("ctx", {}).get("error")
        listed.append(
            Problem(
                tuple(map(str, details["loc"])),
                kinds.get(details["type"], "invalid"),
                None if reason is None else str(reason),
                details["msg"],
                details["input"],
            )
        )
    return listed


def explain_settings(error: ValidationError, model: type[BaseSettings], flags: Iterable[str]) -> str:
    """Return all that is wrong with the settings.

    Each line says what was set where, to what, and what would do. `flags` are the settings that came from the command
    line.
    """
    settings, schemas = setting_specs(model), shapes(model)
    lines: dict[str, str] = {}
    for problem in problems(error):
        name = problem.name
        if name not in settings:
            lines[name] = problem.reason or f"unknown setting `{name}`{nearest(name, settings)}"
            continue
        value = "" if settings[name].secret else f" is {_shown(problem.value)}"
        verdict = f": {problem.reason}" if problem.reason else f", which is not {allowed(schemas[name])}"
        lines.setdefault(name, f"{origin(settings[name], flags)}{value}{verdict}")
    return " ".join("; ".join(lines.values()).split())


def explain_table(error: ValidationError, model: type[BaseModel]) -> str:
    """Return all that is wrong with one table whose keys are the fields of `model`."""
    fields = model.model_json_schema()["properties"]
    lines: dict[str, str] = {}
    for problem in problems(error):
        key = problem.name
        if not key:
            line = problem.reason or "it is not a table"
        elif key not in fields:
            line = f"unknown key `{key}`{nearest(key, fields)}"
        elif problem.kind == "missing":
            line = f"`{key}` is missing"
        else:
            line = (
                f"`{key}`: {problem.reason}" if problem.reason else f"`{key}` is not {allowed(fields[key])}"
            )
        lines.setdefault(key, line)
    return "; ".join(lines.values())


def explain_file(error: ValidationError, fields: Callable[[Sequence[str]], Iterable[str]]) -> str:
    """Return the first thing that is wrong with a file.

    `fields` gives the names that the table at a path may hold.
    """
    first = problems(error)[0]
    where = ".".join(first.path)
    if first.kind == "unknown":
        return f"unknown field `{where}`{nearest(first.path[-1], fields(first.path[:-1]))}"
    return f"{where}: {first.reason or first.message}"


def _shown(value: Any) -> str:
    text = masked(str(value) if isinstance(value, str | int | float) else repr(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
