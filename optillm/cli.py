"""The command line, and the composition root: here and only here the parts are put together.

Whatever a command does not need is not imported: help and mistakes answer at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from optillm import __version__, logs, tables
from optillm.argv import conceal
from optillm.config import Settings, load, settings_model
from optillm.errors import InvalidRequest
from optillm.keys import new_key, readable_by_others
from optillm.sources import Setting, SettingsError, catalogue, nearest, shapes
from optillm.values import allowed, is_loopback, masked

if TYPE_CHECKING:
    from flask import Flask

    from optillm.engine.record import Observer
    from optillm.techniques import Technique

USAGE: Final = """optillm [flags]            start the server
       optillm settings [flags]   show every setting and the value it would have
       optillm techniques         show the techniques, their cost and their options
       optillm doctor [flags]     examine the upstream: what it can do, and what the proxy does about it
       optillm key NAME           make a key for the file of --keys"""
EPILOGUE: Final = """Every flag --some-name is also the variable OPTILLM_SOME_NAME and the key some_name of
optillm.toml; a flag counts more than a variable, and a variable more than the file."""
KEY: Final = "key"
COMMANDS: Final = ("settings", "techniques", "doctor", KEY)

SHARED: Final = ("optillm.engine.engine", "optillm.observe.metrics", "optillm.server.app")
"""What all workers need: imported before they are forked, most of it is in memory once."""

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the `optillm` command; a mistake of the operator's ends it with one line and exit code 2."""
    if argv is None:
        for setting in catalogue(Settings).values():
            if setting.secret and setting.flag:
                conceal(sys.argv[1:], setting.flags, setting.variables[0])
    from optillm.techniques import registry

    try:
        run(sys.argv[1:] if argv is None else argv, registry())
    except SettingsError as error:
        print(f"optillm: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # a pager or `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(argv: Sequence[str], techniques: Mapping[str, Technique]) -> None:
    """Do what the arguments ask for, with these techniques. Raises `SettingsError` for a mistake in them."""
    model = settings_model({slug: technique.Options for slug, technique in techniques.items()})
    command, flags = parse(argv, model, techniques)
    own = ("markdown", "json", "examined", "name")
    target, as_json, chosen, key = (flags.pop(name, None) for name in own)
    for flag, given in (("--json", as_json), ("--upstream", chosen)):
        if given and command != "doctor":
            raise SettingsError(f"{flag} is a flag of optillm doctor")
    if command == KEY:
        _show_key(key)
    elif command == "techniques":
        _show_techniques(model, techniques, target)
    elif target is not None:
        _publish(target, "settings", tables.settings_markdown(model, techniques))
    else:

        def read() -> Settings:
            settings = load(model, flags)
            _check_approach(settings, techniques)
            return settings

        if command == "settings":
            print(tables.settings_columns(read()))
        elif command == "doctor":
            diagnose(read(), chosen, as_json=bool(as_json))
        else:
            start(read)


def start(read: Callable[[], Settings]) -> None:
    """Serve until stopped."""
    from optillm.observe.folder import counting_folder
    from optillm.server.serve import serve

    settings = read()
    logs.configure(settings.log, settings.secrets(), settings.log_format)
    _check_workers_needs(settings)
    with demo_model(settings) as effective, counting_folder(settings.workers):
        for part in SHARED:
            import_module(part)
        announce(effective, no_upstream=settings.demo == "auto")
        serve(effective, load_app, partial(reread, read, effective))


def reread(read: Callable[[], Settings], serving: Settings) -> Settings:
    """The settings as they are now, with their keys; a demo model that runs is kept, and none is started."""
    settings = read()
    _check_workers_needs(settings)
    logs.configure(settings.log, settings.secrets(), settings.log_format)
    return served_by_demo(settings, serving.base_url) if serving.demo == "on" else settings


def diagnose(settings: Settings, name: str | None = None, *, as_json: bool) -> None:
    """Print what the upstream of this name, or the first, can do; ends with exit code 1 when it cannot be used."""
    import asyncio

    from optillm.doctor import examine

    logs.configure("warning", settings.secrets())
    with demo_model(settings) as effective:
        upstreams = {upstream.name: upstream for upstream in effective.upstreams()}
        if name is not None and name not in upstreams:
            raise SettingsError(f"unknown upstream {name}{nearest(name, upstreams)}")
        target = next(iter(upstreams.values())) if name is None else upstreams[name]
        diagnosis = asyncio.run(examine(effective, target=target))
    print(diagnosis.json() if as_json else diagnosis.table())
    if not diagnosis.usable:
        sys.exit(1)


def load_app(settings: Settings) -> Flask:
    """The WSGI application with its engine; made in the process that serves it."""
    from optillm import solver
    from optillm.engine.engine import Engine
    from optillm.observe.access import noted
    from optillm.observe.metrics import Metrics
    from optillm.server.accounts import Accounts
    from optillm.server.app import create_app
    from optillm.techniques import registry

    solver.configure(language_only=settings.solver_sandbox == "language-only")
    accounts = Accounts.of(settings)
    techniques = registry()
    metrics = Metrics(techniques, settings.model)
    observers: list[Observer] = [accounts.note, noted, metrics]
    if settings.otel:
        from optillm.observe.otel import connect

        observers.append(connect(settings, __version__))
    engine = Engine.from_settings(settings, techniques, observers)
    return create_app(settings, engine, accounts=accounts, metrics=metrics)


def _check_workers_needs(settings: Settings) -> None:
    """Refuse settings with which a worker could not do its work; a shared store may come up later."""
    if settings.otel:
        try:
            from optillm.observe import otel  # noqa: F401 - to know it now, not in each worker
        except ImportError:
            raise SettingsError("otel needs packages that are missing: pip install 'optillm[otel]'") from None
    if not settings.client_keys.counted:
        return
    from optillm.server.counters import FileStorage, open_storage

    try:
        storage = open_storage(settings.counters)
    except ValueError as error:
        raise SettingsError(f"store: {masked(str(error))}") from None
    if isinstance(storage, FileStorage):
        storage.close()  # each worker opens its own
    elif not storage.check():
        place = masked(settings.counters)
        logger.warning("The store at %s does not answer; keys with a budget a day have to wait for it", place)


@contextmanager
def demo_model(settings: Settings) -> Iterator[Settings]:
    """The settings to serve with; pointed at a running demo model when they ask for one."""
    if settings.demo == "off" or (settings.demo == "auto" and settings.upstream_configured):
        yield settings
        return
    from optillm.demo import launch

    with launch(latency=settings.demo_latency) as demo:
        yield served_by_demo(settings, demo.base_url)


def served_by_demo(settings: Settings, base_url: str | None) -> Settings:
    """The settings with the demo model as the upstream; no vendor's key or header goes to it."""
    vendors = ("openai_api_key", "cerebras_api_key", "azure_openai_api_key", "azure_api_base")
    own: dict[str, Any] = {"base_url": base_url, "upstream": (), "upstream_headers": {}}
    update: dict[str, Any] = dict.fromkeys(vendors) | own
    if "model" not in settings.model_fields_set:
        update["model"] = "demo-small"
    return settings.model_copy(update=update | {"demo": "on"})


def announce(settings: Settings, *, no_upstream: bool = False) -> None:
    """The first lines of the log: what is served, from where, with whose keys."""
    logger.info("Starting server with approach: %s", settings.approach)
    logger.info("Server configuration: %s", settings.public())
    keys = settings.client_keys
    upstreams, clients = settings.upstreams(), len(keys.clients)
    if settings.demo == "on":
        reason = "No upstream configured: using" if no_upstream else "Using"
        logger.info(
            "%s the embedded demo model (demo-small, demo-large) at %s", reason, upstreams[0].base_url
        )
    else:
        # A client's key that opens the proxy is not one for the upstream.
        without = "none" if clients else "passed through from the client"
        for upstream in upstreams:
            name = f" {upstream.name}" if settings.upstream else ""
            logger.info(
                "Upstream%s: %s; upstream key: %s", name, upstream, "set" if upstream.key else without
            )
    logger.info("Client keys: %s", f"{clients} configured" if clients else "none, every client is served")
    if keys.counted:
        logger.info("The use of keys is counted in %s", masked(settings.counters))
    if settings.keys and readable_by_others(settings.keys):
        logger.warning("Others may read or change %s: chmod 600 keeps it to you", settings.keys)
    if not clients and not is_loopback(settings.host):
        logger.warning("Whoever reaches %s may use this server: no client key is configured", settings.host)
    if not settings.ssl_verify:
        logger.warning("The upstream's certificate is not checked (--no-ssl-verify)")


def parse(
    argv: Sequence[str], model: type[Settings], techniques: Mapping[str, Technique]
) -> tuple[str | None, dict[str, Any]]:
    """The command, and the flags given: raw values by the name of the setting.

    Raises `SettingsError` for a flag or a command that does not exist; exits for `--help` and `--version`.
    """
    known = [_dashed(argument) for argument in argv]
    given, rest = parser(model, techniques).parse_known_args(known)
    for word in rest:
        flag, _, _ = word.partition("=")
        if flag.startswith("-"):
            raise SettingsError(f"unknown flag {flag}{nearest(flag, _flags(model))}")
    named = rest.pop(1) if rest[:1] == [KEY] and len(rest) > 1 else None
    for word in rest:
        if word not in COMMANDS:
            raise SettingsError(f"unknown command {word}{nearest(word, COMMANDS)}")
    if rest[1:]:
        raise SettingsError(f"one command at a time, not {' and '.join(rest)}")
    flags = {
        name: ",".join(value) if isinstance(value, list) else value for name, value in vars(given).items()
    }
    if named is not None:
        flags["name"] = named
    return (rest[0] if rest else None), flags


def parser(model: type[Settings], techniques: Mapping[str, Technique]) -> argparse.ArgumentParser:
    """The parser of all flags, one group of help for each group of settings."""
    made = _Parser(
        prog="optillm",
        usage=USAGE,
        epilog=EPILOGUE,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=34),
    )
    made.add_argument("--version", action="version", version=f"optillm {__version__}")
    made.add_argument("--markdown", nargs="?", const="-", metavar="FILE", help=argparse.SUPPRESS)
    made.add_argument("--json", action="store_true", help="with doctor: as JSON, for scripts")
    made.add_argument(
        "--upstream", dest="examined", metavar="NAME", help="with doctor: which upstream, if not the first"
    )
    settings = catalogue(model)
    schemas = shapes(model)
    for group in dict.fromkeys(setting.group for setting in settings.values()):
        members = [setting for setting in settings.values() if setting.group == group]
        technique = techniques.get(group)
        title = f"{technique.name} ({group})" if technique else group
        section = made.add_argument_group(title, _without_flag(members))
        for setting in members:
            if setting.flag:
                _add_flag(section, setting, schemas[setting.name])
    return made


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _add_flag(section: argparse._ArgumentGroup, setting: Setting, schema: Mapping[str, Any]) -> None:
    told = [setting.field.description or "", *_fine_print(setting, schema)]
    how: dict[str, Any] = {"dest": setting.name, "help": "; ".join(told).replace("%", "%%")}
    kinds = {branch.get("type") for branch in schema.get("anyOf", [schema])}
    if kinds == {"boolean"}:
        how["action"] = argparse.BooleanOptionalAction
    else:
        how["metavar"] = _metavar(schema, kinds)
    if "array" in kinds:
        how["action"] = "append"
    if setting.name == "demo":
        how |= {"nargs": "?", "const": "on"}
    section.add_argument(*setting.flags, **how)


