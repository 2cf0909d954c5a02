"""`optillm settings [flags]`: show every setting and the value it would have."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from optillm.commands import Invocation
from optillm.commands.tables import Row, add_markdown_flag, code, columns, markdown, publish
from optillm.config.flags import default_text
from optillm.config.settings import Settings
from optillm.config.sources import catalogue, shapes
from optillm.config.values import allowed

if TYPE_CHECKING:
    from optillm.techniques import Technique


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command."""
    add_markdown_flag(parser)


def run(invocation: Invocation) -> None:
    """Print the effective settings, or the table of all settings for the documentation."""
    target = invocation.arguments.markdown
    if target is None:
        print(settings_columns(invocation.read()))
    else:
        publish(target, "settings", settings_markdown(invocation.model, invocation.techniques))


def settings_columns(settings: Settings) -> str:
    """Return every setting with the value it has and the values it may have."""
    values, schemas = settings.public(), shapes(type(settings))
    rows = [["SETTING", "VALUE", "MEANING"]]
    for setting in catalogue(type(settings)).values():
        value = "" if values[setting.name] is None else str(values[setting.name])
        rows.append([setting.name, value, f"{setting.field.description} ({allowed(schemas[setting.name])})"])
    return columns(rows)


def settings_markdown(model: type[Settings], techniques: Mapping[str, Technique]) -> str:
    """Return one table of settings for each group, the options of each technique among them."""
    groups: dict[str, list[Row]] = {}
    schemas = shapes(model)
    for setting in catalogue(model).values():
        names = "<br>".join(map(code, setting.flags or setting.keys[:1]))
        variables = "<br>".join(map(code, setting.variables))
        value = allowed(schemas[setting.name])
        row = names, variables, value, code(default_text(setting)), setting.field.description or ""
        groups.setdefault(
            setting.group, [("Flag, or key", "Variable", "Value", "Default", "Meaning")]
        ).append(row)
    parts = []
    for group, rows in groups.items():
        technique = techniques.get(group)
        parts.append(f"### {f'{technique.name} (`{group}`)' if technique else group}\n\n{markdown(rows)}")
    return "\n\n".join(parts)
