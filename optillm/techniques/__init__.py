"""The registry: every module of this folder, and every installed `optillm.techniques` entry point.

A module that does not have the shape of a technique fails here, at start, with its name and what it lacks.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType
from typing import Any

from optillm.technique import Answer, BaseOptions, Context

SLUG = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Technique:
    """One technique as its module declares it; `rounds` and `calls` are formulas over its options."""

    slug: str
    name: str
    summary: str
    paper: str
    url: str
    rounds: str
    calls: str
    Options: type[BaseOptions]
    run: Callable[[Context, Any], Awaitable[Answer]]

    def described(self) -> dict[str, Any]:
        """The technique as JSON: what it is, what it costs, and its options as JSON schemas."""
        texts = {
            name: getattr(self, name)
            for name in ("slug", "name", "summary", "paper", "url", "rounds", "calls")
        }
        return {**texts, "options": self.Options.model_json_schema()["properties"]}


@cache
def registry() -> Mapping[str, Technique]:
    """All techniques by slug; raises `TypeError` naming the first malformed module."""
    modules = {info.name: import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}
    for entry in entry_points(group=__name__):
        modules.setdefault(entry.name, entry.load())
    return MappingProxyType({slug: read(slug, module) for slug, module in sorted(modules.items())})


def read(slug: str, module: ModuleType) -> Technique:
    """The technique that `module` declares; raises `TypeError` when it does not have the shape of one."""
    if not SLUG.fullmatch(slug):
        raise TypeError(f"technique {slug!r}: a slug is lower-case letters, digits and underscores")
    options, run = getattr(module, "Options", None), getattr(module, "run", None)
    if not (isinstance(options, type) and issubclass(options, BaseOptions)):
        raise TypeError(f"technique {slug!r} has no class Options(BaseOptions)")
    if options.worst_case is BaseOptions.worst_case:
        raise TypeError(f"technique {slug!r}: its Options do not say their `worst_case`")
    if not inspect.iscoroutinefunction(run) or list(inspect.signature(run).parameters) != ["ctx", "options"]:
        raise TypeError(f"technique {slug!r} has no `async def run(ctx, options)`")
    return Technique(slug, *_described(slug, inspect.getdoc(module) or ""), options, run)


def _described(slug: str, doc: str) -> tuple[str, str, str, str, str, str]:
    lines = [line.strip() for line in doc.splitlines()]
    name, colon, summary = (lines or [""])[0].partition(": ")
    url = next((line for line in lines if line.startswith("https://")), "")
    labelled = {label: text for label, _, text in (line.partition(": ") for line in lines[1:])}
    found = (
        name,
        summary,
        labelled.get("Paper", ""),
        url,
        labelled.get("Rounds", ""),
        labelled.get("Calls", ""),
    )
    if not colon or not all(found):
        raise TypeError(
            f"technique {slug!r}: its docstring needs a first line `Name: sentence`, then the lines "
            "`Paper: …`, its URL, `Rounds: …` and `Calls: …`"
        )
    return found
