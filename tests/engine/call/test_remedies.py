"""What a refusal says, what is tried first, and what one client's refusal must not teach about others."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.engine.call.adaptation import Adaptation, Fit
from optillm.engine.call.negotiation import Negotiation
from optillm.engine.call.payload import ON_BEHALF, Payload
from optillm.engine.call.remedies import MOST, Refusal, fits, remedies
from optillm.errors import UpstreamError

USER = {"role": "user", "content": "q"}


def refusal(
    message: str, param: str | None = None, code: str | None = None, status: int = 400
) -> UpstreamError:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
    return UpstreamError(message, status=status, upstream_body=body)


def clients(**parameters: Any) -> Payload:
    return Payload("m", [USER], parameters)


def ours(instruction: str | None = None, /, **parameters: Any) -> Payload:
    return Payload("m", [USER], parameters, dict.fromkeys(parameters), instruction)


def bodies(payload: Payload, *errors: UpstreamError) -> list[dict[str, Any]]:
    """The forms of a payload that are tried while these errors come back, the last one over and over."""
    negotiation, forms = Negotiation(payload, Adaptation()), []
    left = list(errors)
    while negotiation.goes_on(left.pop(0) if len(left) > 1 else left[0]):
        forms.append(negotiation.body)
    return forms


def missing(payload: Payload, *errors: UpstreamError) -> list[set[str]]:
    return [payload.parameters.keys() - body.keys() for body in bodies(payload, *errors)]


# What a refusal says.


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Not here", "param": "seed"}},
        [{"error": {"message": "Not here", "details": [{"field": "seed"}]}}],
        {"detail": [{"loc": ["body", "seed"], "msg": "Not here", "input": "temperature"}]},
        {"errors": [{"title": "Not here", "parameter": "seed"}]},
        {"object": "error", "message": "Not here", "param": "seed", "code": 400},
    ],
)
def test_names_from_fields_of_the_body_come_first(body: Any) -> None:
    read = Refusal.read(UpstreamError("no", status=400, upstream_body=body))
    assert read.names.index("seed") < read.names.index("here")
    assert "temperature" not in read.words  # what the server quotes of the request


@pytest.mark.parametrize(
    "body", [None, {}, [], "plain", {"detail": "seed is bad"}, {"error": "seed is bad"}, [None, 3, [["x"]]]]
)
def test_odd_error_bodies_are_read_as_far_as_they_go(body: Any) -> None:
    read = Refusal.read(UpstreamError("seed is bad", status=400, upstream_body=body))
    assert "seed" in read.names


def test_a_body_that_never_ends_is_read_no_further_than_needed() -> None:
    body: Any = "deep"
    for _ in range(5000):
        body = {"error": body}
    assert Refusal.read(UpstreamError("x" * 10**6, status=400, upstream_body=body)).names == ["x" * 4000]


# What is tried.


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("temperature is not for this model", "temperature"),
        ("'n' : number must be at most 1", "n"),
        ("Only one completion choice is allowed", "n"),
        ('Unknown name "n": Cannot find field.', "n"),
        ("stream_options: Extra inputs are not permitted", "stream_options"),
        ("include_usage?", "stream_options"),
        ("что-то не так", "n"),
    ],
)
def test_the_likeliest_cause_goes_first_then_one_thing_at_a_time_then_all(message: str, first: str) -> None:
    payload = ours(temperature=0.7, n=2, stream_options={"include_usage": True})
    tried = missing(payload, refusal(message))
    assert tried[0] == {first}
    assert sorted(map(len, tried)) == [1, 1, 1, 3]
    assert tried[-1] == payload.parameters.keys()


@pytest.mark.parametrize(
    "message", ["only support stream mode", "stream: must be true", "not for non-streaming calls"]
)
def test_a_stream_is_tried_where_the_refusal_speaks_of_streams(message: str) -> None:
    assert bodies(clients(top_p=0.5), refusal(message))[0]["stream"] is True
    assert not any("stream" in body for body in bodies(ours(n=2), refusal("stream_options: forbidden")))


def test_an_instruction_is_tried_in_every_place() -> None:
    forms = [body["messages"] for body in bodies(ours("Think."), refusal("Unexpected role"))]
    assert forms == [
        [{"role": "user", "content": "q\n\nThink."}],
        [{"role": "system", "content": f"{ON_BEHALF}\n\nThink."}, USER],
    ]


def test_a_settled_complaint_stays_settled_while_the_next_is_searched() -> None:
    payload = ours(temperature=0.7, n=2)
    errors = [refusal("temperature, n: forbidden"), refusal("n: forbidden"), refusal("n: forbidden")]
    assert missing(payload, *errors) == [{"temperature"}, {"temperature", "n"}]


def test_the_number_of_tries_is_bounded() -> None:
    payload = ours("Think.", max_tokens=4096, temperature=0.1, **{f"p{number}": 1 for number in range(40)})
    forms = bodies(payload, refusal("max_tokens"))
    assert len(forms) <= MOST
    assert forms[-1].keys() == {"model", "messages"}


@pytest.mark.parametrize(
    "error",
    [
        refusal("The response was filtered due to our content management policy", "prompt", "content_filter"),
        refusal("Content Exists Risk"),
        refusal("Input data may contain inappropriate content.", code="data_inspection_failed"),
        refusal("Your prompt violates the terms of use"),
        refusal("The request was blocked: PROHIBITED_CONTENT"),
        refusal("系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301"),
        refusal(
            "The model `m` does not exist or you do not have access to it", code="model_not_found", status=404
        ),
        refusal("No endpoints found that support image input", status=404),
        refusal("This model's maximum context length is 4096 tokens", code="context_length_exceeded"),
        refusal("Incorrect API key provided"),
        refusal("You exceeded your current quota", code="insufficient_quota"),
    ],
)
def test_a_refusal_about_something_else_is_not_tried_again(error: UpstreamError) -> None:
    assert bodies(ours("Think.", temperature=0.7), error) == []


def test_a_question_put_twice_that_is_too_long_is_put_once() -> None:
    twice = Payload("m", [{"role": "user", "content": "q q"}], plainer=[USER])
    error = refusal("This model's maximum context length is 4096 tokens")
    assert [body["messages"] for body in bodies(twice, error)] == [[USER]]


# What the client sent.


def test_what_the_client_sent_is_kept_whatever_the_refusal_says() -> None:
    for message in ("no", "seed must be positive", "temperature: 0.7 is too hot", "参数不合法"):
        assert bodies(clients(seed=1, temperature=0.7, n_probs=3), refusal(message)) == []


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (refusal("Unsupported parameter: 'seed' is not supported with this model.", "seed"), "seed"),
        (refusal("Unrecognized request argument supplied: top_p"), "top_p"),
        (refusal("temperature: Extra inputs are not permitted", status=422), "temperature"),
        (refusal("Only the default is allowed here.", "temperature", "unsupported_value"), "temperature"),
    ],
)
def test_a_parameter_that_the_upstream_plainly_does_not_know_is_left_out_whoever_sent_it(
    error: UpstreamError, name: str
) -> None:
    assert missing(clients(**{name: 1}), error) == [{name}]
    (remedy, *_) = remedies(ours(**{name: 1}), Adaptation(), Refusal.read(error))
    assert name not in remedy.adaptation.body(clients(**{name: 1}))


def test_a_parameter_refused_in_combination_with_a_clients_is_not_unknown() -> None:
    payload = Payload("m", [USER], {"temperature": 0.7, "top_p": 0.5}, {"temperature": None})
    error = refusal("top_p and temperature together are not supported")
    (remedy, *_) = remedies(payload, Adaptation(), Refusal.read(error))
    assert "temperature" not in remedy.adaptation.body(payload)
    assert "temperature" in remedy.adaptation.body(clients(temperature=0.7))


@pytest.mark.parametrize(
    ("message", "name", "value"),
    [
        ("temperature must be between 0 and 2", "temperature", 1),
        ("temperature: 9 is not supported", "temperature", 9),
        ("top_p: 5 not allowed", "top_p", 5),
        ("seed: unexpected value", "seed", "abc"),
        ("top_logprobs: 50 is not supported, at most 20", "top_logprobs", 50),
        ("user: unsupported, too long", "user", "u" * 10_000),
        ("unknown keys in stream_options", "stream_options", {"x": 1}),
        ("n: 1000 is not supported", "n", 1000),
        ("max_tokens is too large: 9999. This model supports at most 2048.", "max_tokens", 9999),
    ],
)
def test_a_bad_value_of_one_client_teaches_nothing(message: str, name: str, value: Any) -> None:
    error = refusal(message, name, "unsupported_value" if "supported" in message else None)
    assert bodies(clients(**{name: value}), error if name != "max_tokens" else refusal(message)) == []


@pytest.mark.parametrize("name", ["tools", "response_format", "stop", "logit_bias"])
def test_never_drops_what_the_client_depends_on(name: str) -> None:
    error = refusal(f"'{name}' is not supported", name, "unsupported_parameter")
    assert bodies(clients(**{name: [1]}), error) == []


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")],
)
def test_uses_the_other_name_of_the_token_limit(sent: str, accepted: str) -> None:
    message = f"Unsupported parameter: '{sent}' is not supported with this model. Use '{accepted}' instead."
    error = refusal(message, sent, "unsupported_parameter")
    assert bodies(clients(**{sent: 5}), error) == [{"model": "m", "messages": [USER], accepted: 5}]
    assert bodies(ours(**{sent: 4096}), error)[0] == {"model": "m", "messages": [USER], accepted: 4096}


def test_joins_all_user_turns_for_a_model_that_insists_on_turns() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    error = refusal("Conversation roles must alternate user/assistant/user/assistant/...")
    (body,) = bodies(Payload("m", turns), error)
    assert body["messages"] == [{"role": "user", "content": "a\n\nb"}]
    assert bodies(Payload("m", turns), refusal("no")) == []


def test_words_that_an_upstream_quotes_from_a_request_teach_nothing_about_others() -> None:
    """Refused is `user` alone, whose value names other parameters; each is tried, and only what helped is kept."""
    payload = clients(user="unknown temperature seed top_p", temperature=0.5, top_p=0.5, seed=3)
    error = refusal("Not supported: 'unknown temperature seed top_p' is what you sent as user")
    assert missing(payload, error) == [{"temperature"}, {"seed"}, {"top_p"}, {"user"}]


def test_a_parameter_named_in_a_field_goes_first() -> None:
    error = refusal("Unrecognized: temperature and seed", "seed")
    assert missing(clients(temperature=1, seed=1), error)[0] == {"seed"}


# Token limits.

VLLM = (
    "This model's maximum context length is 4096 tokens. However, you requested 4400 tokens (304 in the messages, "
    "4096 in the completion). Please reduce the length of the messages or completion."
)


@pytest.mark.parametrize(
    ("message", "first"),
    [
        (VLLM, Fit(3792, 4096)),
        (
            "This model's maximum context length is 8,192 tokens. However, you requested 10,096 tokens (6,000 in "
            "the messages, 4,096 in the completion).",
            Fit(2192, 8192),
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 "
            "tokens and your request has 304 input tokens (4096 > 4096 - 304).",
            Fit(3792, 4096),
        ),
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 304 `inputs` tokens "
            "and 4096 `max_new_tokens`",
            Fit(1744, 2048),
        ),
        ("窗口为4096，请求4400（消息304，回答4096）", Fit(3792, 4096)),
        (
            "max_tokens is too large: 4096. This model supports at most 2048 completion tokens, whereas you provided "
            "4096.",
            Fit(2048),
        ),
        ("max_tokens: 4096 > 1000, which is the maximum allowed number of output tokens", Fit(1000)),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 2000]", Fit(2000)),
        ("`max_tokens` must be less than or equal to `2048`, the maximum value for it", Fit(2048)),
        ("El máximo es 1000, no 4096.", Fit(1000, guessed=True)),
        ("Error 400 in llama-3-8b-1024: too much", Fit(2048, guessed=True)),
        ("too much", Fit(2048, guessed=True)),
    ],
)
def test_a_limit_is_read_from_numbers_or_halved(message: str, first: Fit) -> None:
    read = Refusal.read(refusal(message))
    assert fits(read, 4096, 290)[0] == first


def test_a_prompt_that_fills_the_window_leaves_nothing_to_try() -> None:
    message = "maximum context length is 4096 tokens, you requested 9196 (5100 in the messages, 4096 in the completion)"
    assert fits(Refusal.read(refusal(message)), 4096, 4000) == []


def test_a_limit_that_was_misread_is_halved() -> None:
    payload = ours(max_tokens=4096)
    limits = [body.get("max_tokens") for body in bodies(payload, refusal("at most 3000 tokens"))]
    assert limits[:5] == [3000, 2048, 1024, 512, 256]
