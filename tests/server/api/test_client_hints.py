"""What requests say about themselves, and what only looks as if they did."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import Headers

from optillm.chat import Sender
from optillm.errors import InvalidRequest
from optillm.server.api.client_hints import deadline, in_background, keep_alive_interval, sender


def told(content: bytes = b"{}", **headers: Any) -> Sender:
    sent = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return sender(sent, content, asking("hi"), lambda: False)


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


FRAME = (
    "### Task:\n{task}\n### Guidelines:\n- Be brief.\n### Output:\nJSON format: {{}}\n"
    "### Chat History:\n<chat_history>\nUSER: hi\n</chat_history>"
)

BACKGROUND = [
    FRAME.format(task="Generate a concise, 3-5 word title with an emoji summarizing the chat history."),
    FRAME.format(task="Generate 1-3 broad tags categorizing the main themes of the chat history."),
    FRAME.format(task="Suggest 3-5 relevant follow-up questions or prompts."),
    FRAME.format(task="You are an autocompletion system. Continue the text in `<text>`.")
    + "\n<text>He</text>",
    "Provide a concise, 5-word-or-less title for the conversation, using title case conventions. Only return the "
    "title itself.\n\nConversation:\nUser: hi\nAI: hello",
    "Analyze this conversation and provide:\n1. The detected language of the conversation\n2. A concise title in the "
    "detected language (5 words or less, no punctuation or quotation)\n\nUser: hi\nAI: hello",
]


@pytest.mark.parametrize("prompt", BACKGROUND)
@pytest.mark.parametrize(
    "history", [[], [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]]
)
def test_prompts_that_frontends_write_are_recognised(prompt: str, history: list[Any]) -> None:
    body = asking(prompt)
    assert in_background({**body, "messages": [*history, *body["messages"]]})


def test_a_prompt_in_parts_is_recognised() -> None:
    assert in_background(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": BACKGROUND[0]}]}]}
    )


TOOLS = 'Available Tools: [{"name": "clock"}]\n\nReturn only the JSON object.'


def choosing(system: str, *user: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": text} for text in user]
    return {"messages": [{"role": "system", "content": system}, *turns]}


@pytest.mark.parametrize("query", ["Query: What time is it?", 'History:\nUSER: """hi"""\nQuery: And now?'])
def test_a_choice_of_tools_by_words_is_recognised(query: str) -> None:
    assert in_background(choosing(TOOLS, query))


@pytest.mark.parametrize(
    "body",
    [
        choosing(TOOLS, "What time is it?"),
        choosing("You are helpful.", "Query: What time is it?"),
        choosing("Be brief. " + TOOLS, "Query: What time is it?"),
        choosing(TOOLS, "Query: hi", "Query: What time is it?"),
        asking("Query: What time is it?"),
    ],
)
def test_other_talk_of_tools_is_not(body: dict[str, Any]) -> None:
    assert not in_background(body)


@pytest.mark.parametrize(
    "text",
    [
        "### Task:\nWrite a title for my essay about chat history.",
        "What does Open WebUI send? I saw this:\n" + BACKGROUND[0],
        "Translate: " + "x" * 500 + BACKGROUND[4],
        "Generate a concise, 3-5 word title for my novel.",
        "Write a 5-word-or-less title for my painting.",
        "Task: sum the numbers in <chat_history>1 2</chat_history>",
        "",
    ],
)
def test_what_users_write_about_titles_and_tasks_is_not(text: str) -> None:
    assert not in_background(asking(text))


def test_a_frontends_prompt_earlier_in_the_conversation_is_history() -> None:
    body = asking(BACKGROUND[0])
    later = [{"role": "assistant", "content": "{}"}, {"role": "user", "content": "What is 2 + 2?"}]
    assert not in_background({**body, "messages": [*body["messages"], *later]})
    assert not in_background({**body, "messages": [{"role": "system", "content": BACKGROUND[0]}, later[1]]})


@pytest.mark.parametrize("task", ["title_generation", "tags_generation", "query_generation"])
def test_metadata_tasks_are_recognised(task: str) -> None:
    assert in_background(asking("hi", metadata={"task": task}))


@pytest.mark.parametrize(
    "metadata", [None, {}, {"task": "moa_response_generation"}, {"task": ["x"]}, {"job": 1}]
)
def test_other_metadata_is_the_clients(metadata: Any) -> None:
    assert not in_background(asking("hi", metadata=metadata))


@pytest.mark.parametrize(("limit", "tiny"), [(1, True), (16, True), (17, False), (None, False)])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_tiny_limit_leaves_nothing_to_reason_in(name: str, limit: int | None, tiny: bool) -> None:
    assert in_background(asking("ping", **{name: limit})) is tiny


@pytest.mark.parametrize(("value", "background"), [("1", True), ("0", False), ("yes", False)])
def test_a_header_says_it_plainly(value: str, background: bool) -> None:
    assert told(x_optillm_background=value).background is background


@pytest.mark.parametrize(
    ("sent", "attempt"), [("0", 0), ("2", 2), ("-1", None), ("x", None), ("", None), ("99999", None)]
)
def test_retries_are_counted_by_the_client(sent: str, attempt: int | None) -> None:
    assert told(x_stainless_retry_count=sent).attempt == attempt
    assert told().attempt is None


@pytest.mark.parametrize("header", ["x_stainless_read_timeout", "x_stainless_timeout"])
@pytest.mark.parametrize(
    ("sent", "patience"),
    [("600", 570), ("10", 9.5), ("2", 1.5), ("0.4", 0.2), ("0", None), ("nan", None), ("NOT_GIVEN", None)],
)
def test_patience_ends_just_before_the_clients(header: str, sent: str, patience: float | None) -> None:
    announced: Any = {header: sent}
    assert told(**announced).patience == patience


def test_clients_are_told_apart_without_holding_their_keys() -> None:
    one = told(Authorization="Bearer a", Idempotency_Key="k")
    assert one.client == told(Authorization="Bearer a").client != told(Authorization="Bearer b").client
    keys = [told(Authorization="Basic x", api_key=key).client for key in ("kA", "kB")]
    assert keys[0] != keys[1]
    assert "{ }" not in repr(told(content=b"{ }"))
    assert (one.key, told().key, told(Idempotency_Key="").key) == ("k", None, None)
    assert "Bearer" not in repr(one)


def test_a_stream_shows_life_before_an_impatient_client_hangs_up() -> None:
    assert keep_alive_interval(Sender(patience=4), 10) == 2
    assert keep_alive_interval(Sender(patience=500), 10) == 10
    assert keep_alive_interval(Sender(), 10) == 10
    assert keep_alive_interval(Sender(patience=4), 0) == 0


@pytest.mark.parametrize(
    ("sent", "seconds"), [("2.5", 2.5), ("90", 90.0), (".5", 0.5), ("1e3", 1000.0), (None, None)]
)
def test_a_header_sets_the_deadline(sent: str | None, seconds: float | None) -> None:
    assert deadline(Headers({} if sent is None else {"x-optillm-timeout": sent})) == seconds


@pytest.mark.parametrize(
    "sent", ["", "soon", "0", "-1", "nan", "inf", "1_0", "１", " 1", "1\xa0", "+1", "1e", "1e-400", "1e9999"]
)
def test_a_deadline_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InvalidRequest, match="x-optillm-timeout"):
        deadline(Headers({"x-optillm-timeout": sent}))


def test_a_trace_of_the_senders_is_kept() -> None:
    assert told(traceparent="00-1-2-01", tracestate="").continues == {"traceparent": "00-1-2-01"}
