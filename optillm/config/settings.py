"""The settings of the proxy: defaults < TOML file < environment < flags.

They are checked once at start and then frozen. Each setting is declared once, here or as an option in a technique's
module. Help, documentation and all three sources follow from the declaration.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from optillm.config.keys import Keys as ClientKeys
from optillm.config.keys import load_keys, own_keys
from optillm.config.prices import Prices, load_prices
from optillm.config.problems import explain_settings, problems
from optillm.config.sources import (
    Environment,
    SettingsError,
    TomlFile,
    declare,
    nearest,
    setting_specs,
    state_directory,
)
from optillm.config.upstreams import DEFAULT, Instructions, Streams, Upstreams, UpstreamTable
from optillm.config.values import (
    Demo,
    File,
    GgufFile,
    Headers,
    Key,
    Keys,
    LogFormat,
    LogLevel,
    MergeRule,
    Names,
    Networks,
    Origins,
    ProgressStyle,
    SandboxLevel,
    ServerKind,
    StoreLocation,
    TraceStore,
    Url,
    VerdictStyle,
    is_loopback,
    listed,
    masked,
)
from optillm.stores import REDIS_MISSING

OPENAI_URL: Final = "https://api.openai.com/v1"
CEREBRAS_URL: Final = "https://api.cerebras.ai/v1"
FILE_SETTINGS: Final = {"prices": "price_table", "keys": "client_keys", "ssl_cert_path": "trusted"}
"""Settings that name a file, and the property of `Settings` that holds the file's content."""
NEEDS: Final = {"execution": "let {slug} run programs that models wrote, in the sandbox"}
"""What the operator permits with the setting for a technique's need."""
S = TypeVar("S", bound="Settings")


_server = partial(declare, "Server")
_upstream = partial(declare, "Upstream")
_technique = partial(declare, "Techniques")


