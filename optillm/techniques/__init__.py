"""The registry: every module of this folder, and installed `optillm.techniques` plugins.

A module of this folder that does not have the shape of a technique fails here, at start, with its name and what it
lacks. A plugin that does not, or that cannot be imported, is skipped, and one line says what is wrong with it.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Any

from optillm.technique import Answer, BaseOptions, Context

SLUG = re.compile(r"[a-z][a-z0-9_]*")
LONGEST_REASON = 200
RESERVED = ("none", "auto")
"""Words that clients write in place of a technique."""


@dataclass(frozen=True, slots=True)
class Technique:
    """One technique as its module declares it.

    `rounds` and `calls` are formulas over its options.
    """

    slug: str
    name: str
    summary: str
    paper: str
    url: str
    rounds: str
    calls: str
    Options: type[BaseOptions]
    run: Callable[[Context, Any], Awaitable[Answer]]

    @property
    def most_selected(self) -> int:
        """How many candidates it can choose among at most; 0 if it cannot choose among given ones."""
        return _most_selected(self.Options)

    def selecting(self, count: int) -> BaseOptions:
        """Return options with which it chooses among so many given candidates."""
        return self.Options.model_validate({self.Options.selects: count})

    def described(self) -> dict[str, Any]:
        """The technique as JSON: what it is, what it costs, and its options as JSON schemas."""
        texts = {
            name: getattr(self, name)
            for name in ("slug", "name", "summary", "paper", "url", "rounds", "calls")
        }
        return {**texts, "options": _schemas(self.Options)}


@cache  # to make the schemas of all techniques takes 20 ms, in which an event loop would stand still
def _schemas(options: type[BaseOptions]) -> Mapping[str, Any]:
    properties: dict[str, Any] = options.model_json_schema()["properties"]
    return properties


def _most_selected(options: type[BaseOptions]) -> int:
    return int(_schemas(options)[options.selects]["maximum"]) if options.selects else 0


def registry() -> Mapping[str, Technique]:
    """Return all techniques by slug, plugins last."""
    techniques, _ = discovered()
    return techniques


def selector(techniques: Mapping[str, Technique]) -> Technique:
    """Return the first technique that can choose among given candidates.

    Raises `LookupError` if none can.
    """
    for technique in techniques.values():
        if technique.most_selected:
            return technique
    raise LookupError("no technique declares that it can choose among given candidates")


@cache
def discovered() -> tuple[Mapping[str, Technique], Sequence[str]]:
    """Return all techniques by slug, plugins last, and a line for each skipped plugin."""
    slugs = sorted(info.name for info in pkgutil.iter_modules(__path__))
    techniques = {slug: read(slug, import_module(f"{__name__}.{slug}")) for slug in slugs}
    faults = []
    for entry in sorted(set(entry_points(group=__name__)), key=lambda entry: (entry.name, entry.value)):
        try:
            techniques[entry.name] = _plugin(entry, techniques)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
            faults.append(f"the plugin {entry.name} ({entry.value}) is skipped: {reason}")
    return MappingProxyType(techniques), tuple(faults)


def _plugin(entry: EntryPoint, techniques: Mapping[str, Technique]) -> Technique:
    """Load the technique of an entry point and check what can be checked without a request."""
    if entry.name in techniques:
        raise TypeError(f"a technique named {entry.name!r} exists already")
    technique = read(entry.name, entry.load())
    technique.Options().worst_case(1)
    technique.described()
    return technique


def read(slug: str, module: ModuleType) -> Technique:
    """Return the technique that `module` declares.

    Raises `TypeError` when it does not have the shape of one.
    """
    if not SLUG.fullmatch(slug):
        raise TypeError(f"technique {slug!r}: a slug is lower-case letters, digits and underscores")
    if slug in RESERVED:
        raise TypeError(f"technique {slug!r}: this slug is reserved")
    options, run = getattr(module, "Options", None), getattr(module, "run", None)
    if not (isinstance(options, type) and issubclass(options, BaseOptions)):
        raise TypeError(f"technique {slug!r} has no class Options(BaseOptions)")
    if options.worst_case is BaseOptions.worst_case:
        raise TypeError(f"technique {slug!r}: its Options do not say their `worst_case`")
    try:
        _most_selected(options)
    except KeyError:
        raise TypeError(f"technique {slug!r}: `selects` has to name an option with a maximum") from None
    if not inspect.iscoroutinefunction(run) or list(inspect.signature(run).parameters) != ["ctx", "options"]:
        raise TypeError(f"technique {slug!r} has no `async def run(ctx, options)`")
    return Technique(slug, *_described(slug, inspect.getdoc(module) or ""), options, run)


def _described(slug: str, doc: str) -> tuple[str, str, str, str, str, str]:
    lines = [line.strip() for line in doc.splitlines()]
    name, colon, summary = (lines or [""])[0].partition(": ")
    url = next((line for line in lines if line.startswith("https://")), "")
    labelled = {label: text for label, _, text in (line.partition(": ") for line in lines[1:])}
    described = (
        name,
        summary,
        labelled.get("Paper", ""),
        url,
        labelled.get("Rounds", ""),
        labelled.get("Calls", ""),
    )
    if not colon or not all(described):
        raise TypeError(
            f"technique {slug!r}: its docstring needs a first line `Name: sentence`, then the lines "
            "`Paper: …`, its URL, `Rounds: …` and `Calls: …`"
        )
    return described
