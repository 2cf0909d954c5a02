"""The tables `[[upstream]]` of the TOML file: several upstreams, and what each serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from optillm.config.problems import explain_table
from optillm.config.sources import variable
from optillm.config.values import Headers, Key, Url, masked, tables, word_or_table

DEFAULT: Final = "default"
"""The name of the single upstream that the other settings make."""


Streams = Literal["auto", "always", "never"]
"""When whole replies are requested as streams; `auto`: from servers on this machine or a private network."""

Where = Literal["after", "before", "system"]
"""Where a technique's instruction goes: after the client's last message, before it, or in the system turn."""

Instructions = Annotated[Where | dict[str, Where], BeforeValidator(word_or_table)]
"""Where instructions go: for all models, or by model-name pattern, of which the first match counts."""


class UpstreamTable(BaseModel):
    """Where calls go, with which key, and which models they may request.

    `key` is `None` if the client's own is passed through; `key_env` names the variable it came from. `models` are
    patterns of the names that clients use, `rename` maps some of these to this upstream's names. A lower `order` is
    called first, equal ones share by `weight`. `timeout` is the seconds of silence that end a call. `streams` says
    when calls are made as streams, `instructions` where those of techniques go; `None`, or no matching pattern,
    leaves that to the setting for all upstreams.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    base_url: Url = Field(repr=False)  # may hold a password
    kind: Literal["openai", "azure", "cerebras"] = "openai"
    api_version: str | None = None
    key: Key | None = None
    key_env: str | None = None
    headers: Headers = Field(default={}, repr=False)
    models: tuple[str, ...] = ("*",)
    rename: dict[str, str] = {}
    order: int = Field(default=0, ge=0, le=1000)
    weight: float = Field(default=1.0, gt=0, le=1000)
    timeout: float | None = Field(default=None, gt=0, le=86_400)
    streams: Streams | None = None
    instructions: Instructions | None = None

    @model_validator(mode="before")
    @classmethod
    def _find_key(cls, table: Any) -> Any:
        if not isinstance(table, Mapping) or not isinstance(table.get("key_env"), str):
            return table
        if table.get("key") is not None:
            raise ValueError("it has both `key` and `key_env`: keep one of them")
        key = variable(table["key_env"])
        if key is None:
            # The name is not shown: it may be the key, misplaced.
            raise ValueError("`key_env` names a variable that is not set")
        return {**table, "key": key}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.kind == "azure" and not self.api_version:
            raise ValueError("an upstream of kind azure needs an `api_version`")
        return self

    @property
    def secret(self) -> str | None:
        """Return the key in plain text."""
        return self.key.get_secret_value() if self.key else None

    def secrets(self) -> tuple[str, ...]:
        """Return every text in it that must not appear in a log."""
        url = urlsplit(self.base_url)
        return tuple(filter(None, (self.secret, url.password or url.username, *self.headers.values())))

    def __str__(self) -> str:
        return f"{self.kind} at {masked(self.base_url)}"


def by_model(instructions: Where | Mapping[str, Where] | None) -> Iterable[tuple[str, Where]]:
    """Return where instructions go, as pairs of a model-name pattern and a word."""
    if isinstance(instructions, str):
        return [("*", instructions)]
    return (instructions or {}).items()


def _in_one_line(table: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(table)
    except ValidationError as error:
        name = table.get("name") if isinstance(table, Mapping) else None
        about = f"{name}: " if isinstance(name, str) and len(name) <= 64 else ""
        raise ValueError(about + explain_table(error, UpstreamTable)) from None


def _distinct(upstreams: tuple[UpstreamTable, ...]) -> tuple[UpstreamTable, ...]:
    names = [upstream.name for upstream in upstreams]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there are two upstreams called {name}")
    return upstreams


Upstreams = Annotated[
    tuple[Annotated[UpstreamTable, WrapValidator(_in_one_line)], ...],
    BeforeValidator(tables),
    AfterValidator(_distinct),
]
