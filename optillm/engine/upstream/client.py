"""The upstream: the only file that knows the openai package.

The package's client addresses the envelopes: keys, Azure's URLs, the operator's headers, what the environment
adds. It does so once for each kind of call; the letters themselves are bytes, and travel without it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx2
import orjson
from aiohttp import ClientResponse
from multidict import CIMultiDict
from openai import AsyncAzureOpenAI, AsyncOpenAI, Omit
from yarl import URL

from optillm.chat import CHAT, RawRequest, Relay
from optillm.engine.memory import Memory
from optillm.engine.upstream.decoding import read_chunks, read_completion, read_object
from optillm.engine.upstream.errors import LARGEST_ERROR, Redact, forwarded, redacted, refused
from optillm.engine.upstream.http import Address, Exchange, Response, beginning, events, unpacked, whole
from optillm.engine.upstream.replies import DONE
from optillm.engine.upstream.url_advice import advised
from optillm.errors import UpstreamError
from optillm.logs import redaction
from optillm.toolkit.bounded import BoundedMap

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.config.upstreams import UpstreamTable as Target

WHOLE: Final = 2**20
"""Bytes up to which a relayed reply is passed on in one piece, its length known; a longer one as it comes."""
ADDRESSES: Final = 256
"""The most addresses that are remembered, one for each kind of call."""
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

_PUBLIC = ("accept", "content-", "user-agent", "x-stainless-")
"""Headers that hold no secret; any other, the operator's own among them, may."""
_WRITTEN_ANEW = ("host", "connection", "content-length", "content-type", "accept-encoding")


class Upstream(Protocol):
    """Where model calls go. Every method raises `UpstreamError` and nothing else of its own."""

    base_url: str

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One chat completion, parsed."""

    def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield the chunks of one streamed completion, parsed, and `DONE` where it says it ended."""

    async def relay(self, request: RawRequest) -> Relay:
        """One request passed on byte for byte; an error status is a reply like any other."""

    async def close(self) -> None:
        """Close all connections."""


class OpenAIUpstream:
    """An upstream that `client` knows how to address.

    All share one connection pool for the whole process.
    """

    def __init__(self, client: AsyncOpenAI, exchange: Exchange) -> None:
        self.client = client
        self.base_url = str(client.base_url).rstrip("/")
        self._exchange = exchange
        self._addresses = BoundedMap[tuple[str, ...], Address](ADDRESSES)

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One chat completion, parsed; put together when it comes as a stream, asked for or not."""
        address = await self._address("POST", CHAT, authorization, str(body.get("model")), JSON)
        sent = orjson.dumps({"stream": False, **body})  # some servers stream unless they are told not to
        async with self._exchange.send("POST", address, sent) as response:
            await _check(response, address)
            content = await whole(response)
        return read_completion(content, _redact(address))

    async def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield the chunks of one streamed completion, parsed, and `DONE` where it says it ended."""
        address = await self._address("POST", CHAT, authorization, str(body.get("model")), JSON)
        content = orjson.dumps({**body, "stream": True})
        redact = _redact(address)
        async with self._exchange.send("POST", address, content) as response:
            await _check(response, address)
            async with aclosing(events(response)) as arriving:
                async for event in arriving:
                    for chunk in read_chunks(event, redact):
                        yield chunk
                        if chunk is DONE:
                            return

    async def relay(self, request: RawRequest) -> Relay:
        """One request passed on byte for byte; an error status is a reply like any other."""
        address = await self._address(
            *(request.method, request.path, request.authorization),
            *(self._deployment(request), request.content_type),
        )
        async with AsyncExitStack() as sending:
            body = None if request.method == "GET" else request.content
            response = await sending.enter_async_context(self._exchange.send(request.method, address, body))
            if not (
                200 <= response.status < 300 or 400 <= response.status < 600
            ):  # nothing that can be passed on
                await _check(response, address)
            headers = forwarded(response.headers)
            if "Content-Type" in response.headers:
                headers["content-type"] = response.headers["Content-Type"]
            if response.status >= HTTPStatus.BAD_REQUEST:
                content, ended = await beginning(response, LARGEST_ERROR)
                content = _redact(address)(content)
                refusal = refused(response.status, response.headers, content, bytes)
                explained = advised(refusal, address.url)
                if explained is not refusal or not ended:
                    return Relay(
                        response.status, headers | {"content-type": JSON}, orjson.dumps(explained.body())
                    )
                return Relay(response.status, headers, content)
            stream = request.stream or response.content_type == EVENTS
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
        return Address(
            URL(url, encoded=True).with_user(None), headers
        )  # credentials of a URL are among the headers

    def _credentials(self, authorization: str | None) -> dict[str, Any]:
        if authorization is not None:
            return {"Authorization": authorization}
        return {} if self.client.api_key else {"Authorization": Omit()}

    @property
    def _by_deployment(self) -> bool:
        """Whether the model is part of the address."""
        return isinstance(self.client, AsyncAzureOpenAI)

    def _deployment(self, request: RawRequest) -> str:
        if not self._by_deployment or not request.content_type.startswith(JSON):
            return ""
        try:
            return str(read_object(request.content).get("model"))
        except UpstreamError:
            return ""


async def _passed_on(
    response: ClientResponse, first: bytes, sending: AsyncExitStack
) -> AsyncGenerator[bytes, None]:
    async with sending:
        if first:
            yield first
        async for part in unpacked(response):
            yield part


async def _check(response: Response, address: Address) -> None:
    if not 200 <= response.status < 300:
        content, _ = await beginning(response, LARGEST_ERROR)
        refusal = refused(response.status, response.headers, content, _redact(address))
        raise advised(refusal, address.url)


def _redact(address: Address) -> Redact:
    """Return a function that hides the credentials of a call, and whatever looks like a key."""

    def redact(content: bytes) -> bytes:
        headers = address.headers.items()
        secrets = {
            value.split()[-1]
            for name, value in headers
            if value.strip() and not name.lower().startswith(_PUBLIC)
        }
        return redacted(redaction(secrets)(content.decode(errors="replace")).encode())

    return redact


class _Envelopes(httpx2.AsyncBaseTransport):
    """Sends nothing: whoever asked reads the address off the request."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(HTTPStatus.NO_CONTENT, request=request)


def connect(settings: Settings, target: Target | None = None, memory: Memory | None = None) -> OpenAIUpstream:
    """One upstream of the settings, by default the first.

    Connections are opened when needed, on the running loop. `memory` is what its replies may take together with those
    of others.
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
