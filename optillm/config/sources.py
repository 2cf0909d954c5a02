"""Where settings come from, and under which names.

A setting called `best_of_n` is the flag `--best-of-n`, the variable `OPTILLM_BEST_OF_N` and the key
`best_of_n` of the TOML file. `pydantic-settings` ranks the sources; this module reads the environment and the
file for it, and refuses every name it does not know.
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
_OURS: Final = ("env", "secret", "flag", "aliases")

# What Kubernetes injects for a Service called optillm, or optillm-<anything>: an address, never a setting.
_SERVICE = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK = re.compile(PREFIX + r"(\w+_)?PORT=(tcp|udp|sctp)://.*")


class SettingsError(Exception):
    """A mistake in the configuration, as one line for the operator who made it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its names, its heading in help and documentation, and whether its value is a secret.

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
        """The setting a declared field makes; what it cannot say by itself is in `json_schema_extra`."""
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
        """The names in the TOML file, the preferred one first."""
        return (self.name, *self.aliases)

    @property
    def flags(self) -> tuple[str, ...]:
        """The names on the command line; none for a secret, which `ps` would show to everybody."""
        return tuple("--" + key.replace("_", "-") for key in self.keys) if self.flag else ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in the environment, those that count more first."""
        own = tuple(PREFIX + key.upper().removeprefix(PREFIX) for key in self.keys)
        return (*own, self.vendor) if self.vendor else own

    @property
    def default(self) -> Any:
        """The value when nobody sets one."""
        return self.field.get_default(call_default_factory=True)


def declare(group: str, default: Any, description: str, **extra: Any) -> Any:
    """A field of a settings model; `env`, `secret`, `flag` and `aliases` are for its `Setting`."""
    ours: dict[str, Any] = {name: extra.pop(name) for name in _OURS if name in extra}
    return Field(default, description=description, json_schema_extra={"group": group} | ours, **extra)


def catalogue(model: type[BaseSettings]) -> dict[str, Setting]:
    """Every setting of a model by its name, in the order of declaration."""
    return {name: Setting.of(name, field) for name, field in model.model_fields.items()}


class _Named(PydanticBaseSettingsSource):
    """A source that hands out values by the name of the setting."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """One value of this source; the base class asks for this beside `__call__`."""
        return self().get(field_name), field_name, False


class Environment(_Named):
    """The process environment. An empty variable counts as unset."""

    def __call__(self) -> dict[str, Any]:
        """Raw values by setting; raises `SettingsError` for an `OPTILLM_` variable that is no setting."""
        given = {name: value for name, value in _environment() if value.strip()}
        settings = catalogue(self.settings_cls)
        by_variable = {variable: setting for setting in settings.values() for variable in setting.variables}
        for name in given:
            if name.startswith(PREFIX) and name not in by_variable:
                raise SettingsError(f"unknown variable {name}{nearest(name, by_variable)}")
        values = {}
        for setting in settings.values():
            named = [name for name in setting.variables if name in given]
            _refuse_twins([name for name in named if name.startswith(PREFIX)], "the environment")
            if named:
                values[setting.name] = given[named[0]]
        return values


class TomlFile(_Named):
    """The file that a stronger source names as `config`, or `optillm.toml` in the working directory."""

    def __call__(self) -> dict[str, Any]:
        """Raw values by setting; raises `SettingsError` for a missing or broken file and an unknown key."""
        named = self.current_state.get("config")
        if named is None and not DEFAULT_FILE.is_file():
            return {}
        path = Path(named or DEFAULT_FILE).expanduser()
        settings = catalogue(self.settings_cls)
        by_key = {key: s.name for s in settings.values() for key in s.keys if s.name != "config"}
        values: dict[str, Any] = {"config": str(path)}
        spelt: dict[str, str] = {}
        for key, value in _read(path).items():
            name = by_key.get(key.replace("-", "_"))
            if name is None:
                raise SettingsError(f"unknown setting `{key}` in {path}{nearest(key, by_key)}")
            if name in spelt:
                _refuse_twins([spelt[name], key], str(path))
            values[name], spelt[name] = value, key
        return values


def variable(name: str) -> str | None:
    """A variable that the file names, without the line break a mounted file gave it; empty counts as unset."""
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
    """Where what is to survive a restart belongs, as the XDG base directories say; `ValueError` without a home."""
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "optillm"
    except RuntimeError:
        raise ValueError("the user has no home directory") from None


def nearest(name: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean …?` with the known name most like this one; `; otherwise` when none is like it."""
    like = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    advice = f"did you mean `{like[0]}`?" if like else otherwise
    return f"; {advice}" if advice else ""


def shapes(model: type[BaseSettings]) -> dict[str, dict[str, Any]]:
    """The JSON schema of every setting's value by name."""
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return properties


def origin(setting: Setting, flags: Iterable[str]) -> str:
    """Return the name under which a setting was set; `flags` are the settings of the command line."""
    if setting.name in flags and setting.flags:
        return setting.flags[0]
    present = {name for name, value in _environment() if value.strip()}
    return next((name for name in setting.variables if name in present), f"`{setting.name}`")
