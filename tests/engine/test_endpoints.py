"""Endpoints without techniques: a request that names one is refused, any other passes as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.chat import Grant, RawRequest
from optillm.engine.endpoints import without_technique
from optillm.engine.plan.planner import Planner
from optillm.errors import InvalidRequest
from optillm.techniques import registry

ENDPOINTS = [
    "/responses",
    "/completions",
    "/embeddings",
    "/messages",
    "/moderations?x=1",
    "/images/generations",
]


def request(path: str = "/responses", **body: Any) -> RawRequest:
    return RawRequest("POST", path, json.dumps(body).encode())


def planner(approach: str = "auto") -> Planner:
    return Planner(registry(), {}, approach)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "bon-gpt-4o"}, "model"),
        ({"model": "bon(n=3)&moa-org/gpt-4o"}, "model"),
        ({"model": "none|re2-gpt-4o"}, "model"),
        ({"model": "gpt-4o", "optillm_approach": "bon"}, "optillm_approach"),
        ({"model": "none-gpt-4o", "optillm": {"approach": "moa"}}, "optillm.approach"),
        ({"optillm_approach": "bon|moa"}, "optillm_approach"),
    ],
)
def test_a_refused_technique_names_the_endpoint_that_supports_it(
    path: str, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        without_technique(request(path, **body, input="Hi"), planner())
    assert (refused.value.status, refused.value.param) == (400, param)
    assert refused.value.code == "technique_not_served"
    assert "/v1/chat/completions" in refused.value.message
    assert f"/v1{path.partition('?')[0]} does not support" in refused.value.message


def test_the_refusal_names_the_model_that_may_be_written_instead() -> None:
    with pytest.raises(InvalidRequest, match="write 'gpt-4o', the model alone"):
        without_technique(request(model="bon-gpt-4o"), planner())


def test_no_plain_call_is_advised_where_there_is_none() -> None:
    for body in ({"model": "bon-gpt-4o"}, {"model": "gpt-4o", "optillm_approach": "bon"}):
        with pytest.raises(InvalidRequest, match=r"does not support: use /v1/chat/completions$"):
            without_technique(request("/messages?beta=true", **body), planner())
        with pytest.raises(InvalidRequest, match=r"for a plain call$"):
            without_technique(request("/responses", **body), planner())


@pytest.mark.parametrize(
    "model", ["gpt-4o", "text-embedding-3-small", "bonito-7b", "bon", "moat-x", "bon/moa-x", "x" * 300, ""]
)
def test_the_name_of_a_model_passes_byte_for_byte(model: str) -> None:
    sent = RawRequest("POST", "/embeddings", b'{ "input":"x",  "model": "%s" }' % model.encode())
    assert without_technique(sent, planner()) == (sent, model if len(model) <= 256 else "")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'"model"', b'{"model": 7}', b'{"model": null}', b"{}"]
)
def test_a_body_without_a_model_is_left_for_the_upstream_to_judge(content: bytes) -> None:
    sent = RawRequest("POST", "/embeddings", content)
    assert without_technique(sent, planner()) == (sent, "")


@pytest.mark.parametrize("approach", ["none", "auto", " none ", None, 7])
def test_an_approach_that_names_no_technique_is_allowed(approach: Any) -> None:
    sent = request(model="gpt-4o", optillm_approach=approach)
    assert without_technique(sent, planner()) == (sent, "gpt-4o")


@pytest.mark.parametrize("name", ["none-moa-embed", "none|none-moa-embed"])
def test_a_model_whose_own_name_begins_with_a_slug_is_reached_as_in_a_chat(name: str) -> None:
    passed, model = without_technique(request("/embeddings", model=name, input="x"), planner())
    assert model == "moa-embed"
    assert json.loads(passed.content) == {"model": "moa-embed", "input": "x"}


def test_a_form_that_names_a_technique_is_refused_too() -> None:
    kind = "multipart/form-data; boundary=x"
    form = '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n{}\r\n--x--\r\n'
    plain = RawRequest("POST", "/audio/transcriptions", form.format("whisper-1").encode(), kind)
    assert without_technique(plain, planner()) == (plain, "")
    with pytest.raises(InvalidRequest, match="whisper-1"):
        without_technique(
            RawRequest("POST", "/audio/transcriptions", form.format("bon-whisper-1").encode(), kind),
            planner(),
        )


def test_an_operators_approach_applies_to_chats_only_and_leaves_names_alone() -> None:
    sent = request(model="bon-x")
    assert without_technique(sent, planner("moa")) == (sent, "bon-x")


def test_a_key_that_must_use_a_technique_is_told_where_techniques_are() -> None:
    from tests.engine.test_engine import engine
    from tests.fakes import Wire, reply, run

    sent = RawRequest("POST", "/responses", b'{"model":"bon-m"}', grant=Grant("bob", plain=False))
    with pytest.raises(InvalidRequest, match="/v1/chat/completions"):
        run(engine(Wire(reply())).relay(sent))
