"""The keys file: who may use the server, for what, and how much of it.

The file is TOML: a table `[keys.<name>]` for each key, which holds the key's hash and never the key, and a table
`[server]` with limits that all keys share. What a key's table does not say is not limited.
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
"""Cost is counted in millionths of a dollar."""
MOST: Final = 10**15
"""The most that is counted at a time, or is a limit: what any store can add up."""
PREFIX: Final = "sha256:"
OWN: Final = "key-"
"""What the names of keys begin with that the settings hold in plain text: `key-1`, `key-2`, …"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_OWN = re.compile(OWN + r"\d+")
_HASH = re.compile(PREFIX + "[0-9a-f]{64}")


def _hash(value: Any) -> Any:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError(f"write {PREFIX} and 64 hex digits, never the key itself; `optillm key` makes both")
    return value


def _slug(value: str) -> str:
    if value == "none":
        raise ValueError("`none` is no technique; `plain` says whether a request may do without one")
    return value


class Limits(BaseModel):
    """What may be used in a time, a day being one of UTC; `None` is no limit. Cost is in US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    requests_per_minute: int | None = Field(default=None, ge=1, le=10_000)
    tokens_per_day: int | None = Field(default=None, ge=1, le=MOST)
    cost_per_day: float | None = Field(default=None, ge=1 / MICRO, le=MOST / MICRO)

    @property
    def any(self) -> bool:
        """Whether anything is limited, so that somebody has to count."""
        return any((self.requests_per_minute, self.tokens_per_day, self.cost_per_day))


UNLIMITED: Final = Limits()


class Key(Limits):
    """The table of one key; `max_*` and `timeout` (seconds) bound each of its requests."""

    key: Annotated[str, BeforeValidator(_hash)] = Field(repr=False)
    techniques: list[Annotated[str, AfterValidator(_slug)]] | None = None
    plain: bool = True
    max_calls: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0, le=MOST / MICRO)
    timeout: float | None = Field(default=None, gt=0)
    disabled: bool = False


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    server: Limits = UNLIMITED
    keys: dict[str, Key] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """Who a key stands for; `digest` is the SHA-256 of the key."""

    name: str
    digest: bytes = field(repr=False)
    grant: Grant
    limits: Limits = UNLIMITED
    disabled: bool = False


@dataclass(frozen=True)
class Keys:
    """All keys, and the limits that they share. Without any key, every client is served."""

    clients: Sequence[Client] = ()
    server: Limits = UNLIMITED

    @cached_property
    def counted(self) -> bool:
        """Whether anything has to be counted."""
        return self.server.any or any(client.limits.any for client in self.clients)


def own_keys(keys: Sequence[str]) -> Keys:
    """Keys in plain text, as the settings hold them; without limits of their own."""
    named = ((f"{OWN}{number}", key) for number, key in enumerate(keys, 1))
    digests = ((name, digest(key.encode())) for name, key in named)
    return Keys([Client(name, sha256, Grant(name, key_digest=sha256.hex())) for name, sha256 in digests])


def load_keys(path: str, own: Sequence[str], techniques: Collection[str]) -> Keys:
    """The keys of a file, and those in `own` beside them; `techniques` are the slugs that there are.

    Raises `ValueError`, one line, when the file is not such a file.
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
    """Whether other users than the owner of a file may read or write it."""
    return bool(Path(path).stat().st_mode & 0o077)


def digest(key: bytes) -> bytes:
    """What is kept of a key. Keys made here are long and random: nothing slower would guard them better."""
    return hashlib.sha256(key).digest()


def new_key(name: str) -> tuple[str, str]:
    """A fresh key, and the table for the file that lets it in. Raises `ValueError` for a name that will not do."""
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
    limits = Limits(**{name: getattr(key, name) for name in Limits.model_fields})
    return Client(name, bytes.fromhex(grant.key_digest), grant, limits, key.disabled)


def _disagreements(file: _File, keys: Keys, techniques: Collection[str]) -> Iterator[str]:
    """What is wrong with the tables together, in one line each."""
    if not keys.clients:
        yield "there is no key in it; `optillm key NAME` makes one"
    seen: dict[bytes, str] = {}
    for client in keys.clients:
        other = seen.setdefault(client.digest, client.name)
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
            f"{name[:80]!r} is no name for a key: use up to 64 letters, digits and . _ @ + - of ASCII"
        )
    if _OWN.fullmatch(name):
        raise ValueError(f"{name} is what a key of OPTILLM_API_KEY is called; use another name")


def _fields(path: Sequence[str]) -> Collection[str]:
    """Return the names that the table at a path of the file may hold."""
    if not path:
        return _File.model_fields
    return Limits.model_fields if path[0] == "server" else Key.model_fields
