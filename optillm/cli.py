"""The command line: parse the arguments and run the command from `optillm/commands/`.

Each command imports only what it needs, so that help and error messages appear at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from optillm import __version__
from optillm.commands import tables
from optillm.commands.key import show_key
from optillm.commands.settings import show_settings
from optillm.commands.techniques import show_techniques
from optillm.config.argv import conceal
from optillm.config.settings import Settings, load, settings_model
from optillm.config.sources import Setting, SettingsError, nearest, setting_specs, shapes
from optillm.config.values import allowed
from optillm.errors import InvalidRequest

if TYPE_CHECKING:
    from optillm.technique import BaseOptions
    from optillm.techniques import Technique

USAGE: Final = """optillm [serve] [flags]    start the server
       optillm settings [flags]   show every setting and the value it would have
       optillm techniques [SLUG]  list the techniques and their cost, or describe one in full
       optillm doctor [flags]     check what the upstream supports, and how the proxy works around the rest
       optillm key NAME           create a client key for the --keys file
       optillm usage [flags]      show what each key has used today"""
EPILOGUE: Final = """Every flag --some-name is also the variable OPTILLM_SOME_NAME and the key some_name of
optillm.toml. A flag overrides a variable, and a variable overrides the file."""

SERVE: Final = "serve"
COMMANDS: Final = (SERVE, "settings", "techniques", "doctor", "key", "usage")
WITH_ARGUMENT: Final = ("techniques", "key")
ALL: Final = "`optillm --help` lists all"
OWN_FLAGS: Final = {
    "markdown": ("--markdown", ("settings", "techniques")),
    "json": ("--json", ("doctor", "usage")),
    "examined": ("--upstream", ("doctor",)),
    "placements": ("--place-instructions", ("doctor",)),
}
"""Flags that are not settings: how each is written, and which commands take it."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the `optillm` command; after an operator's mistake, exit with one line and code 2."""
    if argv is None:
        for setting in setting_specs(Settings).values():
            if setting.secret and setting.flag:
                conceal(sys.argv[1:], setting.flags, setting.variables[0])
    from optillm.techniques import discovered

    try:
        run(sys.argv[1:] if argv is None else argv, *discovered())
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
    command, argument, flags = parse(argv, model, techniques)
    target, as_json, upstream, placements = (flags.pop(name, None) for name in OWN_FLAGS)

    def read() -> Settings:
        settings = load(model, flags)
        _check_approach(settings, techniques)
        return settings

    if command == SERVE:
        from optillm.commands.serve import start

        start(read, faults)
        return
    for fault in faults:
        print(f"optillm: {fault}", file=sys.stderr)
    if command == "key":
        show_key(argument)
    elif command == "techniques":
        show_techniques(model, techniques, argument, target)
    elif command == "settings":
        show_settings(read, model, techniques, target)
    elif command == "usage":
        from optillm.commands.usage import usage

        print(usage(read(), as_json=bool(as_json)))
    else:
        from optillm.commands.doctor import diagnose

        diagnose(read(), upstream, as_json=bool(as_json), placements=bool(placements))


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
) -> tuple[str, str | None, dict[str, Any]]:
    """Return the command, its argument, and the flags: raw values by the name of the setting.

    Raises `SettingsError` for an unknown flag or command; exits for `--help` and `--version`.
    """
    dashed = [_dashed(argument) for argument in argv]
    options, words = parser(model, techniques).parse_known_args(dashed)
    for word in words:
        flag, _, _ = word.partition("=")
        if flag.startswith("-"):
            raise SettingsError(f"unknown flag {flag}{nearest(flag, _flags(model), ALL)}")
    command, *words = words or [SERVE]
    if command not in COMMANDS:
        raise SettingsError(f"unknown command {command}{nearest(command, (*COMMANDS, '--help'), ALL)}")
    argument = words.pop(0) if words and command in WITH_ARGUMENT else None
    for word in words:
        if word in COMMANDS:
            raise SettingsError(f"give one command at a time, not both {command} and {word}")
        raise SettingsError(f"unexpected argument {word}: optillm {command} does not take it")
    flags = {
        name: ",".join(value) if isinstance(value, list) else value for name, value in vars(options).items()
    }
    for name, (flag, commands) in OWN_FLAGS.items():
        if flags.get(name) and command not in commands:
            raise SettingsError(f"{flag} works only with optillm {' and '.join(commands)}")
    return command, argument, flags


def parser(model: type[Settings], techniques: Mapping[str, Technique]) -> argparse.ArgumentParser:
    """Return the parser of all flags, with one help section for each group of settings."""
    parser = _Parser(
        prog="optillm",
        usage=USAGE,
        epilog=EPILOGUE,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=34),
    )
    parser.add_argument("--version", action="version", version=f"optillm {__version__}")
    parser.add_argument("--markdown", nargs="?", const="-", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="with doctor and usage: print JSON, for scripts")
    parser.add_argument(
        "--upstream",
        dest="examined",
        metavar="NAME",
        help="with doctor: the upstream to check, by default the first",
    )
    parser.add_argument(
        "--place-instructions",
        dest="placements",
        action="store_true",
        help="with doctor: find where instructions should go (see --instructions), in 36 calls of at most 256 tokens",
    )
    settings = setting_specs(model)
    schemas = shapes(model)
    for group in dict.fromkeys(setting.group for setting in settings.values()):
        members = [setting for setting in settings.values() if setting.group == group]
        technique = techniques.get(group)
        title = f"{technique.name} ({group})" if technique else group
        section = parser.add_argument_group(title, _without_flag(members))
        for setting in members:
            if setting.flag:
                _add_flag(section, setting, schemas[setting.name])
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _add_flag(section: argparse._ArgumentGroup, setting: Setting, schema: Mapping[str, Any]) -> None:
    lines = [setting.field.description or "", *_fine_print(setting, schema)]
    arguments: dict[str, Any] = {"dest": setting.name, "help": "; ".join(lines).replace("%", "%%")}
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
    if value := tables.default(setting):
        yield f"default {value}"


def _without_flag(members: Sequence[Setting]) -> str | None:
    names = [setting.vendor or setting.variables[0] for setting in members if not setting.flag]
    return f"Only in the environment or the file: {', '.join(names)}." if names else None


def _flags(model: type[Settings]) -> list[str]:
    flags = [flag for setting in setting_specs(model).values() for flag in setting.flags]
    switches = [
        flag for s in setting_specs(model).values() if isinstance(s.default, bool) for flag in s.flags
    ]
    return ["--help", "--version", *flags, *(f"--no-{flag[2:]}" for flag in switches)]


def _dashed(argument: str) -> str:
    flag, equals, value = argument.partition("=")
    return (flag.replace("_", "-") if flag.startswith("--") else flag) + equals + value


def _check_approach(settings: Settings, techniques: Mapping[str, Technique]) -> None:
    if settings.approach == "auto":
        return
    from optillm.engine.plan.expression import parse as parse_expression

    try:
        parse_expression(settings.approach, techniques)
    except InvalidRequest as error:
        raise SettingsError(f"approach: {error.message}") from None
