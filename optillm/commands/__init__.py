"""The commands, one module or package each.

A file dropped in here is found, listed in the help and dispatched to. A command's docstring begins with `` `optillm
NAME …`: what it does ``. It has `run(invocation)`, and, if it takes arguments of its own, `add_arguments(parser)`. One
that reads no settings sets `TAKES_SETTINGS = False` and gets no flags for them. All are imported for the help, so what
takes long to import is imported in `run`.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.techniques import Technique

_FIRST_LINE = re.compile(r"`(optillm .+?)`: (.+?)\.?")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command runs with.

    `arguments` are its own, as it declared them. `read` returns the settings, from the file, the environment and the
    flags, and raises `SettingsError` for a mistake in them; `model` is their class. `faults` has one line for each
    plugin that was skipped.
    """

    arguments: argparse.Namespace
    read: Callable[[], Settings]
    model: type[Settings]
    techniques: Mapping[str, Technique]
    faults: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One command as its module declares it; `usage` is how one writes it."""

    name: str
    usage: str
    summary: str
    run: Callable[[Invocation], None]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    takes_settings: bool


@cache
def discovered() -> Mapping[str, Command]:
    """Return all commands by name, in alphabetical order."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    commands = (read(name, import_module(f"{__name__}.{name}")) for name in names)
    return MappingProxyType({command.name: command for command in commands if command})


def read(name: str, module: ModuleType) -> Command | None:
    """Return the command that a module declares, `None` for what commands share.

    Raises `TypeError` for a module that has only half of what makes a command.
    """
    first_line, _, _ = (module.__doc__ or "").partition("\n")
    line, run = _FIRST_LINE.fullmatch(first_line), getattr(module, "run", None)
    if line is None and run is None:
        return None
    if line is None or not callable(run) or name not in re.findall(r"\w+", line[1]):
        raise TypeError(
            f'command {name!r}: it needs a docstring that begins with "`optillm {name} …`: what it does", '
            "and a function `run(invocation)`"
        )
    return Command(
        name,
        usage=line[1],
        summary=line[2],
        run=run,
        add_arguments=getattr(module, "add_arguments", lambda _: None),
        takes_settings=getattr(module, "TAKES_SETTINGS", True),
    )
