"""The settings as flags of the command line: `--best-of-n 5` for the setting `best_of_n`."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_settings import BaseSettings

from optillm.config.sources import Setting, setting_specs, shapes
from optillm.config.values import allowed, number

_DESTINATION: Final = "setting "
"""What the names of parsed settings begin with, so that a command's own arguments may have any name."""


def add_setting_flags(
    parser: argparse.ArgumentParser, model: type[BaseSettings], titles: Mapping[str, str]
) -> None:
    """Add the flags of all settings, with one help section for each group.

    `titles` are the headings of the groups whose names are no headings. A flag of the command's own hides that of a
    setting of the same name.
    """
    settings = setting_specs(model)
    taken = frozenset(parser._option_string_actions)
    schemas = shapes(model)
    for group in dict.fromkeys(setting.group for setting in settings.values()):
        members = [setting for setting in settings.values() if setting.group == group]
        section = parser.add_argument_group(titles.get(group, group), _without_flag(members))
        for setting in members:
            if setting.flag and not taken.intersection(setting.flags):
                _add_flag(section, setting, schemas[setting.name])


def add_flags_of(parser: argparse._ArgumentGroup, model: type[BaseSettings], names: Iterable[str]) -> None:
    """Add the flags of a few settings, for a command that reads only these."""
    settings, schemas = setting_specs(model), shapes(model)
    for name in names:
        _add_flag(parser, settings[name], schemas[name])


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the raw values of the settings that flags have set, by the name of the setting."""
    return {
        name.removeprefix(_DESTINATION): ",".join(value) if isinstance(value, list) else value
        for name, value in vars(arguments).items()
        if name.startswith(_DESTINATION)
    }


def default_text(setting: Setting) -> str:
    """Return the default as one would write it in a variable; empty when there is none."""
    value = setting.default
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return number(value) if isinstance(value, int | float) else str(value)


def _add_flag(section: argparse._ArgumentGroup, setting: Setting, schema: Mapping[str, Any]) -> None:
    lines = [setting.field.description or "", *_fine_print(setting, schema)]
    arguments: dict[str, Any] = {
        "dest": f"{_DESTINATION}{setting.name}",
        "default": argparse.SUPPRESS,
        "help": "; ".join(lines).replace("%", "%%"),
    }
    kinds = {branch.get("type") for branch in schema.get("anyOf", [schema])}
    if kinds == {"boolean"}:
        arguments["action"] = argparse.BooleanOptionalAction
    else:
        arguments["metavar"] = _metavar(schema, kinds)
    if "array" in kinds:
        arguments["action"] = "append"
    if setting.name == "demo":
        arguments |= {"nargs": "?", "const": "on"}
    section.add_argument(*setting.flags, **arguments)


def _metavar(schema: Mapping[str, Any], kinds: Collection[str | None]) -> str:
    if "enum" in schema:
        return "{" + ",".join(schema["enum"]) + "}"
    names = {"array": "LIST", "integer": "N", "number": "X"}
    return next((name for kind, name in names.items() if kind in kinds), "TEXT")


def _fine_print(setting: Setting, schema: Mapping[str, Any]) -> Iterator[str]:
    if setting.secret:
        yield f"moved to {setting.variables[0]} at startup, so that other users of this machine cannot see it"
        return
    if "enum" not in schema and schema.get("type") != "boolean" and allowed(schema) != "text":
        yield allowed(schema)
    if value := default_text(setting):
        yield f"default {value}"


def _without_flag(members: Sequence[Setting]) -> str | None:
    names = [setting.vendor or setting.variables[0] for setting in members if not setting.flag]
    return f"Only in the environment or the file: {', '.join(names)}." if names else None
