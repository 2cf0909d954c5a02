"""The doctor: what it finds at upstreams that each have their own ways, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optillm.commands.doctor.capacity import MANY
from optillm.commands.doctor.checks import TOKENS, examine
from optillm.commands.doctor.probes import LIMIT_PROBES, PROBES
from optillm.commands.doctor.report import Diagnosis
from optillm.config.settings import Settings
from optillm.local.demo import launch
from tests.commands.fakes import command
from tests.config.test_settings import bare_machine
from tests.stub import Call, Stub, completion, delta

__all__ = ["bare_machine"]  # the fixture that every test here runs under

MODELS = {"object": "list", "data": [{"id": "m"}, {"id": "other"}]}
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}


def good(call: Call) -> None:
    """An upstream that can do everything."""
    if call.method == "GET":
        return call.json(MODELS)
    sent = call.sent
    if sent.get("stream"):
        usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
        return call.events(delta("Hello"), delta(finish="stop"), delta(usage=usage))
    reply = completion(*['{"product": 42}'] * sent.get("n", 1))
    first = reply["choices"][0]
    if "tools" in sent:
        first["message"] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    if "logprobs" in sent:
        first["logprobs"] = {"content": []}
    if "Count" in sent["messages"][0]["content"]:
        first |= {"finish_reason": "length"}
    return call.json(reply)


def ignoring(call: Call) -> None:
    """An upstream that reads nothing but the messages."""
    if call.method == "GET":
        return call.json(MODELS)
    if call.sent.get("stream"):
        return call.events(delta("Hello"), delta(finish="stop"))
    usage = {"prompt_tokens": 7, "completion_tokens": 90, "total_tokens": 97}
    return call.json(completion("Hello, what can I do?", usage=usage))


def refusing(*fields: str, message: str = "Unsupported parameter: '{}'") -> Callable[[Call], None]:
    def respond(call: Call) -> None:
        found = next((f for f in fields if call.method == "POST" and f in call.sent), None)
        if found is None:
            return good(call)
        error = {"message": message.format(found), "type": "invalid_request_error", "param": found}
        return call.json({"error": error}, 400)

    return respond


def failing(status: int, message: str) -> Callable[[Call], None]:
    return lambda call: call.json({"error": {"message": message, "type": None}}, status)


def examined(
    respond: Callable[[Call], None], patience: float = 20.0, **settings: Any
) -> tuple[Diagnosis, dict[str, tuple[str, str, str]], list[Call]]:
    """The diagnosis, its findings by what they are about, and the calls that were made for it."""
    with Stub(respond) as stub:
        diagnosis = asyncio.run(examine(Settings(base_url=stub.base_url, model="m", **settings), patience))
        found = {f.about: (f.result, f.details, f.effect) for f in diagnosis.findings}
        return diagnosis, found, stub.calls


def results(found: dict[str, tuple[str, str, str]]) -> dict[str, str]:
    return {about: result for about, (result, *_) in found.items() if about != "seconds per call"}


def test_an_upstream_that_can_do_everything() -> None:
    diagnosis, found, _ = examined(good)
    assert diagnosis.usable
    assert results(found) == {
        "reachable": "yes",
        "key": "not needed",
        "models": "listed",
        "max_tokens": "honoured",
        "max_completion_tokens": "honoured",
        "n": "honoured",
        "tools": "honoured",
        "json_schema": "honoured",
        "json_object": "honoured",
        "logprobs": "honoured",
        "temperature": "accepted",
        "seed": "accepted",
        "streaming": "with usage",
    }


@pytest.mark.parametrize(("streams", "words"), [("never", "in one call"), ("auto", "single calls together")])
def test_choices_are_drawn_singly_where_calls_are_made_as_streams(streams: str, words: str) -> None:
    _, found, _ = examined(good, upstream_streams=streams)
    assert words in found["n"][2]


def test_an_upstream_that_ignores_what_it_does_not_know() -> None:
    diagnosis, found, _ = examined(ignoring)
    assert diagnosis.usable
    names = ("max_tokens", "n", "tools", "json_schema", "json_object", "logprobs")
    assert {found[name][0] for name in names} == {"ignored"}
    assert found["streaming"][0] == "without usage"
    assert found["n"][2] == "tops up with single calls, sent together"


def test_each_thing_costs_one_small_call() -> None:
    _, _, calls = examined(good)
    sent = [call.sent for call in calls if call.method == "POST"]
    assert len(sent) == len(LIMIT_PROBES) + len(PROBES) + 2
    assert all(0 < (body.get("max_tokens") or body["max_completion_tokens"]) <= TOKENS for body in sent)
    assert [body["max_tokens"] for body in sent if body.get("n") == MANY] == [1]
    assert len(calls) == len(sent) + 2


def test_independent_calls_go_out_together() -> None:
    """Each of the two rounds is answered only once all of its calls have arrived."""
    rounds = [threading.Barrier(len(LIMIT_PROBES) + 1), threading.Barrier(len(PROBES) + 3)]

    def respond(call: Call) -> None:
        first = call.path.endswith("/models") or b"Count" in call.body
        rounds[not first].wait(20)
        good(call)

    diagnosis, _, _ = examined(respond)
    assert diagnosis.usable


def test_an_upstream_that_refuses_n() -> None:
    diagnosis, found, _ = examined(refusing("n"))
    assert diagnosis.usable
    assert found["n"] == (
        "refused",
        "status 400: Unsupported parameter: 'n'",
        "leaves it out and sends single calls together",
    )


def test_a_refusal_that_is_not_understood_is_said_to_be_passed_on() -> None:
    _, found, _ = examined(refusing("logprobs", message="Computer says no"))
    assert found["logprobs"] == ("refused", "status 400: Computer says no", "passes the refusal on")


def test_what_techniques_add_is_left_out_in_whatever_words_it_is_refused() -> None:
    _, found, _ = examined(refusing("n", message="Computer says no"))
    assert found["n"][2] == "leaves it out and sends single calls together"


def test_an_upstream_that_refuses_tools_and_forms() -> None:
    _, found, _ = examined(refusing("tools", "response_format"))
    for name in ("tools", "json_schema", "json_object"):
        assert (found[name][0], found[name][2]) == ("refused", "passes the refusal on")


def test_an_upstream_with_the_other_token_limit() -> None:
    diagnosis, found, calls = examined(refusing("max_tokens"))
    assert diagnosis.usable
    assert found["max_tokens"][0] == "refused"
    assert found["max_tokens"][2] == "sends max_completion_tokens in its place"
    assert found["n"][0] == "honoured"
    assert sum(b"max_tokens" in call.body for call in calls) == 1


def test_a_limit_that_is_spent_on_thinking_was_understood() -> None:
    words = "Could not finish the message because max_tokens or model output limit was reached."

    def respond(call: Call) -> None:
        if call.method == "POST" and "response_format" in call.sent:
            return call.json({"error": {"message": words, "type": "invalid_request_error"}}, 400)
        return good(call)

    diagnosis, found, _ = examined(respond)
    assert diagnosis.usable
    assert found["json_schema"][0] == "unclear"


def test_a_key_that_is_refused() -> None:
    diagnosis, found, calls = examined(
        failing(401, "Not a good one: sk-abcdefgh12345"), openai_api_key="toykey-1"
    )
    assert not diagnosis.usable
    assert found["reachable"][0] == "yes"
    assert found["key"] == ("refused", "status 401: Not a good one: [redacted]", "passes the refusal on")
    assert {call.headers["authorization"] for call in calls} == {"Bearer toykey-1"}


def test_a_key_that_is_missing() -> None:
    diagnosis, found, _ = examined(failing(401, "No key"))
    assert not diagnosis.usable
    assert found["key"][0] == "needed"
    assert "OPENAI_API_KEY" in found["key"][2]


def test_no_secret_of_the_settings_and_no_control_character_is_shown() -> None:
    told = "toykey-1 is bad\x1b[2J\nfor sure"
    diagnosis, _, _ = examined(failing(403, told), openai_api_key="toykey-1")
    for shown in (diagnosis.table(), diagnosis.json()):
        assert "toykey" not in shown
        assert "\x1b" not in shown
        assert "[redacted] is bad [2J for sure" in " ".join(shown.split())


def test_an_upstream_that_cannot_be_reached() -> None:
    with Stub(good) as stub:
        gone = stub.base_url
    diagnosis = asyncio.run(examine(Settings(base_url=gone)))
    (finding,) = diagnosis.findings
    assert not diagnosis.usable
    assert (finding.about, finding.result) == ("reachable", "no")
    assert finding.details.startswith("the upstream cannot be reached: ")


def test_an_upstream_that_hangs() -> None:
    diagnosis, found, _ = examined(lambda call: call.until_left(), patience=0.2)
    assert not diagnosis.usable
    assert found == {"reachable": ("no", "no answer within 0.2 seconds", "answers 502 until it is")}


def test_one_thing_that_hangs_does_not_spoil_the_others() -> None:
    def respond(call: Call) -> None:
        call.until_left() if call.method == "POST" and "seed" in call.sent else good(call)

    diagnosis, found, _ = examined(respond, patience=2.0)
    assert diagnosis.usable
    assert found["seed"][:2] == ("failed", "no answer within 2 seconds")
    assert found["n"][0] == "honoured"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"choices": 1}', b'{"choices": [{"message": "hi"}]}', b""]
)
def test_an_upstream_that_sends_something_else(body: bytes) -> None:
    diagnosis, found, _ = examined(lambda call: call.raw(body, content_type="application/json"))
    assert not diagnosis.usable
    assert found["reachable"][0] == "yes"
    assert found["models"][:2] == ("not listed", "the list of models is not one")
    assert found["max_tokens"][0] == "failed"
    assert found["max_tokens"][1].startswith("the upstream's reply ")


def test_a_reply_in_one_piece_does_for_a_stream() -> None:
    def respond(call: Call) -> None:
        call.json(completion("Hello")) if call.method == "POST" and call.sent.get("stream") else good(call)

    _, found, _ = examined(respond)
    assert found["streaming"][0] == "with usage"


def test_a_stream_that_is_none() -> None:
    def respond(call: Call) -> None:
        streams = call.method == "POST" and call.sent.get("stream")
        call.raw(b"<html></html>", content_type="text/html") if streams else good(call)

    _, found, _ = examined(respond)
    assert found["streaming"][:2] == ("failed", "the upstream's stream ended early")


def test_a_model_that_is_not_listed_is_told_with_those_that_are() -> None:
    def respond(call: Call) -> None:
        names = [{"id": "mm"}, *({"id": f"x{i}"} for i in range(9))]
        call.json({"data": names}) if call.method == "GET" else good(call)

    diagnosis, found, _ = examined(respond)
    assert diagnosis.usable  # many servers answer to more names than they list
    assert found["models"][:2] == (
        "missing",
        "m is not among the 10: mm, x0, x1, x2, x3, …; did you mean `mm`?",
    )


def test_a_model_that_is_unknown_is_not_usable() -> None:
    def respond(call: Call) -> None:
        good(call) if call.method == "GET" else failing(404, "model 'm' not found")(call)

    diagnosis, found, _ = examined(respond)
    assert not diagnosis.usable
    assert found["max_tokens"][1] == "status 404: model 'm' not found"


def test_a_base_url_without_its_path_is_guessed() -> None:
    diagnosis, found, _ = examined(
        lambda call: call.raw(b"404 page not found", 404, content_type="text/plain")
    )
    assert not diagnosis.usable
    assert "/v1" in found["reachable"][1]


def test_whether_a_key_is_good_is_not_known_when_no_call_succeeds() -> None:
    _, found, _ = examined(failing(503, "overloaded"), openai_api_key="toykey-1")
    assert found["key"][:2] == ("unclear", "no call succeeded")
    assert found["max_tokens"] == ("failed", "status 503: overloaded", "tries again, 3 times at most")


def test_the_demo_model_is_examined_like_any_other() -> None:
    with launch() as demo:
        diagnosis = asyncio.run(examine(Settings(base_url=demo.base_url, model="demo-small")))
    found = {finding.about: finding.result for finding in diagnosis.findings}
    assert diagnosis.usable
    assert found["n"] == found["json_schema"] == found["json_object"] == found["max_tokens"] == "honoured"
    assert found["tools"] == "ignored"
    assert found["streaming"] == "with usage"


def test_json_says_the_same_as_the_table() -> None:
    diagnosis, _, _ = examined(good)
    whole = json.loads(diagnosis.json())
    assert whole["usable"] is True
    table = " ".join(diagnosis.table().split())
    for finding in whole["findings"]:
        assert f"{finding['about']} {finding['result']} {finding['found']}" in table
        assert finding["optillm"] is None or f"optillm {finding['optillm']}" in table
    assert table.endswith("The upstream is usable.")


# The real command


def test_the_command_says_by_its_exit_code_whether_the_upstream_is_usable() -> None:
    ended = command("doctor", "--demo", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["model"] == "demo-small"
    with Stub(failing(401, "No key")) as stub:
        ended = command("doctor", "--model", "m", OPENAI_BASE_URL=stub.base_url)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.endswith("The upstream is not usable.\n")
    assert "status 401: No key" in ended.stdout


def test_the_command_examines_the_first_upstream_or_the_one_named() -> None:
    with Stub(good) as spare, Stub(failing(401, "No key")) as first:
        Path("optillm.toml").write_text(
            f"""
            [[upstream]]
            name = "spare"
            base_url = "{spare.base_url}"
            order = 1
            rename = {{ big = "m" }}
            [[upstream]]
            name = "first"
            base_url = "{first.base_url}"
            """,
            encoding="utf-8",
        )
        assert command("doctor", "--model", "big").returncode == 1
        ended = command("doctor", "--model", "big", "--upstream", "spare")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"m at {spare.base_url}\n")


def test_json_is_for_commands_that_print_tables_only() -> None:
    ended = command("settings", "--json")
    assert (ended.returncode, ended.stderr) == (
        2,
        "optillm: --json works only with optillm doctor, eval, traces and usage\n",
    )
