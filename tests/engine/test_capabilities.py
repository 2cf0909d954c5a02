from typing import Any

import pytest

from optillm.engine.dialect import REMEMBERED, TTL, Dialect, Dialects, merge_turns
from optillm.errors import UpstreamError
from tests.fakes import failing


def refusal(
    message: str, param: str | None = None, code: str | None = None, status: int = 400
) -> UpstreamError:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
    return UpstreamError(message, status=status, upstream_body=body)


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "q"}], **fields}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (refusal("Unsupported parameter: 'seed' is not supported with this model.", "seed"), "seed"),
        (refusal("n > 1 is not supported"), "n"),
        (refusal("Unrecognized request argument supplied: top_p"), "top_p"),
        (refusal("temperature: Extra inputs are not permitted", status=422), "temperature"),
        (refusal("Only the default is allowed here.", "temperature", "unsupported_value"), "temperature"),
    ],
)
def test_drops_a_parameter_the_upstream_does_not_know(error: UpstreamError, name: str) -> None:
    dialect = Dialect(expires=0)
    sent = body(**{name: 1})
    taught = dialect.taught(error, sent)
    assert taught is not None
    assert name not in taught.adapt(sent)
    assert taught.taught(error, taught.adapt(sent)) is None
    assert dialect.adapt(sent) == sent  # nothing is kept before it has proved right
    dialect.adopt(taught, dialect)
    assert name not in dialect.adapt(sent)


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
    ],
)
def test_a_bad_value_of_one_client_teaches_nothing(message: str, name: str, value: Any) -> None:
    error = refusal(message, name, "unsupported_value" if "supported" in message else None)
    assert Dialect(expires=0).taught(error, body(**{name: value})) is None


@pytest.mark.parametrize("name", ["tools", "response_format", "stop", "messages"])
def test_never_drops_what_the_client_depends_on(name: str) -> None:
    dialect = Dialect(expires=0)
    error = refusal(f"'{name}' is not supported", name, "unsupported_parameter")
    assert dialect.taught(error, body() | {name: [1]}) is None


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")],
)
def test_uses_the_other_name_of_the_token_limit(sent: str, accepted: str) -> None:
    dialect = Dialect(expires=0)
    message = f"Unsupported parameter: '{sent}' is not supported with this model. Use '{accepted}' instead."
    taught = dialect.taught(refusal(message, sent, "unsupported_parameter"), body(**{sent: 5}))
    assert taught is not None
    assert taught.adapt(body(**{sent: 5})) == body(**{accepted: 5})


def test_joins_user_turns_for_a_model_that_insists_on_turns() -> None:
    dialect = Dialect(expires=0)
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    error = refusal("Conversation roles must alternate user/assistant/user/assistant/...")
    taught = dialect.taught(error, {"model": "m", "messages": turns})
    assert taught is not None
    assert taught.adapt({"model": "m", "messages": turns})["messages"] == [
        {"role": "user", "content": "a\n\nb"}
    ]
    assert taught.taught(error, body()) is None


def test_joined_turns_keep_their_parts_in_order() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    merged = merge_turns([{"role": "user", "content": [image]}, {"role": "user", "content": "b"}])
    assert merged == [{"role": "user", "content": [image, {"type": "text", "text": "b"}]}]


def test_other_failures_teach_nothing() -> None:
    assert Dialect(expires=0).taught(failing(500, "seed is not supported"), body(seed=1)) is None


def test_notices_whether_n_is_honoured() -> None:
    dialect = Dialect(expires=0)
    dialect.counted(1, 1)
    assert dialect.honours_n is None
    dialect.counted(3, 1)
    assert dialect.honours_n is False
    dialect.counted(2, 2)
    assert dialect.honours_n is True


def test_dialects_are_kept_per_model_for_an_hour_and_bounded() -> None:
    now = 0.0
    dialects = Dialects(lambda: now)
    known = dialects.of("u", "m")
    assert dialects.of("u", "m") is known
    assert dialects.of("u", "other") is not known
    now = TTL + 1
    assert dialects.of("u", "m") is not known
    oldest = dialects.of("u", "oldest")
    for number in range(REMEMBERED):
        dialects.of("u", str(number))
    assert dialects.of("u", "oldest") is not oldest


def test_words_that_an_upstream_quotes_from_a_request_teach_nothing_about_others() -> None:
    """Refused is `user` alone, whose value names other parameters; each is tried, and only what helped is kept."""
    known = spoken = before = Dialect(expires=0)
    quoted = "unknown temperature n seed top_p"
    sent = body(user=quoted, temperature=0.5, n=2, seed=3)
    for _ in range(9):
        adapted = spoken.adapt(sent)
        if "user" not in adapted:
            break
        taught = spoken.taught(refusal(f"Not supported: {quoted!r} is what you sent as user"), adapted)
        assert taught is not None
        before, spoken = spoken, taught
    known.adopt(spoken, before)
    assert known.refused == {"user"}
    assert known.honours_n is None


def test_a_parameter_that_is_named_as_such_goes_first() -> None:
    error = refusal("Unrecognized: temperature and seed", "seed")
    taught = Dialect(expires=0).taught(error, body(temperature=1, seed=1))
    assert taught is not None
    assert taught.refused == {"seed"}
