"""The command line: parse the arguments and run a command of `optillm/commands/`.

Nothing here knows what a command does; `optillm` without one starts the server.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NoReturn

from optillm import __version__
from optillm.commands import Command, Invocation, discovered
from optillm.config.argv import conceal
from optillm.config.flags import add_setting_flags, given_settings
from optillm.config.settings import Settings, load, settings_model
from optillm.config.sources import SettingsError, nearest, setting_specs
from optillm.errors import InvalidRequest

if TYPE_CHECKING:
    from optillm.technique import BaseOptions
    from optillm.techniques import Technique

DEFAULT: Final = "serve"
"""The command when none is named."""
EPILOGUE: Final = """Every flag --some-name is also the variable OPTILLM_SOME_NAME and the key some_name of
optillm.toml. A flag overrides a variable, and a variable overrides the file."""
ALL: Final = "`optillm --help` lists all"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the `optillm` command; after an operator's mistake, exit with one line and code 2."""
    if argv is None:
        for setting in setting_specs(Settings).values():
            if setting.secret and setting.flag:
                conceal(sys.argv[1:], setting.flags, setting.variables[0])
    from optillm.techniques import discovered as discovered_techniques

    try:
        run(sys.argv[1:] if argv is None else argv, *discovered_techniques())
    except SettingsError as error:
        print(f"optillm: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # a pager or `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:  # before the server handles signals itself, or in another command
        sys.exit(130)


def run(argv: Sequence[str], techniques: Mapping[str, Technique], faults: Sequence[str] = ()) -> None:
    """Run the command that the arguments name.

    `faults` has one line for each plugin that could not be loaded. Raises `SettingsError` for a mistake in the
    arguments.
    """
    model, techniques, faults = _without_conflicts(techniques, faults)
    command, arguments = parse(argv, model, techniques)

    def read() -> Settings:
        settings = load(model, given_settings(arguments))
        _check_approach(settings, techniques)
        return settings

    if command.name != DEFAULT:  # the server logs them
        for fault in faults:
            print(f"optillm: {fault}", file=sys.stderr)
    command.run(Invocation(arguments, read, model, techniques, faults))


def _without_conflicts(
    techniques: Mapping[str, Technique], faults: Sequence[str]
) -> tuple[type[Settings], Mapping[str, Technique], Sequence[str]]:
    """Return the settings model, the techniques that fit into it, and all faults.

    A technique whose option has a name that is taken does not fit, and is one more fault.
    """
    options = {slug: technique.Options for slug, technique in techniques.items()}
    try:
        return settings_model(options), techniques, faults
    except TypeError:  # an option of a plugin has a name that is taken
        accepted: dict[str, type[BaseOptions]] = {}
        lines = [*faults]
    for slug in options:
        try:
            settings_model({**accepted, slug: options[slug]})
            accepted[slug] = options[slug]
        except TypeError as error:
            lines.append(f"the plugin {slug} is skipped: {error}")
    return settings_model(accepted), {slug: techniques[slug] for slug in accepted}, lines


def parse(
    argv: Sequence[str], model: type[Settings], techniques: Mapping[str, Technique]
) -> tuple[Command, argparse.Namespace]:
    """Return the command and its parsed arguments, raw values of settings among them.

    Raises `SettingsError` for an unknown flag or command; exits for `--help` and `--version`.
    """
    commands = discovered()
    words = list(_apart([_dashed(argument) for argument in argv], commands))
    # Flags may come before the command, and a flag's value may look like one: only the parser of the command can tell.
    for name in (*(word for word in words if word in commands), None):
        command = commands[name or DEFAULT]
        parser = command_parser(command, model, techniques, overview=name is None)
        arguments, rest = parser.parse_known_intermixed_args(words)
        if name is None or name == arguments.command:
            break
    for word in rest:
        if word.startswith("-"):
            flag, _, _ = word.partition("=")
            raise SettingsError(
                _misplaced(flag, model) or f"unknown flag {flag}{nearest(flag, parser.flags, ALL)}"
            )
    if name is None and arguments.command:
        hint = nearest(arguments.command, (*commands, "--help"), ALL)
        raise SettingsError(f"unknown command {arguments.command}{hint}")
    for word in rest:
        if word in commands:
            raise SettingsError(f"give one command at a time, not both {command.name} and {word}")
        raise SettingsError(f"unexpected argument {word}: optillm {command.name} does not take it")
    return command, arguments


def _misplaced(flag: str, model: type[Settings]) -> str | None:
    """Return which commands take a flag that the one at hand does not; `None` if none does."""
    names = [
        command.name for command in discovered().values() if flag in command_parser(command, model, {}).flags
    ]
    if not names:
        return None
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{flag} works only with optillm {listed}"


class _Parser(argparse.ArgumentParser):
    """A parser of one command, whose mistakes are `SettingsError`."""

    @property
    def flags(self) -> Collection[str]:
        """All flags, in every spelling."""
        return self._option_string_actions.keys()

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def command_parser(
    command: Command, model: type[Settings], techniques: Mapping[str, Technique], *, overview: bool = False
) -> _Parser:
    """Return the parser of one command.

    With `overview`, its help begins with a list of all commands.
    """
    parser = _Parser(
        prog="optillm",
        usage=(_overview(discovered().values()) if overview else command.usage).replace("%", "%%"),
        description=None if overview else f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=EPILOGUE if command.takes_settings else None,
        allow_abbrev=False,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=34),
    )
    parser.add_argument("--version", action="version", version=f"optillm {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    command.add_arguments(parser)
    if command.takes_settings:
        titles = {slug: f"{technique.name} ({slug})" for slug, technique in techniques.items()}
        add_setting_flags(parser, model, titles)
    return parser


def _overview(commands: Iterable[Command]) -> str:
    """Return all commands with what they do, the default one first.

    The text is a usage that argparse puts after `usage: `.
    """
    ordered = sorted(commands, key=lambda command: command.name != DEFAULT)
    width = max(len(command.usage) for command in ordered)
    return "\n       ".join(f"{command.usage:{width}}  {command.summary}" for command in ordered)


def _dashed(argument: str) -> str:
    flag, equals, value = argument.partition("=")
    return (flag.replace("_", "-") if flag.startswith("--") else flag) + equals + value


def _apart(words: Sequence[str], commands: Collection[str]) -> Iterator[str]:
    """Yield the words so that argparse takes no command for `--demo`'s value, which may lack."""
    for word, following in pairwise([*words, ""]):
        yield f"{word}=on" if word == "--demo" and following in commands else word


def _check_approach(settings: Settings, techniques: Mapping[str, Technique]) -> None:
    if settings.approach == "auto":
        return
    from optillm.engine.plan.expression import parse as parse_expression

    try:
        parse_expression(settings.approach, techniques)
    except InvalidRequest as error:
        raise SettingsError(f"approach: {error.message}") from None
