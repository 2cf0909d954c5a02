"""The upstream: the only file that knows the openai package.

The package's client addresses the envelopes: keys, Azure's URLs, the operator's headers, what the environment
adds. It does so once for each kind of call; the letters themselves are bytes, and travel without it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx2
import orjson
from aiohttp import ClientResponse
from multidict import CIMultiDict
from openai import AsyncAzureOpenAI, AsyncOpenAI, Omit
from yarl import URL

from optillm.chat import Relay
from optillm.engine.exchange import CHAT, Address, Exchange, beginning, lines, whole
from optillm.engine.memory import Memory
from optillm.engine.refusals import Redact, forwarded, message_of, redacted, refused
from optillm.errors import UpstreamError
from optillm.logs import redaction

if TYPE_CHECKING:
    from optillm.config import Settings
    from optillm.upstreams import Upstream as Target

WHOLE: Final = 2**20
"""Bytes up to which a relayed reply is passed on in one piece, its length known; a longer one as it comes."""
ADDRESSES: Final = 256
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

OK: Final = 200

_PUBLIC = ("accept", "content-", "user-agent", "x-stainless-")
"""Headers that hold no secret; any other, the operator's own among them, may."""
_WRITTEN_ANEW = ("host", "connection", "content-length", "content-type", "accept-encoding")


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
        content_type: str = JSON,
        stream: bool = False,
    ) -> Relay:
        """One request passed on byte for byte; an error status is a reply like any other."""

    async def close(self) -> None:
        """Close all connections."""


