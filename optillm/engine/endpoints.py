"""Requests to endpoints other than chat completions: find the model, and refuse a technique.

These requests are passed through byte for byte. One that names a technique is refused, since it would silently
become a plain call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from optillm.chat import CHAT, NONE, RawRequest
from optillm.engine.plan.planner import AUTO, Planner
from optillm.errors import InvalidRequest

LONGEST_NAME: Final = 256
"""The most characters of a model's name that is recorded."""

REFUSED: Final = frozenset({"/messages"})
"""Endpoints that refuse plain calls as well."""

_FORM_FIELD = re.compile(rb'name="?model"?\r\n\r\n([^\r\n]{1,%d})\r\n' % LONGEST_NAME)


def without_technique(request: RawRequest, planner: Planner) -> tuple[RawRequest, str]:
    """Return the request to pass through and the model it names, empty if there is none.

    `none-` in front of a model's name is removed, as in a chat request. Raises `InvalidRequest` for a technique.
    """
    body = _object(request)
    if body is None:
        _check_model(_model_in_form(request), request, planner)
        return request, ""
    _check_approach(body, request)
    model = body.get("model")
    if not isinstance(model, str) or len(model) > LONGEST_NAME:
        return request, ""
    plain = _check_model(model, request, planner)
    if plain != model:
        request = replace(request, content=orjson.dumps({**body, "model": plain}))
    return request, plain


def _object(request: RawRequest) -> Mapping[str, Any] | None:
    """Return the JSON object in the body, `None` if the body is not declared as JSON.

    A body that cannot name a model or a technique is not read, and counts as empty.
    """
    if not request.content_type.startswith("application/json"):
        return None
    if not any(name in request.content for name in (b'"model"', b'"optillm')):
        return {}
    try:
        body = orjson.loads(request.content)
    except orjson.JSONDecodeError:
        return {}  # left for the upstream to refuse
    return body if isinstance(body, dict) else {}


def _model_in_form(request: RawRequest) -> str:
    match = _FORM_FIELD.search(request.content)
    return match[1].decode("utf-8", "replace") if match else ""


def _check_approach(body: Mapping[str, Any], request: RawRequest) -> None:
    block = body.get("optillm")
    structured = block.get("approach") if isinstance(block, Mapping) else None
    for field, approach in (
        ("optillm_approach", body.get("optillm_approach")),
        ("optillm.approach", structured),
    ):
        if isinstance(approach, str) and approach.strip() not in ("", NONE, AUTO):
            raise _refusal(approach, request, field, "leave the field out")


def _check_model(model: str, request: RawRequest, planner: Planner) -> str:
    """Return the model's own name; raises `InvalidRequest` if a technique stands in front of it."""
    plan = planner.read(model)
    if plan.work is not None:
        raise _refusal(model, request, "model", f"write {plan.model!r}, the model alone,")
    return plan.model


def _refusal(named: str, request: RawRequest, field: str, remedy: str) -> InvalidRequest:
    endpoint = request.path.partition("?")[0]
    plain = "" if endpoint in REFUSED else f", or {remedy} for a plain call"
    return InvalidRequest(
        f"{named!r} asks for a technique, which /v1{endpoint} does not support: use /v1{CHAT}{plain}",
        param=field,
        code="technique_not_served",
    )
