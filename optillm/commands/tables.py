"""Settings and techniques as tables: columns for a terminal, Markdown for the documentation."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from optillm.config.settings import Settings
from optillm.config.sources import Setting, SettingsError, setting_specs, shapes
from optillm.config.values import allowed, number

if TYPE_CHECKING:
    from optillm.technique import BaseOptions
    from optillm.techniques import Technique

Row = Sequence[str]
_NARROWEST: Final = 30  # columns left for the last cell, however narrow the terminal


def columns(rows: Sequence[Row]) -> str:
    """Rows with their cells under one another; the last cell is wrapped at the width of the terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    room = max(_NARROWEST, shutil.get_terminal_size((110, 24)).columns - sum(widths) - 2 * len(widths))
    lines = []
    for *cells, last in rows:
        start = "".join(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=True))
        wrapped = textwrap.wrap(last, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append((start + wrapped[0]).rstrip())
        lines += [" " * len(start) + rest for rest in wrapped[1:]]
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table, the first one its head."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head, *body = (f"| {' | '.join(row)} |" for row in cells)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def renewed(document: str, topic: str, content: str) -> str:
    """The document with what stands between its markers for `topic` replaced by `content`."""
    begin, end = f"<!-- {topic}: made by `optillm {topic} --markdown FILE` -->", f"<!-- end of {topic} -->"
    between = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
    if not between.search(document):
        raise SettingsError(f"the file has no place for the table: {begin} … {end}")
    return between.sub(lambda match: f"{match[1]}\n\n{content}\n\n{match[2]}", document)


def default(setting: Setting) -> str:
    """The default as one would write it in a variable; empty when there is none."""
    value = setting.default
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return number(value) if isinstance(value, int | float) else str(value)


def settings_columns(settings: Settings) -> str:
    """Every setting with the value it has and the values it may have."""
    values, schemas = settings.public(), shapes(type(settings))
    rows = [["SETTING", "VALUE", "MEANING"]]
    for setting in setting_specs(type(settings)).values():
        value = "" if values[setting.name] is None else str(values[setting.name])
        rows.append([setting.name, value, f"{setting.field.description} ({allowed(schemas[setting.name])})"])
    return columns(rows)


def settings_markdown(model: type[Settings], techniques: Mapping[str, Technique]) -> str:
    """One table of settings for each group, the options of each technique among them."""
    groups: dict[str, list[Row]] = {}
    schemas = shapes(model)
    for setting in setting_specs(model).values():
        names = "<br>".join(map(_code, setting.flags or setting.keys[:1]))
        variables = "<br>".join(map(_code, setting.variables))
        value = allowed(schemas[setting.name])
        row = names, variables, value, _code(default(setting)), setting.field.description or ""
        groups.setdefault(
            setting.group, [("Flag, or key", "Variable", "Value", "Default", "Meaning")]
        ).append(row)
    parts = []
    for group, rows in groups.items():
        technique = techniques.get(group)
        parts.append(f"### {f'{technique.name} (`{group}`)' if technique else group}\n\n{markdown(rows)}")
    return "\n\n".join(parts)


def techniques_columns(techniques: Iterable[Technique], model: type[Settings]) -> str:
    """What each technique does, what it costs, and its options with their defaults."""
    settings = setting_specs(model)
    rows: list[Row] = [("SLUG", "", "TECHNIQUE")]
    for technique in techniques:
        names = model.option_fields[technique.slug].values()
        options = ", ".join(f"{name}={default(settings[name]) or 'unset'}" for name in names)
        rows += [
            (technique.slug, "", f"{technique.name}: {technique.summary}"),
            ("", "rounds", technique.rounds),
            ("", "calls", technique.calls),
            ("", "options", options),
        ]
    return columns(rows)


def technique_page(technique: Technique, model: type[Settings]) -> str:
    """Describe one technique: what it does and costs, its options, and how to ask for it."""
    facts = [
        (technique.slug, f"{technique.name}: {technique.summary}"),
        ("rounds", technique.rounds),
        ("calls", technique.calls),
        ("paper", technique.paper),
        ("", technique.url),
    ]
    settings, schemas = setting_specs(model), shapes(model)
    fields = model.option_fields[technique.slug]
    options: list[Row] = [("OPTION", "DEFAULT", "VALUE", "FLAG", "MEANING")]
    for option, name in fields.items():
        setting = settings[name]
        meaning = setting.field.description or ""
        options.append(
            (option, default(setting) or "unset", allowed(schemas[name]), setting.flags[0], meaning)
        )
    examples = _examples(technique, settings, fields)
    return "\n\n".join([columns(facts), columns(options), columns(examples)])


def _examples(technique: Technique, settings: Mapping[str, Setting], fields: Mapping[str, str]) -> list[Row]:
    """Return the ways to ask for a technique, with a value for one of its options as an example."""
    slug, model = technique.slug, settings["model"].default
    flags, options = f"--approach {slug}", dict[str, Any]()
    examples: list[Row] = [("as the model", f"{slug}-{model}")]
    for name, value in _example_value(technique.Options):
        options[name] = value
        examples.append(("", f"{slug}({name}={json.dumps(value)})-{model}"))
        flag = settings[fields[name]].flags[0]
        flags += f" {flag.replace('--', '--no-') if value is False else flag}"
        flags += "" if isinstance(value, bool) else f" {value}"
    field = {"approach": slug} | ({"options": {slug: options}} if options else {})
    return [
        *examples,
        ("as a field of the request", f'"optillm": {json.dumps(field)}'),
        ("for all requests", f"optillm {flags}"),
    ]


def _example_value(options: type[BaseOptions]) -> Iterator[tuple[str, int]]:
    """Yield the first integer or switch option, with a valid value other than its default."""
    for name, field in options.model_fields.items():
        if not isinstance(field.default, int):
            continue
        value = not field.default if isinstance(field.default, bool) else 2 * field.default
        with suppress(ValidationError):
            options(**{name: value})
            yield name, value
            return


def techniques_markdown(techniques: Iterable[Technique], model: type[Settings]) -> str:
    """The table of techniques for the documentation."""
    rows: list[Row] = [("Slug", "What it does", "Rounds", "Calls", "Options")]
    for technique in techniques:
        options = ", ".join(map(_code, model.option_fields[technique.slug].values()))
        description = f"[{technique.name}]({technique.url}): {technique.summary}"
        rows.append((_code(technique.slug), description, technique.rounds, technique.calls, options))
    return markdown(rows)


def _code(text: Any) -> str:
    return f"`{text}`" if text else ""
