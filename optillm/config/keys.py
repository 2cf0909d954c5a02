"""The keys file: who may use the server, for what, and how much of it.

The file is TOML: a table `[keys.<name>]` for each key, which holds the key's hash and never the key, and a table
`[server]` with limits that all keys share. What a key's table does not mention is not limited.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from optillm.chat import Budget, Grant
from optillm.config.problems import explain_file
from optillm.config.sources import nearest

MICRO: Final = 1_000_000
"""Costs are counted in millionths of a dollar."""
MAX_COUNT: Final = 10**15
"""The highest limit, and the most that is counted at a time: any store can add that up."""
PREFIX: Final = "sha256:"
OWN_NAME_PREFIX: Final = "key-"
"""The prefix of the names of keys that the settings hold in plain text: `key-1`, `key-2`, …"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_OWN_NAME = re.compile(OWN_NAME_PREFIX + r"\d+")
_HASH = re.compile(PREFIX + "[0-9a-f]{64}")


def _hash(value: Any) -> Any:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError(f"write {PREFIX} and 64 hex digits, never the key itself; `optillm key` makes both")
    return value


def _slug(value: str) -> str:
    if value == "none":
        raise ValueError("`none` is no technique; `plain` says whether a request may do without one")
    return value


class UsageLimits(BaseModel):
    """What may be used per minute or day (UTC); `None` is no limit. Cost is in US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    requests_per_minute: int | None = Field(default=None, ge=1, le=10_000)
    tokens_per_day: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    cost_per_day: float | None = Field(default=None, ge=1 / MICRO, le=MAX_COUNT / MICRO)

    @property
    def any(self) -> bool:
        """Return whether anything is limited, so that somebody has to count."""
        return any((self.requests_per_minute, self.tokens_per_day, self.cost_per_day))


UNLIMITED: Final = UsageLimits()


class Key(UsageLimits):
    """The table of one key; `max_*` and `timeout` (seconds) bound each of its requests."""

    key: Annotated[str, BeforeValidator(_hash)] = Field(repr=False)
    techniques: list[Annotated[str, AfterValidator(_slug)]] | None = None
    plain: bool = True
    max_calls: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0, le=MAX_COUNT / MICRO)
    timeout: float | None = Field(default=None, gt=0)
    disabled: bool = False


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    server: UsageLimits = UNLIMITED
    keys: dict[str, Key] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """The client that a key stands for; `digest` is the SHA-256 of the key.

    `operator`: whoever has the key runs this server, and may see what others do here.
    """

    name: str
    digest: bytes = field(repr=False)
    grant: Grant
    limits: UsageLimits = UNLIMITED
    disabled: bool = False
    operator: bool = False


@dataclass(frozen=True)
class Keys:
    """All keys, and the limits that they share. If there are no keys, every client is served."""

    clients: Sequence[Client] = ()
    server: UsageLimits = UNLIMITED

    @cached_property
    def counted(self) -> bool:
        """Return whether anything has to be counted."""
        return self.server.any or any(client.limits.any for client in self.clients)


def own_keys(keys: Sequence[str]) -> Keys:
    """Return the keys that the settings hold in plain text.

    They are the operator's, and have no limits of their own.
    """
    named = ((f"{OWN_NAME_PREFIX}{number}", key) for number, key in enumerate(keys, 1))
    digests = ((name, digest(key.encode())) for name, key in named)
    return Keys(
        [
            Client(name, sha256, Grant(name, key_digest=sha256.hex()), operator=True)
            for name, sha256 in digests
        ]
    )


def load_keys(path: str, own: Sequence[str], techniques: Collection[str]) -> Keys:
    """Return the keys of a file together with those in `own`.

    `techniques` are the slugs that exist. Raises `ValueError`, one line, if the file is not a keys file.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        file = _File.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"{path}: {explain_file(error, _fields)}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    keys = own_keys(own)
    all_keys = Keys([*keys.clients, *(_client(name, key) for name, key in file.keys.items())], file.server)
    problem = next(_disagreements(file, all_keys, techniques), None)
    if problem is not None:
        raise ValueError(f"{path}: {problem}")
    return all_keys


def readable_by_others(path: str) -> bool:
    """Return whether users other than a file's owner may read or write it."""
    return bool(Path(path).stat().st_mode & 0o077)


def digest(key: bytes) -> bytes:
    """Return the SHA-256 of a key.

    As keys made here are long and random, no slower hash is needed.
    """
    return hashlib.sha256(key).digest()


def new_key(name: str) -> tuple[str, str]:
    """Return a fresh key and its table for the keys file.

    Raises `ValueError` for an unsuitable name.
    """
    _check_name(name)
    key = f"sk-optillm-{secrets.token_urlsafe(32)}"
    quoted = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'
    return key, f'[keys.{quoted}]\nkey = "{PREFIX}{digest(key.encode()).hex()}"'


def _client(name: str, key: Key) -> Client:
    grant = Grant(
        client=name,
        ceiling=Budget(key.max_calls, key.max_tokens, key.timeout, key.max_cost),
        techniques=None if key.techniques is None else frozenset(key.techniques),
        plain=key.plain,
        key_digest=key.key.removeprefix(PREFIX),
    )
    limits = UsageLimits(**{name: getattr(key, name) for name in UsageLimits.model_fields})
    return Client(name, bytes.fromhex(grant.key_digest), grant, limits, key.disabled)


def _disagreements(file: _File, keys: Keys, techniques: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the tables as a whole, one line each."""
    if not keys.clients:
        yield "there is no key in it; `optillm key NAME` makes one"
    names: dict[bytes, str] = {}
    for client in keys.clients:
        other = names.setdefault(client.digest, client.name)
        if other != client.name:
            yield f"{other} and {client.name} are the same key"
    for name, key in file.keys.items():
        try:
            _check_name(name)
        except ValueError as error:
            yield str(error)
        for slug in key.techniques or ():
            if slug not in techniques:
                yield f"keys.{name}.techniques names an unknown technique `{slug}`{nearest(slug, techniques)}"
        if key.techniques == [] and not key.plain:
            yield f"keys.{name} may use nothing: no technique, and not plain either"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is not a valid key name: use up to 64 ASCII letters, digits and . _ @ + -"
        )
    if _OWN_NAME.fullmatch(name):
        raise ValueError(f"{name} is the name of a key in OPTILLM_API_KEY; use another name")


def _fields(path: Sequence[str]) -> Collection[str]:
    """Return the names that the table at a path of the file may hold."""
    if not path:
        return _File.model_fields
    return UsageLimits.model_fields if path[0] == "server" else Key.model_fields
