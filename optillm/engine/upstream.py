"""The upstream: the only file that knows the openai package, its clients and its exceptions.

Calls go through the client's low-level `post`, so that bodies travel as they are and replies are read once;
the client still supplies keys, Azure's URLs, headers and error classes. Its own retries are off: retrying is
the engine's, inside the ledger.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx2
import openai
import orjson
from openai import AsyncAzureOpenAI, AsyncOpenAI, AsyncStream, DefaultAioHttpClient, Omit

from optillm.chat import Relay
from optillm.errors import UpstreamError

if TYPE_CHECKING:
    from optillm.config import Settings

RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
KEY: Final = re.compile(r"(?:sk|pk|gsk|csk|key|Bearer)[-_ ][A-Za-z0-9_\-*.]{8,}")
"""What looks like a credential in an error text: some vendors quote the key they refuse."""

FORWARDED: Final = ("retry-after", "x-should-retry", "openai-", "x-ratelimit-")


class Upstream(Protocol):
    """Where model calls go. Every method raises `UpstreamError` and nothing else of its own."""

    base_url: str

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One chat completion, parsed."""

    def stream(self, body: Mapping[str, Any], authorization: str | None) -> AsyncIterator[Mapping[str, Any]]:
        """The chunks of one streamed chat completion, parsed, without the final marker."""

    async def relay(
        self,
        method: str,
        path: str,
        content: bytes,
        *,
        authorization: str | None,
        content_type: str = "application/json",
        stream: bool = False,
    ) -> Relay:
        """One request passed on byte for byte; an error status is a reply like any other."""

    async def close(self) -> None:
        """Close all connections."""


class OpenAIUpstream:
    """An upstream behind the openai package's async client, one connection pool for the whole process."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client
        self.base_url = str(client.base_url).rstrip("/")

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One chat completion, parsed."""
        response = await self._completion(body, authorization, stream=False)
        return _object(response.content)

    async def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """The chunks of one streamed chat completion, parsed, without the final marker."""
        response = await self._completion({**body, "stream": True}, authorization, stream=True)
        try:
            async for line in _lines(response):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                chunk = _object(data)
                if chunk.get("error"):
                    raise UpstreamError(_message(chunk), upstream_body=chunk, retryable=True)
                yield chunk
        finally:
            await response.aclose()

    async def relay(
        self,
        method: str,
        path: str,
        content: bytes,
        *,
        authorization: str | None,
        content_type: str = "application/json",
        stream: bool = False,
    ) -> Relay:
        """One request passed on byte for byte; an error status is a reply like any other."""
        headers = {**self._headers(authorization), "Content-Type": content_type}
        try:
            if method == "GET":
                options: Any = {"headers": headers}
                response = await self.client.get(path, cast_to=httpx2.Response, options=options)
            else:
                response = await self._post(path, headers, stream=stream, content=content)
        except openai.APIStatusError as error:
            body = redacted(error.response.content)
            return Relay(error.response.status_code, _forwarded(error.response.headers), body)
        except openai.APIConnectionError as error:
            raise UpstreamError("the upstream cannot be reached", retryable=True) from error
        forwarded = _forwarded(response.headers)
        if stream:
            return Relay(response.status_code, forwarded, chunks=_bytes(response))
        return Relay(response.status_code, forwarded, response.content)

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()

    async def _completion(
        self, body: Mapping[str, Any], authorization: str | None, *, stream: bool
    ) -> httpx2.Response:
        headers = self._headers(authorization)
        try:
            return await self._post("/chat/completions", headers, stream=stream, body=dict(body))
        except openai.APIStatusError as error:
            raise _refused(error.response) from error
        except openai.APIConnectionError as error:
            raise UpstreamError("the upstream cannot be reached", retryable=True) from error

    async def _post(
        self, path: str, headers: Mapping[str, Any], *, stream: bool, **payload: Any
    ) -> httpx2.Response:
        """The response, its body unread when `stream` is set."""
        options: Any = {"headers": headers}
        post: Any = self.client.post
        response: httpx2.Response = await post(
            path,
            cast_to=httpx2.Response,
            options=options,
            stream=stream,
            stream_cls=AsyncStream[Any],
            **payload,
        )
        return response

    def _headers(self, authorization: str | None) -> dict[str, Any]:
        if authorization is not None:
            return {"Authorization": authorization}
        return {} if self.client.api_key else {"Authorization": Omit()}


async def _bytes(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except (httpx2.HTTPError, OSError) as error:
        raise UpstreamError("the upstream broke off its stream", retryable=True) from error
    finally:
        await response.aclose()


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The lines of a stream; only line feeds end them, as other separators may stand inside JSON strings."""
    rest = b""
    async with aclosing(_bytes(response)) as chunks:
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line


def redacted(content: bytes) -> bytes:
    """An upstream's error body without anything that looks like a key."""
    return KEY.sub("[redacted]", content.decode(errors="replace")).encode()


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UpstreamError("the upstream's reply is not JSON", retryable=True) from error
    if not isinstance(parsed, dict):
        raise UpstreamError("the upstream's reply is not a JSON object", retryable=True)
    return parsed


def _refused(response: httpx2.Response) -> UpstreamError:
    try:
        body = _object(redacted(response.content))
    except UpstreamError:
        body = {}
    return UpstreamError(
        _message(body) or f"the upstream answered with status {response.status_code}",
        status=response.status_code if response.status_code >= 400 else 502,
        upstream_body=body,
        retryable=response.status_code in RETRYABLE,
        retry_after=_seconds(response.headers),
        headers=_forwarded(response.headers, body=False),
    )


def _message(body: Mapping[str, Any]) -> str:
    error = body.get("error", body)
    message = error.get("message") if isinstance(error, Mapping) else error
    return message if isinstance(message, str) else ""


def _seconds(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * unit
        except (KeyError, ValueError):
            continue  # absent, or an HTTP date: the back-off serves as well
    return None


def _forwarded(headers: Mapping[str, str], *, body: bool = True) -> dict[str, str]:
    forwarded = {name: value for name, value in headers.items() if name.lower().startswith(FORWARDED)}
    if body and "content-type" in headers:
        forwarded["content-type"] = headers["content-type"]
    return forwarded


def connect(settings: Settings) -> OpenAIUpstream:
    """The upstream that the settings name; connections are opened when first needed, on the running loop."""
    trusted = ssl.create_default_context(cafile=settings.ssl_cert_path)
    http = DefaultAioHttpClient(
        verify=trusted if settings.ssl_verify else False,
        follow_redirects=False,  # a redirect must never carry the key elsewhere
        limits=httpx2.Limits(max_connections=settings.upstream_concurrency, keepalive_expiry=60),
        timeout=httpx2.Timeout(None, connect=settings.connect_timeout),
    )
    return OpenAIUpstream(_client(settings, http))


def _client(settings: Settings, http: httpx2.AsyncClient) -> AsyncOpenAI:
    target = settings.upstream()
    key = target.key or ""  # without one the client's own is passed through, or the upstream needs none
    common: Any = {
        "http_client": http,
        "max_retries": 0,
        "default_headers": settings.upstream_headers,
        "_enforce_credentials": False,
    }
    if target.kind == "azure":
        return AsyncAzureOpenAI(
            api_key=key, api_version=target.api_version, azure_endpoint=target.base_url, **common
        )
    client = AsyncOpenAI(api_key=key, base_url=target.base_url, **common)
    if not key:
        client.organization = client.project = None  # the operator's, out of place beside another's key
    return client
