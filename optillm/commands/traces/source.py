"""Where traces are read: a running server, by its API, or the file that servers write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit

from optillm import logs
from optillm.commands.traces.terminal import safe
from optillm.config.sources import SettingsError
from optillm.config.values import is_loopback, masked
from optillm.errors import OptillmError

if TYPE_CHECKING:
    import httpx2

    from optillm.config.settings import Settings
    from optillm.observe.traces.database import DatabaseTraces

Document = dict[str, Any]
TIMEOUT: Final = 30.0
"""Seconds that a server has for a reply."""
PARAMETERS: Final = {"least_seconds": "min_seconds", "text": "q"}
"""The API's names of filters, where they are others than the store's."""
ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what listens everywhere
"""Where to reach a server that listens on all addresses."""


class NoServer(SettingsError):
    """No server answers at the address."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Summaries of traces, newest first; `more` says whether there are further ones."""

    data: list[Document]
    more: bool


class Source(Protocol):
    """Where traces are read; each method raises `SettingsError` with one line for the operator."""

    def page(self, filters: Mapping[str, Any], limit: int) -> Listing:
        """Return the newest traces that the filters let through."""

    def document(self, trace_id: str) -> Document:
        """Return one trace."""

    def delete(self, trace_id: str) -> None:
        """Delete one trace."""


class Server:
    """A running server, asked through its API with this key."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.removesuffix("/").removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def page(self, filters: Mapping[str, Any], limit: int) -> Listing:
        """Return the newest traces that the filters let through."""
        query = {PARAMETERS.get(name, name): value for name, value in filters.items()}
        listed = self._ask("GET", "/v1/traces", {**query, "limit": limit})
        return Listing(listed["data"], listed["has_more"])

    def document(self, trace_id: str) -> Document:
        """Return one trace."""
        return self._ask("GET", f"/v1/traces/{quote(trace_id, safe='')}")

    def delete(self, trace_id: str) -> None:
        """Delete one trace."""
        self._ask("DELETE", f"/v1/traces/{quote(trace_id, safe='')}")

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None = None) -> Document:
        import httpx2  # 0.1 s to import: every command's module is imported for the help

        # A proxy that the environment names is for other machines.
        direct = is_loopback(urlsplit(self._url).hostname or "")
        try:
            with httpx2.Client(trust_env=not direct, timeout=TIMEOUT, headers=self._headers) as client:
                response = client.request(method, self._url + path, params=query)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            reason = safe(error) or type(error).__name__
            raise NoServer(
                f"no server answers at {masked(self._url)} ({reason}): give another one with --server"
            ) from None
        return self._read(response)

    def _read(self, response: httpx2.Response) -> Document:
        try:
            content = response.json()
            error = content.get("error")
        except (ValueError, AttributeError):
            raise SettingsError(f"what answers at {masked(self._url)} is not an optillm server") from None
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            fault = "does not know this key" if self._headers else "requires a key"
            raise SettingsError(f"the server {fault}: set OPTILLM_API_KEY, or give --key")
        if response.is_error:
            message = error.get("message") if isinstance(error, dict) else None
            raise SettingsError(safe(message or f"the server replied with status {response.status_code}"))
        return dict(content)


class File:
    """The file of servers with these settings; whoever can read it may see all traces."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def page(self, filters: Mapping[str, Any], limit: int) -> Listing:
        """Return the newest traces that the filters let through."""
        from optillm.observe.traces.filters import Filters

        with self._opened() as store:
            page = store.page(Filters(**filters), None, limit, None)
        return Listing(page.data, page.next_cursor is not None)

    def document(self, trace_id: str) -> Document:
        """Return one trace."""
        with self._opened() as store:
            document = store.document(trace_id, None)
        if document is None:
            raise self._missing(trace_id)
        return document

    def delete(self, trace_id: str) -> None:
        """Delete one trace."""
        with self._opened() as store:
            deleted = store.delete(trace_id, None)
        if not deleted:
            raise self._missing(trace_id)

    def _missing(self, trace_id: str) -> SettingsError:
        return SettingsError(f"there is no trace {safe(trace_id)} in {self._settings.traces}")

    @contextmanager
    def _opened(self) -> Iterator[DatabaseTraces]:
        from optillm.observe.traces.database import DatabaseTraces

        settings, path = self._settings, self._settings.traces
        if not Path(path).exists():
            raise SettingsError(f"there is no {path} yet: no server with these settings has served a request")
        logs.configure(
            "error", settings.secrets()
        )  # what the store would warn of is this command's own error
        size = settings.traces_mb * 2**20
        store = DatabaseTraces(Path(path), size, settings.traces_days, content=settings.keeps_trace_content)
        try:
            yield store
        except OptillmError as error:
            raise SettingsError(f"{path} cannot be read: {safe(error.__cause__ or error)}") from None
        finally:
            store.close()


def address(settings: Settings) -> str:
    """Return the URL of the server that has these settings.

    Raises `SettingsError` if it has taken a port that only it knows.
    """
    if settings.port == 0:
        raise SettingsError("port is 0, so the server chose a free port: give its address with --server")
    host = ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
