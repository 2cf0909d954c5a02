"""The values of settings: how they are read from text and how allowed ones are described."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

_USER = re.compile(r"//[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?]*)\?\S*")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t -~]*")
SHARED_STORES: Final = ("redis", "rediss", "redis+unix")
"""URL schemes of stores that several machines can share."""

GGUF: Final = b"GGUF"
"""The first bytes of a GGUF file, the format of llama.cpp's models."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+")
_LISTS: Final = {list, tuple, set, frozenset}


def _split(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _split_keys(value: Any) -> Any:
    keys = _split(value)
    if isinstance(value, str) and not keys:
        raise ValueError(
            "there is no key in it"
        )  # commas only: the proxy would be open without anybody noticing
    return keys


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _none_or_list(value: Any) -> Any:
    return [] if _lower(value) == "none" else _split(value)


def _switch(value: Any) -> Any:
    word = str(value).strip().lower()
    return {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}.get(word, word)


def _json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError('write a JSON object such as {"x-team": "search"}') from None


def word_or_table(value: Any) -> Any:
    """Return a word in lower case, or a table, also when it is written as JSON."""
    try:
        return (
            json.loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else _lower(value)
        )
    except ValueError:
        raise ValueError('write a word or a JSON object such as {"qwen*": "before"}') from None


def tables(value: Any) -> Any:
    """Return a list of tables, even if it is written as JSON."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(
            'write a JSON list such as [{"name": "main", "base_url": "https://host/v1"}]'
        ) from None


def _key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("a key is made of printable ASCII characters without spaces")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query:
        raise ValueError("a base URL looks like https://host/v1")
    return value.rstrip("/")


def _file(value: str) -> str:
    if not Path(value).is_file():
        raise ValueError("no such file")
    return value


def _gguf(value: str) -> str:
    path = Path(value).expanduser().absolute()
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF))
    except OSError as error:
        raise ValueError((error.strerror or str(error)).lower()) from None
    if magic != GGUF:
        raise ValueError("it is not a GGUF file")
    return str(path)


def _store(value: str) -> str:
    parts = urlsplit(value)
    if "://" in value and (parts.scheme not in SHARED_STORES or not (parts.hostname or parts.path)):
        raise ValueError("a store is a file, or a URL such as redis://host:6379/0")
    return value if "://" in value else str(Path(value).expanduser().absolute())


def _traces(value: str) -> str:
    if value.lower() in ("off", "memory"):
        return value.lower()
    if "://" in value:
        raise ValueError("write off, memory or the path of a file")
    return str(Path(value).expanduser().absolute())


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError("write addresses or networks, such as 10.0.0.0/8") from None


def _origin(value: str) -> str:
    origin = value.strip().lower().rstrip("/")
    port = {"http": ":80", "https": ":443"}.get(origin.partition(":")[0])
    if port:  # browsers leave out the default port
        origin = origin.removesuffix(port)
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise ValueError("an origin looks like https://chat.example.org; * is all of them")
    return origin


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"header {name!r} has a name or a value that HTTP does not allow")
    return value


Key = Annotated[SecretStr, AfterValidator(_key)]
Keys = Annotated[tuple[Key, ...], BeforeValidator(_split_keys)]
Names = Annotated[tuple[str, ...], BeforeValidator(_none_or_list)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_none_or_list)]
Url = Annotated[str, AfterValidator(_url)]
StoreLocation = Annotated[str, AfterValidator(_store)]
TraceStore = Annotated[str, AfterValidator(_traces)]
File = Annotated[str, AfterValidator(_file)]
GgufFile = Annotated[str, AfterValidator(_gguf)]
Headers = Annotated[dict[str, str], BeforeValidator(_json), AfterValidator(_headers)]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(_lower)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
ServerKind = Annotated[Literal["loop", "threads"], BeforeValidator(_lower)]
ProgressStyle = Annotated[Literal["off", "comments", "reasoning"], BeforeValidator(_lower)]
SandboxLevel = Annotated[Literal["full", "language-only"], BeforeValidator(_lower)]
MergeRule = Annotated[Literal["select", "choices", "first"], BeforeValidator(_lower)]
VerdictStyle = Annotated[Literal["auto", "reasoned", "direct"], BeforeValidator(_lower)]
Demo = Annotated[Literal["off", "auto", "on"], BeforeValidator(_switch)]


def listed(annotation: Any) -> tuple[WrapValidator, ...]:
    """Return a validator that reads comma-separated text for a type that may be a list.

    It does nothing for other types.
    """
    kinds = set(_kinds(annotation))
    if not kinds & _LISTS:
        return ()
    number = bool(kinds & {int, float})

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            # A number out of bounds is a mistake, not a list of one name.
            if not isinstance(value, str) or (number and _NUMBER.fullmatch(value.strip())):
                raise
        return handler(_split(value))

    return (WrapValidator(read),)


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for branch in get_args(annotation):
            yield from _kinds(branch)
    else:
        yield origin or annotation


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def masked(text: str) -> str:
    """Return the text with the user, password and query of every URL in it hidden."""
    return _QUERY.sub(r"\1?[set]", _USER.sub("//[set]@", text))


def allowed(schema: Mapping[str, Any]) -> str:
    """Return in words what a value may be, from its JSON schema: `an integer from 1 to 64`."""
    if "anyOf" in schema:
        kinds = (allowed(branch) for branch in schema["anyOf"] if branch.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        items = schema.get("items", {})
        if "enum" in items:
            return f"a list of {', '.join(items['enum'])}"
        return "a list of tables" if "$ref" in items else "a list"
    words = {"integer": "an integer", "number": "a number", "boolean": "true or false", "object": "a table"}
    return words.get(schema.get("type", ""), "text") + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {number(low)} to {number(high)}"
    bounds = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    phrases = [f"{words} {number(schema[bound])}" for bound, words in bounds.items() if bound in schema]
    return " " + " and ".join(phrases) if phrases else ""


def number(value: float) -> str:
    """Return a number as people write it: no exponent, no `.0`."""
    return str(int(value)) if value == int(value) else str(value)