class Settings(BaseSettings):
    """All settings of a running proxy; `settings_model` adds the options of the techniques."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True, allow_inf_nan=False
    )
    option_models: ClassVar[Mapping[str, type[BaseModel]]] = {}
    """The option classes of the techniques by slug."""

    option_fields: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Which field holds which option of which technique: slug -> option -> field."""

    needs_fields: ClassVar[Mapping[str, str]] = {}
    """The field that admits what a technique needs of the operator, by slug."""

    config: str | None = _server(
        None, "the TOML file; by default optillm.toml, if the working directory has it"
    )
    host: str = _server(
        "127.0.0.1", "the address to listen on; a key is needed unless it is loopback", min_length=1
    )
    port: int = _server(8000, "the port to listen on; 0 takes a free one", ge=0, le=65535)
    workers: int = _server(1, "worker processes", ge=1, le=256)
    server: ServerKind = _server(
        "loop",
        "loop: views on the worker's event loop; threads: on gunicorn's threads, slower, if loop does not work",
    )
    concurrency: int = _server(
        512, "requests one worker serves at a time; the next is a 429", ge=1, le=65_536
    )
    log: LogLevel = _server("info", "the least severe lines to log")
    log_format: LogFormat = _server("text", "plain lines, or one JSON object per line")
    otel: bool = _server(
        False, "send a trace of each request to OTEL_EXPORTER_OTLP_ENDPOINT; run pip install '.[otel]' first"
    )
    traces: TraceStore = _server(
        "memory",
        "where the last requests are kept for /traces: off, memory, or a file, which outlives the server",
    )
    trace_content: bool = _server(
        False,
        "keep texts in traces, or only structure and numbers; unless set, texts on loopback without a keys file",
    )
    traces_mb: int = _server(
        64, "the megabytes that traces may take, the oldest go first", ge=1, le=1_048_576
    )
    traces_days: float = _server(7.0, "days that a file keeps traces", gt=0, le=3650)
    optillm_api_key: Keys = _server((), "keys of which a client must send one", secret=True, flag=True)
    keys: File | None = _server(
        None, "a TOML file of client keys, each with its limits; `optillm key NAME` makes a key for it"
    )
    store: StoreLocation | None = _server(
        None,
        "where the use of keys is counted: a file, by default counters.sqlite3 among the user's state, "
        "or redis://host:port/number for several machines",
    )
    insecure: bool = _server(False, "allow other than loopback addresses without a key")
    allowed_hosts: Names = _server(
        (), "other names than local ones that a server without a key, on a loopback address, answers to"
    )
    cors_origins: Origins = _server(
        (), "origins of web pages that may use this server; with a key also *, for all of them"
    )
    trusted_proxies: Networks = _server(
        (), "addresses of reverse proxies whose X-Forwarded-For tells where a wrong key came from"
    )
    max_body_mb: int = _server(32, "the largest request body, in megabytes", ge=1, le=1024)
    header_timeout: float = _server(
        10.0, "seconds a client has to send the headers of a request", gt=0, le=3600
    )
    body_timeout: float = _server(
        30.0, "seconds a client has to send a body, and one more for each 64 KiB that came", gt=0, le=3600
    )
    idle_timeout: int = _server(75, "seconds a connection is kept between two requests", ge=1, le=3600)
    grace: float = _server(30.0, "seconds that running requests get to finish on SIGTERM", ge=0, le=3600)

    base_url: Url | None = _upstream(
        None, "the OpenAI-compatible API to call, if not OpenAI's", env="OPENAI_BASE_URL"
    )
    openai_api_key: Key | None = _upstream(
        None, "the upstream key; unset passes the client's through", secret=True, env="OPENAI_API_KEY"
    )
    azure_openai_api_key: Key | None = _upstream(
        None, "the key of an Azure OpenAI resource", secret=True, env="AZURE_OPENAI_API_KEY"
    )
    azure_api_base: Url | None = _upstream(
        None, "the endpoint of an Azure OpenAI resource", env="AZURE_API_BASE"
    )
    azure_api_version: str | None = _upstream(None, "its API version", env="AZURE_API_VERSION")
    cerebras_api_key: Key | None = _upstream(None, "the key of Cerebras", secret=True, env="CEREBRAS_API_KEY")
    upstream: Upstreams = _upstream(
        (), "the tables `[[upstream]]`: several upstreams in place of the one above", secret=True
    )
    ssl_verify: bool = _upstream(True, "check the upstream's certificate")
    ssl_cert_path: File | None = _upstream(None, "a file of certificates to trust instead of the usual ones")
    upstream_headers: Headers = _upstream({}, "headers to add to every upstream call", secret=True)
    connect_timeout: float = _upstream(10.0, "seconds an upstream has to accept a connection", gt=0, le=600)
    upstream_concurrency: int = _upstream(
        256, "calls in flight at a time, per upstream and worker", ge=1, le=10_000
    )
    upstream_retries: int = _upstream(
        3, "how often a call that fails for a passing reason, or stays silent, is repeated", ge=0, le=10
    )
    upstream_streams: Streams = _upstream(
        "auto", "request replies as streams and put them together; auto: from servers on a private network"
    )
    instructions: Instructions = _upstream(
        "after",
        "where a technique's instruction goes: after the client's last message, before it in the same turn (for small "
        "models), or in the system turn; or a table of these by model-name pattern",
    )
    reply_memory_mb: int = _upstream(
        256,
        "megabytes that large replies, beyond their first, may take in a worker; one request half of that",
        ge=64,
        le=1_048_576,
    )
    demo: Demo = _upstream("off", "use the embedded demo model; auto: when no upstream is configured")
    demo_latency: float = _upstream(0.0, "seconds the demo model takes for a reply", ge=0, le=60)
    local: GgufFile | None = _upstream(
        None, "a GGUF file to use as the upstream: llama.cpp's llama-server is started to serve it"
    )
    local_slots: int = _upstream(8, "calls that the server of --local runs at a time", ge=1, le=256)
    local_context: int = _upstream(4096, "tokens that prompt and reply of each may have together", ge=256)

    approach: str = _technique(
        "auto", "a technique expression; auto reads it from the model name", min_length=1
    )
    model: str = _technique("gpt-4o-mini", "the model to advertise and to fall back on", min_length=1)
    n: int = _technique(1, "choices per reply when a request does not say", ge=1, le=128)
    return_full_response: bool = _technique(
        False, "show the reasoning of a technique together with its answer"
    )
    user_tags: bool = _technique(False, "read <optillm_approach> tags in user messages, too")
    advertise: Names | None = _technique(None, "techniques to list among the models, or none; all if unset")
    timeout: float = _technique(600.0, "seconds until a request gets its best answer so far", ge=1, le=86_400)
    max_calls: int = _technique(128, "upstream calls one request may make", ge=1, le=100_000)
    max_tokens_per_request: int | None = _technique(None, "tokens all calls of a request may use", ge=1)
    max_cost_per_request: float | None = _technique(
        None,
        "US dollars all calls of a request may cost; models of unknown price are then refused",
        gt=0,
        le=1e9,
    )
    prices: File | None = _technique(
        None, "a TOML file of model prices in US dollars per million tokens, instead of the built-in ones"
    )
    cache: StoreLocation | None = _technique(
        None, "where to keep upstream replies for equal calls: a file, or a Redis URL; nowhere if unset"
    )
    cache_seconds: float = _technique(86_400.0, "how long a reply is kept", gt=0, le=31_536_000)
    cache_mb: int = _technique(1024, "the size of a file of replies, in megabytes", ge=1, le=1_048_576)
    cache_shared: bool = _technique(
        False, "let all client keys share cached replies; by default each key gets only its own"
    )
    keep_alive: float = _technique(
        10.0, "seconds of silence before a stream's comment; 0: never", ge=0, le=3600
    )
    progress: ProgressStyle = _technique("comments", "how a stream shows what a technique is doing")
    merge: MergeRule = _technique(
        "select", "what comes of parallel branches: the best answer, one choice each, or the first settled"
    )
    verdicts: VerdictStyle = _technique(
        "auto",
        "how judges give verdicts: reasons first, or directly; auto: directly once reasoned ones are unreadable",
    )
    solver_sandbox: SandboxLevel = _technique(
        "full", "language-only admits solver programs without a kernel wall; on a developer's loopback only"
    )
    background_bypass: bool = _technique(
        True, "one plain call for the titles, tags and the like that chat frontends ask for by themselves"
    )
    background_model: str | None = _technique(None, "the model for those; by default the request's own")
    respect_temperature: bool = _technique(False, "sample at the client's temperature even when it is low")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        return init_settings, Environment(settings_cls), TomlFile(settings_cls)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not (self.wants_key or self.insecure or is_loopback(self.host)):
            raise ValueError(
                f"host {self.host} is open to other machines: set OPTILLM_API_KEY or --keys, "
                "or --insecure to serve without a key"
            )
        if "*" in self.cors_origins and not self.wants_key:
            raise ValueError("cors_origins * would let every web page in: ask for keys, or name origins")
        if self.solver_sandbox == "language-only" and not is_loopback(self.host):
            raise ValueError("solver_sandbox language-only is for loopback addresses")
        if self.local and self.demo == "on":
            raise ValueError("local and demo exclude each other: keep one")
        if self.upstream:
            if self.base_url:
                raise ValueError(
                    "[[upstream]] and base_url (or OPENAI_BASE_URL) exclude each other: keep one"
                )
        elif self._azure and not (self.azure_api_base and self.azure_api_version):
            raise ValueError("Azure OpenAI needs both AZURE_API_BASE and AZURE_API_VERSION")
        return self

    @property
    def wants_key(self) -> bool:
        """Return whether a client has to send a key."""
        return bool(self.optillm_api_key or self.keys)

    @property
    def keeps_trace_content(self) -> bool:
        """Return whether traces hold what clients and models write.

        Unless the operator says, they do where that stays on the user's own machine.
        """
        if "trace_content" in self.model_fields_set:
            return self.trace_content
        return is_loopback(self.host) and not self.keys

    @cached_property
    def client_keys(self) -> ClientKeys:
        """Return the keys that open the server; a keys file is read once.

        Raises `ValueError`, one line, if the file is broken.
        """
        own = [key.get_secret_value() for key in self.optillm_api_key]
        return load_keys(self.keys, own, self.option_models) if self.keys else own_keys(own)

    @cached_property
    def price_table(self) -> Prices:
        """Return the models' prices; the file is read once.

        Raises `ValueError`, one line, if the file is broken.
        """
        return load_prices(self.prices)

    @cached_property
    def trusted(self) -> ssl.SSLContext | bool:
        """Return what upstreams' certificates are checked against, read once.

        That is `False` if they are not checked. Raises `ValueError`, one line, if `ssl_cert_path` holds no certificate.
        """
        if not self.ssl_verify:
            return False
        try:
            return ssl.create_default_context(cafile=self.ssl_cert_path)
        except ssl.SSLError as error:
            raise ValueError(f"{self.ssl_cert_path} holds no readable certificate: {error.reason}") from None
        except OSError as error:
            raise ValueError(f"{self.ssl_cert_path}: {error.strerror or error}") from None

    @property
    def counters(self) -> str:
        """Return the path or URL of the store that counts the keys' usage.

        Raises `ValueError` if there is no place for it.
        """
        return self.store or str(state_directory() / "counters.sqlite3")

    @property
    def upstream_configured(self) -> bool:
        """Return whether any setting says which upstream to use."""
        values = (
            self.base_url,
            self.openai_api_key,
            self.cerebras_api_key,
            self.azure_openai_api_key,
            self.azure_api_base,
            self.upstream,
            self.local,
        )
        return any(values)

    def upstreams(self) -> tuple[UpstreamTable, ...]:
        """Return the upstreams to call, first ones first.

        They are those of the tables, or one made of other settings. That one is an explicit base URL, else Cerebras,
        OpenAI or Azure by their keys. A vendor's key goes to that vendor only: with a base URL the OpenAI key is used,
        unless the URL is that of Cerebras.
        """
        if self.upstream:
            return tuple(sorted(self.upstream, key=lambda upstream: upstream.order))
        default_upstream = partial(UpstreamTable, name=DEFAULT)
        openai, cerebras = self.openai_api_key, self.cerebras_api_key
        if self.base_url and not (cerebras and self.base_url == CEREBRAS_URL):
            return (default_upstream(base_url=self.base_url, key=openai),)
        if cerebras:
            return (default_upstream(kind="cerebras", base_url=CEREBRAS_URL, key=cerebras),)
        if self.azure_api_base and self._azure:
            key, version = self.azure_openai_api_key, self.azure_api_version
            return (
                default_upstream(kind="azure", base_url=self.azure_api_base, key=key, api_version=version),
            )
        return (default_upstream(base_url=OPENAI_URL, key=openai),)

    @property
    def _azure(self) -> bool:
        others = self.base_url or self.cerebras_api_key or self.openai_api_key
        return not others and bool(self.azure_openai_api_key or self.azure_api_base)

    def technique_options(self, slug: str) -> dict[str, Any]:
        """Return the values of a technique's options by option name; empty for an unknown technique."""
        return {option: getattr(self, name) for option, name in self.option_fields.get(slug, {}).items()}

    def admits(self, slug: str) -> bool:
        """Return whether the operator admits what a technique declares that it needs.

        That is `False` if it needs nothing.
        """
        return slug in self.needs_fields and getattr(self, self.needs_fields[slug])

    def secrets(self) -> tuple[str, ...]:
        """Return every text that must not appear in a log."""
        keys = self.openai_api_key, self.azure_openai_api_key, self.cerebras_api_key, *self.optillm_api_key
        locations = self.base_url, self.azure_api_base, self.cache, self.store
        urls = [urlsplit(url) for url in locations if url]
        passwords = [url.password or url.username for url in urls]
        in_tables = [secret for upstream in self.upstream for secret in upstream.secrets()]
        return tuple(
            filter(None, (*map(_plain, keys), *self.upstream_headers.values(), *passwords, *in_tables))
        )

    def public(self) -> dict[str, Any]:
        """Return all settings and values, fit for a log: secrets as `[set]`, unset ones as `None`."""
        shown = {name: getattr(self, name) for name in type(self).model_fields}
        for setting in setting_specs(type(self)).values():
            value = shown[setting.name]
            if setting.secret:
                shown[setting.name] = "[set]" if value else None
            elif isinstance(value, str):
                shown[setting.name] = masked(value)
        return shown

    def changed(self) -> dict[str, Any]:
        """Return the `public` form of the settings that differ from their defaults."""
        fields = type(self).model_fields
        defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
        return {name: value for name, value in self.public().items() if getattr(self, name) != defaults[name]}

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        return self.public().items()


