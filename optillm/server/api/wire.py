"""Turn JSON into a `ChatRequest`, checked here once, and a `Completion` into JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from optillm.chat import ChatRequest, Completion, Reply
from optillm.errors import InvalidRequest
from optillm.server.api.checks import check_chat
from optillm.server.api.fields import NOTHING, take_extension
from optillm.server.api.tags import cut_tags

if TYPE_CHECKING:
    from optillm.config.settings import Settings

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 200_000
"""Values in one body: each costs time in which nobody else is served, however few bytes it takes."""
_TOO_MANY: Final = f"The body holds more than {MAX_VALUES} values"
DIGITS: Final = 20  # of an integer of 64 bits, or a sign and one less
_TOO_LARGE: Final = object()
_LONG = re.compile(rb"[0-9]{%d}" % (DIGITS - 1))


def read_chat(
    content: bytes, settings: Settings, *, request_id: str = "", authorization: str | None = None
) -> ChatRequest:
    """Return the chat request in a body.

    Raises `InvalidRequest`, whose `param` names the field at fault. `raw` of the request is the body as it came, if
    nothing had to be added to it or taken out.
    """
    body = read_object(content)
    own = take_extension(body)
    filled = _fill(body, settings)
    check_chat(body)
    messages, tag = cut_tags(body["messages"], settings.user_tags)
    if not messages:
        raise InvalidRequest("messages must hold more than a tag", param="messages")
    untouched = own is NOTHING and not filled and messages is body["messages"]
    body["messages"] = messages
    return ChatRequest(
        body=body,
        approach=own.approach or tag,
        approach_field=own.approach_field if own.approach else "messages",
        options=own.options,
        budget=own.budget,
        progress=own.progress or settings.progress,
        merge=own.merge,
        trace=own.trace,
        request_id=request_id,
        authorization=authorization,
        raw=content if untouched else None,
    )


def read_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, strictly read; raises `InvalidRequest`."""
    structure = _structure(content)
    if sum(map(structure.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise InvalidRequest(_TOO_MANY)
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object")
    # orjson takes the last of two equal keys; an upstream may take the first, and see another request than we.
    # And it makes a float of an integer that is too large, which would go upstream as another number.
    if _keys(body) != structure.count(b":") or _LONG.search(structure):
        json.loads(content, object_pairs_hook=_distinct, parse_int=_bounded)
    return body


def _structure(content: bytes) -> bytes:
    """Return what of a JSON text is outside its strings.

    No loop goes over millions of characters or values.
    """
    bare = content
    if b"\\" in content:
        bare = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * MAX_VALUES:
        raise InvalidRequest(_TOO_MANY)
    return b"".join(bare.split(b'"')[::2])


def _keys(body: dict[str, Any]) -> int:
    """Return how many keys all objects in a body have together.

    Raises `InvalidRequest` if it nests too deep.
    """
    level: list[Any] = [body]
    keys = 0
    for _ in range(MAX_DEPTH + 1):
        keys += sum(len(node) for node in level if type(node) is dict)
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return keys
    raise InvalidRequest(f"The body nests deeper than {MAX_DEPTH} levels")


def _bounded(digits: str) -> object:
    fits = len(digits) <= DIGITS and -(2**63) <= int(digits) < 2**64
    return None if fits else _TOO_LARGE


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        names: set[str] = set()
        twice = next(name for name, _ in pairs if name in names or names.add(name))  # type: ignore[func-returns-value]
        raise InvalidRequest(f"The key {twice!r} appears twice in one object", param=twice)
    for name, value in pairs:
        if _too_large(value):
            raise InvalidRequest(f"{name} is too large a number", param=name)


def _too_large(value: Any) -> bool:
    return value is _TOO_LARGE or (type(value) is list and any(map(_too_large, value)))


def _fill(body: dict[str, Any], settings: Settings) -> bool:
    """Fill in the server's defaults; return whether there was anything to fill in."""
    filled = False
    if body.get("model") is None:
        body["model"], filled = settings.model, True
    if settings.n > 1 and body.get("n") is None:
        body["n"], filled = settings.n, True
    return filled


def completion_json(completion: Completion) -> bytes:
    """Return the chat completion that a client gets, the `optillm` block included."""
    wire: dict[str, Any] = {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "choices": [_choice(index, reply) for index, reply in enumerate(completion.replies)],
    }
    if completion.usage is not None:
        wire["usage"] = completion.usage.wire()
    if completion.system_fingerprint is not None:
        wire["system_fingerprint"] = completion.system_fingerprint
    wire["optillm"] = completion.report.wire()
    return dumps(wire)


def finish_reason(reply: Reply) -> str:
    """Return why the reply ended; if the upstream did not say, what its content implies."""
    implied = "tool_calls" if reply.tool_calls else "function_call" if reply.actions else "stop"
    return reply.finish_reason or implied


def dumps(value: Any) -> bytes:
    """Return the engine's result as JSON: mappings are objects and sequences arrays."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _choice(index: int, reply: Reply) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", **reply.message},
        "logprobs": reply.logprobs,
        "finish_reason": finish_reason(reply),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
