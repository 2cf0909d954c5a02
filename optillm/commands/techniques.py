"""`optillm techniques [SLUG]`: list the techniques and their cost, or describe one in full."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from optillm.commands import Invocation
from optillm.commands.tables import Row, add_markdown_flag, code, columns, markdown, publish
from optillm.config.flags import default_text
from optillm.config.settings import Settings
from optillm.config.sources import Setting, SettingsError, catalogue, nearest, shapes
from optillm.config.values import allowed

if TYPE_CHECKING:
    from optillm.technique import BaseOptions
    from optillm.techniques import Technique

TAKES_SETTINGS: Final = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("slug", nargs="?", metavar="SLUG", help="the technique to describe")
    add_markdown_flag(parser)


def run(invocation: Invocation) -> None:
    """Print all techniques, or the one named, or their table for the documentation."""
    slug, target = invocation.arguments.slug, invocation.arguments.markdown
    techniques, model = invocation.techniques, invocation.model
    if target is not None:
        publish(target, "techniques", techniques_markdown(techniques.values(), model))
    elif slug is None:
        print(techniques_columns(techniques.values(), model))
    elif slug in techniques:
        print(technique_page(techniques[slug], model))
    else:
        raise SettingsError(
            f"unknown technique {slug}{nearest(slug, techniques, '`optillm techniques` lists all')}"
        )


def techniques_columns(techniques: Iterable[Technique], model: type[Settings]) -> str:
    """Return what each technique does, what it costs, and its options with their defaults."""
    settings = catalogue(model)
    rows: list[Row] = [("SLUG", "", "TECHNIQUE")]
    for technique in techniques:
        names = model.option_fields[technique.slug].values()
        options = ", ".join(f"{name}={default_text(settings[name]) or 'unset'}" for name in names)
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
    settings, schemas = catalogue(model), shapes(model)
    fields = model.option_fields[technique.slug]
    options: list[Row] = [("OPTION", "DEFAULT", "VALUE", "FLAG", "MEANING")]
    for option, name in fields.items():
        setting = settings[name]
        meaning = setting.field.description or ""
        options.append(
            (option, default_text(setting) or "unset", allowed(schemas[name]), setting.flags[0], meaning)
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
    """Return the table of techniques for the documentation."""
    rows: list[Row] = [("Slug", "What it does", "Rounds", "Calls", "Options")]
    for technique in techniques:
        options = ", ".join(map(code, model.option_fields[technique.slug].values()))
        what = f"[{technique.name}]({technique.url}): {technique.summary}"
        rows.append((code(technique.slug), what, technique.rounds, technique.calls, options))
    return markdown(rows)