class OpenAIUpstream:
    """An upstream that `client` knows how to address, over one connection pool for the whole process."""

    def __init__(self, client: AsyncOpenAI, exchange: Exchange) -> None:
        self.client = client
        self.base_url = str(client.base_url).rstrip("/")
        self._exchange = exchange
        self._addresses: OrderedDict[tuple[str, ...], Address] = OrderedDict()

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One chat completion, parsed."""
        address = await self._address("POST", CHAT, authorization, str(body.get("model")), JSON)
        async with self._exchange.send("POST", address, orjson.dumps(body)) as response:
            content = await whole(response)
            _check(response, content, address)
        return _object(content)

    async def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """The chunks of one streamed chat completion, parsed, without the final marker."""
        address = await self._address("POST", CHAT, authorization, str(body.get("model")), JSON)
        content = orjson.dumps({**body, "stream": True})
        async with self._exchange.send("POST", address, content) as response:
            if response.status != OK:
                _check(response, await whole(response), address)
            async with aclosing(lines(response)) as arriving:
                async for line in arriving:
                    if not line.startswith(b"data:"):
                        continue
                    data = line[5:].strip()
                    if data == b"[DONE]":
                        return
                    chunk = _object(data)
                    if chunk.get("error"):
                        chunk = _object(_redact(address)(data))
                        raise UpstreamError(message_of(chunk), upstream_body=chunk, retryable=True)
                    yield chunk

    async def relay(
        self,
        method: str,
        path: str,
        content: bytes,
        *,
        authorization: str | None,
        content_type: str = JSON,
        stream: bool = False,
    ) -> Relay:
        """One request passed on byte for byte; an error status is a reply like any other."""
        model = self._deployment(content, content_type)
        address = await self._address(method, path, authorization, model, content_type)
        async with AsyncExitStack() as sending:
            body = None if method == "GET" else content
            response = await sending.enter_async_context(self._exchange.send(method, address, body))
            if not (
                200 <= response.status < 300 or 400 <= response.status < 600
            ):  # nothing that can be passed on
                _check(response, b"", address)
            headers = forwarded(response.headers)
            if "Content-Type" in response.headers:
                headers["content-type"] = response.headers["Content-Type"]
            if response.status >= 400:
                return Relay(response.status, headers, _redact(address)(await whole(response)))
            stream = stream or response.content_type == EVENTS
            first, ended = (b"", False) if stream else await beginning(response, WHOLE)
            if ended:
                return Relay(response.status, headers, first)
            return Relay(response.status, headers, chunks=_passed_on(response, first, sending.pop_all()))

    async def close(self) -> None:
        """Close all connections."""
        await self._exchange.close()
        await self.client.close()

    async def _address(
        self, method: str, path: str, authorization: str | None, model: str, content_type: str
    ) -> Address:
        key = (method, path, authorization or "", model if self._by_deployment else "", content_type)
        address = self._addresses.get(key)
        if address is None:
            address = self._addresses[key] = await self._composed(
                method, path, authorization, model, content_type
            )
            while len(self._addresses) > ADDRESSES:
                self._addresses.popitem(last=False)
        return address

    async def _composed(
        self, method: str, path: str, authorization: str | None, model: str, content_type: str
    ) -> Address:
        """Have the client write the request, and keep its address."""
        options: Any = {"headers": self._credentials(authorization)}
        path, _, query = path.partition("?")  # which would hide from the client what kind of call it is
        if method == "GET":
            response = await self.client.get(path, cast_to=httpx2.Response, options=options)
        else:
            letter = {"model": model} if model else {}
            response = await self.client.post(path, cast_to=httpx2.Response, body=letter, options=options)
        request = response.request
        headers = CIMultiDict(request.headers.multi_items())
        for name in _WRITTEN_ANEW:
            headers.popall(name, None)
        headers["Accept-Encoding"] = "identity"  # a packed stream arrives in lumps
        if method != "GET":
            headers["Content-Type"] = content_type
        url = str(request.url)
        if query:
            url += ("&" if "?" in url else "?") + query
        return Address(URL(url, encoded=True), headers)

    def _credentials(self, authorization: str | None) -> dict[str, Any]:
        if authorization is not None:
            return {"Authorization": authorization}
        return {} if self.client.api_key else {"Authorization": Omit()}

    @property
    def _by_deployment(self) -> bool:
        """Whether the model is part of the address."""
        return isinstance(self.client, AsyncAzureOpenAI)

    def _deployment(self, content: bytes, content_type: str) -> str:
        if not self._by_deployment or not content_type.startswith(JSON):
            return ""
        try:
            return str(_object(content).get("model"))
        except UpstreamError:
            return ""


async def _passed_on(
    response: ClientResponse, first: bytes, sending: AsyncExitStack
) -> AsyncGenerator[bytes, None]:
    async with sending:
        if first:
            yield first
        async for part in response.content.iter_any():
            yield part


def _check(response: ClientResponse, content: bytes, address: Address) -> None:
    if not 200 <= response.status < 300:
        raise refused(response.status, response.headers, content, _redact(address))


def _redact(address: Address) -> Redact:
    """What takes the credentials sent with a call, and whatever else looks like a key, out of its reply."""
    headers = address.headers.items()
    secrets = {
        value.split()[-1] for name, value in headers if value.strip() and not name.lower().startswith(_PUBLIC)
    }
    exact = redaction(secrets)
    return lambda content: redacted(exact(content.decode(errors="replace")).encode())


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        parsed = _leniently(content)
    if not isinstance(parsed, dict):
        raise UpstreamError("the upstream's reply is not a JSON object", retryable=True)
    return parsed


def _leniently(content: bytes) -> Any:
    """JSON as some servers write it: half of a cut emoji, an infinite log probability, a byte order mark."""
    try:
        parsed = json.loads(content.decode("utf-8-sig", errors="replace"))
        return json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise UpstreamError("the upstream's reply is not JSON", retryable=True) from error


class _Envelopes(httpx2.AsyncBaseTransport):
    """Sends nothing: whoever asked reads the address off the request."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(204, request=request)


def connect(settings: Settings, target: Target | None = None, memory: Memory | None = None) -> OpenAIUpstream:
    """One upstream of the settings, by default the first; connections are opened when needed, on the running loop.

    `memory` is what its replies may take together with those of others.
    """
    target = target or settings.upstreams()[0]
    client = _client(settings, target)
    exchange = Exchange(
        str(client.base_url), settings.trusted, settings.connect_timeout, target.timeout, memory
    )
    return OpenAIUpstream(client, exchange)


def _client(settings: Settings, target: Target) -> AsyncOpenAI:
    key = target.secret or ""  # without one the client's own is passed through, or the upstream needs none
    headers = {**settings.upstream_headers, **target.headers}
    common: Any = {
        "http_client": httpx2.AsyncClient(transport=_Envelopes(), timeout=None),
        "max_retries": 0,
        "default_headers": headers,
        "_enforce_credentials": False,
    }
    client: AsyncOpenAI
    if target.kind == "azure":
        client = AsyncAzureOpenAI(
            api_key=key, api_version=target.api_version, azure_endpoint=target.base_url, **common
        )
    else:
        client = AsyncOpenAI(api_key=key, base_url=target.base_url, **common)
    if settings.upstream:
        client._custom_headers = (
            headers  # which the package has joined to those the environment has for OpenAI
        )
    if settings.upstream or (target.kind != "azure" and not key):
        client.organization = client.project = (
            None  # the operator's, out of place elsewhere or beside another's key
        )
    return client
