"""cot_reflection: notes and answer in one reply, and only the answer for the client."""

import re
from collections.abc import Callable

import pytest

from optillm.chat import Completion, Delta
from tests.fakes import Say, Sent, World, failing

QUESTION = "How many legs do three spiders have?"
NOTES = "Working notes\n8 each, so 3 x 8 = 24.\nChecked: spiders have 8."


def marker(sent: Sent) -> str:
    """The line that the instruction asks for."""
    (line,) = re.findall(r"^=== \w+ ===$", sent.prompt, re.MULTILINE)
    return str(line)


def replying(*lines: str) -> Callable[[Sent], str]:
    """A model that writes its notes, the marker, and these lines."""
    return lambda sent: "\n".join([NOTES, marker(sent), *lines])


def cut(sent: Sent) -> Say:
    """A model that has no room for its answer, and gives it when asked for nothing else."""
    return Say("24 legs." if sent.number else NOTES, finish_reason="stop" if sent.number else "length")


def test_only_what_follows_the_marker_is_the_answer_in_one_round() -> None:
    world = World(replying("24 legs."))
    completion = world.complete("cot_reflection-m", QUESTION)
    assert completion.replies[0].text == "24 legs."
    assert completion.report.calls == {"write": 1}
    assert world.seconds == completion.report.rounds == 1


def test_the_conversation_is_sent_as_it_is_with_one_trailing_instruction() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    world = World(replying("24"))
    world.complete("cot_reflection-m", messages)
    assert world.sent[0].body["messages"][:2] == messages
    assert len(world.sent[0].body["messages"]) == 3


def test_markup_in_an_answer_is_left_alone() -> None:
    answer = ["<answer>", "User: hi", "", "Assistant: <output>24</output>", "==="]
    assert World(replying(*answer)).text("cot_reflection-m", QUESTION) == "\n".join(answer)


def test_without_a_marker_the_whole_reply_is_the_answer() -> None:
    assert World(lambda sent: "It is 24.").text("cot_reflection-m", QUESTION) == "It is 24."


def test_a_marker_said_in_passing_or_twice_parts_nothing_more() -> None:
    def script(sent: Sent) -> str:
        return f"I shall write {marker(sent)} soon.\n{marker(sent)}\n24\n{marker(sent)}\nlegs"

    text = World(script).text("cot_reflection-m", QUESTION)
    assert text.startswith("24\n")
    assert text.endswith("\nlegs")


def test_the_answer_is_streamed_and_the_notes_are_not() -> None:
    world = World(replying("24", "legs."))
    events = world.events("cot_reflection-m", QUESTION)
    assert [(at, event.content) for at, event in events if isinstance(event, Delta)] == [
        (1.0, "24\n"),
        (1.0, "legs."),
    ]
    last = events[-1][1]
    assert isinstance(last, Completion)
    assert last.replies[0].text == "24\nlegs."


def test_a_reply_cut_in_its_notes_is_concluded_in_a_second_call() -> None:
    world = World(cut)
    completion = world.complete("cot_reflection-m", QUESTION, max_tokens=20)
    assert (completion.replies[0].text, completion.replies[0].finish_reason) == ("24 legs.", "stop")
    assert world.seconds == 2.0
    assert NOTES in world.sent[1].prompt
    assert all(sent.body["max_tokens"] == 20 for sent in world.sent)


def test_the_conclusion_is_streamed_too() -> None:
    events = World(cut).events("cot_reflection-m", QUESTION)
    assert [event.content for _, event in events if isinstance(event, Delta)] == ["24 legs."]


def test_a_reply_cut_in_its_answer_is_returned_as_it_is() -> None:
    world = World(lambda sent: Say(f"{NOTES}\n{marker(sent)}\nThe legs of th", finish_reason="length"))
    completion = world.complete("cot_reflection-m", QUESTION)
    assert (completion.replies[0].text, completion.replies[0].finish_reason) == ("The legs of th", "length")
    assert len(world.sent) == 1


def test_no_second_call_where_it_is_not_wanted() -> None:
    world = World(cut)
    completion = world.complete("cot_reflection(conclude=false)-m", QUESTION)
    assert completion.replies[0].finish_reason == "length"
    assert len(world.sent) == 1


def test_notes_are_all_there_is_when_the_conclusion_fails() -> None:
    def script(sent: Sent) -> Say:
        if sent.number:
            raise failing(400)
        return cut(sent)

    completion = World(script).complete("cot_reflection-m", QUESTION)
    assert (completion.replies[0].text, completion.replies[0].finish_reason) == (NOTES, "length")
    assert completion.report.stop_reason == "degraded"


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_of_several_choices_the_cut_ones_come_last(finished: int) -> None:
    def script(sent: Sent) -> Say:
        if sent.number == finished:
            return Say(replying("24 legs.")(sent))
        return Say(NOTES, finish_reason="length")

    completion = World(script).complete("cot_reflection-m", QUESTION, n=3)
    assert [reply.finish_reason for reply in completion.replies] == ["stop", "length", "length"]


def test_the_users_temperature_is_kept() -> None:
    world = World(replying("24"))
    world.complete("cot_reflection-m", QUESTION, temperature=0)
    assert world.sent[0].body["temperature"] == 0


def test_notes_that_a_stop_sequence_ends_are_no_answer() -> None:
    def script(sent: Sent) -> Say:
        return Say("24 legs." if sent.number else NOTES)

    world = World(script)
    assert world.text("cot_reflection-m", QUESTION, stop=["Checked"]) == "24 legs."
    assert len(world.sent) == 2
