"""Reasoning inside the content: found at the start, moved out of the answer, whole or in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.engine.upstream.replies import Assembly, read_replies
from tests.fakes import Say, Sent, World
from tests.stub import completion

CASES = [
    ("<think>2 + 2 is 4</think>\n\nThe answer is 4.", "The answer is 4."),
    ("\n <THINK>hm</THINK>Yes.", "Yes."),
    ("<thinking>a</thinking> b </thinking> c", "b </thinking> c"),
    ("Use </think> to close it.", "Use </think> to close it."),
    ("<table>x</table>", "<table>x</table>"),
    ("<thi", "<thi"),
    ("<think>never closed", ""),
    ("Answer first. <think>quoted</think>", "Answer first. <think>quoted</think>"),
    ("User: hi\nAssistant: ho", "User: hi\nAssistant: ho"),
    ("", ""),
]


@pytest.mark.parametrize(("content", "answer"), CASES)
def test_a_whole_reply_has_its_reasoning_apart(content: str, answer: str) -> None:
    (reply,) = read_replies({"choices": [{"message": {"role": "assistant", "content": content}}]})
    assert reply.text == answer
    assert ("reasoning_content" in reply.message) is (answer != content)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(("content", "answer"), CASES)
def test_a_stream_shows_the_answer_alone_wherever_its_pieces_break(
    content: str, answer: str, size: int
) -> None:
    assembly = Assembly()
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    shown = [assembly.add({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    shown.append(assembly.add({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
    assert "".join(shown) == answer == assembly.reply().text


def test_reasoning_in_a_field_of_its_own_stays_there() -> None:
    message = {"role": "assistant", "content": "Yes.", "reasoning_content": "because"}
    (reply,) = read_replies({"choices": [{"message": message}]})
    assert reply.message == message


def test_reasoning_is_neither_judged_nor_voted_on_nor_returned() -> None:
    def script(sent: Sent) -> Say | str:
        if sent.role == "judge":
            assert "the answer is 99" not in sent.prompt.lower()
            return '{"ranking": ["A", "B"]}'
        return f"<think>Surely the answer is 99.</think>The answer is {sent.number}."

    completion = World(script).complete("bon-m")
    assert completion.replies[0].text.startswith("The answer is ")
    assert "99" in completion.replies[0].message["reasoning_content"]


def test_a_reply_that_is_all_reasoning_is_no_answer() -> None:
    world = World(lambda sent: "<think>on and on" if sent.number == 0 else "The answer is 4.")
    completion = world.complete("bon-m")
    assert completion.replies[0].text == "The answer is 4."
    assert completion.report.losses == {"empty": 1}


@pytest.mark.parametrize("role", [None, "", "model", 7, {}])
def test_a_reply_is_the_assistants_whatever_its_role(role: Any) -> None:
    wire = completion("Hi")
    wire["choices"][0]["message"]["role"] = role
    assert read_replies(wire)[0].message == {"role": "assistant", "content": "Hi"}
    del wire["choices"][0]["message"]["role"]
    assert read_replies(wire)[0].message["role"] == "assistant"
