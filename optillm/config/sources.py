"""The sources of settings, and the names of settings in each.

A setting called `best_of_n` is the flag `--best-of-n`, the variable `OPTILLM_BEST_OF_N` and the key `best_of_n` of
the TOML file. `pydantic-settings` ranks the sources; this module reads the environment and the file for it, and
refuses unknown names.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX: Final = "OPTILLM_"
DEFAULT_FILE: Final = Path("optillm.toml")
_SPEC_FIELDS: Final = ("env", "secret", "flag", "aliases")

# Kubernetes injects these for a Service called optillm, or optillm-<anything>: addresses, never settings.
_SERVICE = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK = re.compile(PREFIX + r"(\w+_)?PORT=(tcp|udp|sctp)://.*")


class SettingsError(Exception):
    """A mistake in the configuration, as one line for the operator."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its names, its heading in help and documentation, and whether it is secret.

    `aliases` are names accepted beside `name`; `vendor` is a variable of other tools that is read as well.
    """

    name: str
    group: str
    aliases: tuple[str, ...]
    vendor: str | None
    secret: bool
    flag: bool
    field: FieldInfo

    @classmethod
    def of(cls, name: str, field: FieldInfo) -> Setting:
        """Return the setting that a declared field makes.

        `json_schema_extra` holds what a field cannot.
        """
        extra = dict[str, Any]()
        if isinstance(field.json_schema_extra, dict):
            extra.update(field.json_schema_extra)
        secret = bool(extra.get("secret"))
        return cls(
            name=name,
            group=extra.get("group", ""),
            aliases=tuple(extra.get("aliases", ())),
            vendor=extra.get("env"),
            secret=secret,
            flag=bool(extra.get("flag", not secret)),
            field=field,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names in the TOML file, the preferred one first."""
        return (self.name, *self.aliases)

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the names on the command line.

        A secret has none there: `ps` would show it to everybody.
        """
        return tuple("--" + key.replace("_", "-") for key in self.keys) if self.flag else ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names in the environment, those with precedence first."""
        own = tuple(PREFIX + key.upper().removeprefix(PREFIX) for key in self.keys)
        return (*own, self.vendor) if self.vendor else own

    @property
    def default(self) -> Any:
        """Return the default value."""
        return self.field.get_default(call_default_factory=True)


def declare(group: str, default: Any, description: str, **extra: Any) -> Any:
    """Declare a field of a settings model.

    `env`, `secret`, `flag` and `aliases` are for its `Setting`.
    """
    spec: dict[str, Any] = {name: extra.pop(name) for name in _SPEC_FIELDS if name in extra}
    return Field(default, description=description, json_schema_extra={"group": group} | spec, **extra)


def setting_specs(model: type[BaseSettings]) -> dict[str, Setting]:
    """Return every setting of a model by name, in the order of declaration."""
    return {name: Setting.of(name, field) for name, field in model.model_fields.items()}


class _Named(PydanticBaseSettingsSource):
    """A source that returns values by the name of the setting."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return one value of this source; the base class requires this beside `__call__`."""
        return self().get(field_name), field_name, False


class Environment(_Named):
    """The process environment. An empty variable counts as unset."""

    def __call__(self) -> dict[str, Any]:
        """Return raw values by setting.

        Raises `SettingsError` for an `OPTILLM_` variable that is no setting.
        """
        present = {name: value for name, value in _environment() if value.strip()}
        settings = setting_specs(self.settings_cls)
        by_variable = {variable: setting for setting in settings.values() for variable in setting.variables}
        for name in present:
            if name.startswith(PREFIX) and name not in by_variable:
                raise SettingsError(f"unknown variable {name}{nearest(name, by_variable)}")
        values = {}
        for setting in settings.values():
            names = [name for name in setting.variables if name in present]
            _refuse_twins([name for name in names if name.startswith(PREFIX)], "the environment")
            if names:
                values[setting.name] = present[names[0]]
        return values


class TomlFile(_Named):
    """The configuration file, a source of settings.

    It is the one that a stronger source names as `config`, or `optillm.toml` in the working directory.
    """

    def __call__(self) -> dict[str, Any]:
        """Return raw values by setting.

        Raises `SettingsError` for a missing or broken file and for an unknown key.
        """
        configured = self.current_state.get("config")
        if configured is None and not DEFAULT_FILE.is_file():
            return {}
        path = Path(configured or DEFAULT_FILE).expanduser()
        settings = setting_specs(self.settings_cls)
        by_key = {key: s.name for s in settings.values() for key in s.keys if s.name != "config"}
        values: dict[str, Any] = {"config": str(path)}
        spellings: dict[str, str] = {}
        for key, value in _read(path).items():
            name = by_key.get(key.replace("-", "_"))
            if name is None:
                raise SettingsError(f"unknown setting `{key}` in {path}{nearest(key, by_key)}")
            if name in spellings:
                _refuse_twins([spellings[name], key], str(path))
            values[name], spellings[name] = value, key
        return values


def variable(name: str) -> str | None:
    """Return the value of a variable that the file names; empty counts as unset.

    A trailing line break, as from a mounted file, is removed.
    """
    return os.environ.get(name, "").strip() or None


def _environment() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if not _SERVICE.fullmatch(name) and not _SERVICE_LINK.fullmatch(f"{name}={value}"):
            yield name, value


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _refuse_twins(names: Sequence[str], location: str) -> None:
    if len(names) > 1:
        raise SettingsError(f"{' and '.join(names)} in {location} are one setting: keep one of them")


def state_directory() -> Path:
    """Return the directory for what has to survive a restart.

    See the XDG base directory specification. Raises `ValueError` if the user has no home.
    """
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "optillm"
    except RuntimeError:
        raise ValueError("the user has no home directory") from None


def nearest(name: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """Return `; did you mean …?` with the most similar candidate.

    If none is similar, that is `; otherwise`.
    """
    similar = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    advice = f"did you mean `{similar[0]}`?" if similar else otherwise
    return f"; {advice}" if advice else ""


def shapes(model: type[BaseSettings]) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of every setting's value by name."""
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return properties


def origin(setting: Setting, flags: Iterable[str]) -> str:
    """Return the name under which a setting was set.

    `flags` are the settings of the command line.
    """
    if setting.name in flags and setting.flags:
        return setting.flags[0]
    present = {name for name, value in _environment() if value.strip()}
    return next((name for name in setting.variables if name in present), f"`{setting.name}`")