def _metavar(schema: Mapping[str, Any], kinds: Collection[str | None]) -> str:
    if "enum" in schema:
        return "{" + ",".join(schema["enum"]) + "}"
    names = {"array": "LIST", "integer": "N", "number": "X"}
    return next((name for kind, name in names.items() if kind in kinds), "TEXT")


def _fine_print(setting: Setting, schema: Mapping[str, Any]) -> Iterator[str]:
    if setting.secret:
        yield f"moved to {setting.variables[0]} at the start, where other users of the machine cannot read it"
        return
    if "enum" not in schema and schema.get("type") != "boolean" and allowed(schema) != "text":
        yield allowed(schema)
    if value := tables.default(setting):
        yield f"default {value}"


def _without_flag(members: Sequence[Setting]) -> str | None:
    names = [setting.vendor or setting.variables[0] for setting in members if not setting.flag]
    return f"Only in the environment or the file: {', '.join(names)}." if names else None


def _flags(model: type[Settings]) -> list[str]:
    flags = [flag for setting in catalogue(model).values() for flag in setting.flags]
    switches = [flag for s in catalogue(model).values() if isinstance(s.default, bool) for flag in s.flags]
    return ["--help", "--version", *flags, *(f"--no-{flag[2:]}" for flag in switches)]


def _dashed(argument: str) -> str:
    flag, equals, value = argument.partition("=")
    return (flag.replace("_", "-") if flag.startswith("--") else flag) + equals + value


def _check_approach(settings: Settings, techniques: Mapping[str, Technique]) -> None:
    if settings.approach == "auto":
        return
    from optillm.engine.plan import parse as parse_expression

    try:
        parse_expression(settings.approach, techniques)
    except InvalidRequest as error:
        raise SettingsError(f"approach: {error.message}") from None


def _show_techniques(model: type[Settings], techniques: Mapping[str, Technique], target: str | None) -> None:
    if target is None:
        print(tables.techniques_columns(techniques.values(), model))
    else:
        _publish(target, "techniques", tables.techniques_markdown(techniques.values(), model))


def _show_key(name: str | None) -> None:
    """Print a new key, and on stdout, to be appended to the file, what lets it in."""
    if name is None:
        raise SettingsError("say whose key it is: optillm key NAME")
    try:
        key, table = new_key(name)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    print(f"The key of {name}, shown only this once: {key}", file=sys.stderr)
    print(f"\n{table}")


def _publish(target: str, topic: str, content: str) -> None:
    if target == "-":
        print(content)
    else:
        file = Path(target)
        file.write_text(tables.renewed(file.read_text(encoding="utf-8"), topic, content), encoding="utf-8")