def load(model: type[S], flags: Mapping[str, Any]) -> S:
    """Return the settings from all four sources.

    `flags` holds the raw values of the command line. Raises `SettingsError`, one line about everything that is wrong.
    """
    try:
        settings = model(**flags)
    except ValidationError as error:
        raise SettingsError(explain_settings(error, model, flags)) from None
    for name, attribute in FILE_SETTINGS.items():
        try:
            getattr(settings, attribute)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from None
    if settings.cache and "://" in settings.cache and find_spec("redis") is None:
        raise SettingsError(f"cache: Redis {REDIS_MISSING}")
    for slug in settings.advertise or ():
        if slug not in model.option_models:
            raise SettingsError(
                f"advertise names an unknown technique `{slug}`{nearest(slug, model.option_models)}"
            )
    for slug, options in model.option_models.items():
        try:
            options(**settings.technique_options(slug))  # rules that join several options
        except ValidationError as error:
            first = problems(error)[0]
            raise SettingsError(
                f"the options of {slug} do not agree: {first.reason or first.message}"
            ) from None
    return settings


def settings_model(techniques: Mapping[str, type[BaseModel]]) -> type[Settings]:
    """Return `Settings` with a field for each option of the techniques, given by slug.

    A technique with a need of the operator (`needs`) gets one more, `<slug>_<need>`, which admits it.
    An option's field is called `<slug>_<option>`, or what `json_schema_extra={"flag": …}` of the option says; then
    the longer name is accepted as well. Raises `TypeError` if two settings would share a name.
    """
    fields: dict[str, Any] = {}
    field_names: dict[str, dict[str, str]] = {}
    needs: dict[str, str] = {}
    names_in_use = {key for setting in setting_specs(Settings).values() for key in setting.keys}

    def take(slug: str, name: str, keys: list[str], field: tuple[Any, Any]) -> str:
        if not names_in_use.isdisjoint(keys):
            raise TypeError(f"option {name!r} of technique {slug!r} takes a name in use: {keys}")
        names_in_use.update(keys)
        fields[keys[0]] = field
        return keys[0]

    for slug, options in techniques.items():
        field_names[slug] = {}
        for option, declared in options.model_fields.items():
            keys = _option_keys(slug, option, declared)
            field_names[slug][option] = take(slug, option, keys, _option_field(slug, keys[1:], declared))
        if need := getattr(options, "needs", None):
            field = bool, declare(slug, False, NEEDS[need].format(slug=slug))
            needs[slug] = take(slug, need, [f"{slug}_{need}"], field)
    model: type[Settings] = create_model(
        "TechniqueSettings", __base__=Settings, __module__=__name__, **fields
    )
    model.option_fields, model.option_models, model.needs_fields = field_names, dict(techniques), needs
    return model


def _option_keys(slug: str, option: str, declared: FieldInfo) -> list[str]:
    extra = declared.json_schema_extra if isinstance(declared.json_schema_extra, dict) else {}
    return list(dict.fromkeys([str(extra.get("flag", f"{slug}_{option}")), f"{slug}_{option}"]))


def _option_field(slug: str, aliases: list[str], declared: FieldInfo) -> tuple[Any, Any]:
    kind: Any = declared.annotation
    for constraint in (*declared.metadata, *listed(declared.annotation)):
        kind = Annotated[kind, constraint]
    default = declared.get_default(call_default_factory=True)
    return kind, declare(slug, default, declared.description or "", aliases=aliases)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
