"""moa: who sees what, in which order, and who stands in when somebody fails."""

from collections.abc import Callable

import pytest

from optillm.chat import Budget, Completion, Delta
from optillm.errors import UpstreamError
from tests.fakes import HANG, Say, Sent, World, failing

QUESTION = "Which city is best?"
CITIES = ["Paris, of course.", "Rome, surely.", "Oslo, I think.", "Lima, no doubt."]


def proposals(final: str = "Rome is best.", texts: list[str] = CITIES) -> Callable[[Sent], str]:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return "Draft A forgets the rain."
        return final if sent.role == "write" else texts[sent.number % len(texts)]

    return script


def test_the_aggregator_writes_from_all_proposals_in_two_rounds() -> None:
    world = World(proposals())
    completion = world.complete("moa-m", QUESTION)
    assert completion.replies[0].text == "Rome is best."
    assert world.seconds == 2.0
    assert completion.report.rounds == 2
    assert completion.report.calls == {"generate": 4, "write": 1}
    prompt = world.of("write")[0].prompt
    assert [prompt.count(text) for text in CITIES] == [1, 1, 1, 1]


def test_agreement_needs_no_aggregator() -> None:
    world = World(lambda sent: f"{'Well, ' * sent.number}the answer is 4.")
    completion = world.complete("moa-m", "What is 2 + 2?")
    assert completion.replies[0].text == "the answer is 4."
    assert completion.report.stop_reason == "settled"
    assert world.seconds == 1.0


def test_the_conversation_is_the_byte_identical_start_of_every_call() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello", "name": "ann"},
        {"role": "assistant", "content": None, "refusal": None},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    world = World(proposals())
    world.complete("moa-m", messages)
    assert all(sent.body["messages"][:4] == messages for sent in world.sent)
    assert [len(sent.body["messages"]) for sent in world.sent] == [4, 4, 4, 4, 5]


def test_different_models_propose_and_the_requested_one_aggregates() -> None:
    world = World(proposals())
    world.complete("moa(proposers=[a, b, c])-m", QUESTION)
    assert [sent.body["model"] for sent in world.sent] == ["a", "b", "c", "m"]


def test_another_model_may_aggregate() -> None:
    world = World(proposals())
    world.complete("moa(aggregator=big)-m", QUESTION)
    assert world.sent[-1].body["model"] == "big"


def test_middle_layers_read_and_write_again() -> None:
    world = World(lambda sent: "Rome is best." if sent.start == 3.0 else CITIES[sent.number % 4])
    completion = world.complete("moa(layers=4,width=3,subset=2)-m", QUESTION)
    assert world.seconds == 4.0
    assert completion.report.calls == {"generate": 4 + 3 + 3, "write": 1}
    middle = [sent for sent in world.sent if sent.start == 1.0]
    assert [sum(text in sent.prompt for text in CITIES) for sent in middle] == [2, 2, 2]


@pytest.mark.parametrize(("critique", "calls"), [("shared", 1), ("each", 4)])
def test_a_critique_adds_a_round_and_reaches_the_aggregator(critique: str, calls: int) -> None:
    world = World(proposals())
    completion = world.complete(f"moa(critique={critique})-m", QUESTION)
    assert world.seconds == 3.0
    assert completion.report.calls["judge"] == calls
    assert world.of("write")[-1].prompt.count("forgets the rain") == calls


def test_a_failed_critique_is_done_without() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            raise failing(400)
        return proposals()(sent)

    completion = World(script).complete("moa(critique=shared)-m", QUESTION)
    assert completion.replies[0].text == "Rome is best."


def test_references_never_repeat_when_the_upstream_ignores_n() -> None:
    world = World(proposals())
    world.complete("moa(proposers=3)-m", QUESTION)
    prompt = world.of("write")[0].prompt
    assert sum(prompt.count(text) for text in CITIES) == 3
    assert prompt.count("</candidate-") == 3


def test_the_order_of_the_references_is_chance_and_the_same_for_the_same_seed() -> None:
    def order(seed: int) -> list[int]:
        world = World(proposals())
        world.complete("moa-m", QUESTION, seed=seed)
        prompt = world.of("write")[0].prompt
        return [prompt.index(text) for text in CITIES]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(8)}) > 1


def test_long_references_are_cut_in_the_middle_until_they_fit() -> None:
    texts = ["short one", "start" + "x" * 50_000 + "end", "short two", "begin" + "y" * 50_000 + "stop"]
    world = World(proposals(texts=texts))
    world.complete("moa(reference_chars=10000)-m", QUESTION)
    prompt = world.of("write")[0].prompt
    assert 9_000 < len(prompt) < 12_000
    assert all(piece in prompt for piece in ("short one", "short two", "start", "end", "begin", "stop"))


def test_a_proposer_stands_in_for_a_failing_aggregator() -> None:
    def script(sent: Sent) -> str:
        if sent.body["model"] == "m":
            raise failing(400)
        return proposals()(sent)

    world = World(script)
    assert world.text("moa(proposers=[a, b])-m", QUESTION) == "Rome is best."
    assert [sent.body["model"] for sent in world.of("write")] == ["m", "a"]


def test_without_an_aggregator_the_majority_proposal_is_the_answer() -> None:
    texts = ["The answer is 5.", "It must be so: the answer is 7.", "The answer is 7.", "The answer is 9."]

    def script(sent: Sent) -> str:
        if sent.role == "write":
            raise failing(503)
        return texts[sent.number]

    completion = World(script, retries=0).complete("moa-m", QUESTION)
    assert completion.replies[0].text == "The answer is 7."
    assert completion.report.stop_reason == "degraded"


def test_one_surviving_proposal_is_returned_as_it_is() -> None:
    def script(sent: Sent) -> str:
        if sent.number != 2:
            raise failing(400)
        return "Oslo, I think."

    completion = World(script).complete("moa-m", QUESTION)
    assert completion.replies[0].text == "Oslo, I think."
    assert "write" not in completion.report.calls


def test_a_refusing_aggregator_gives_way_to_a_proposal() -> None:
    def script(sent: Sent) -> Say | str:
        return Say(None, message={"refusal": "No."}) if sent.role == "write" else CITIES[sent.number]

    assert World(script).text("moa-m", QUESTION) in CITIES


def test_when_most_proposers_refuse_the_refusal_is_the_answer() -> None:
    def script(sent: Sent) -> Say:
        refuses = sent.number % 2 == 0
        return Say(
            None if refuses else "Sure.", message={"refusal": "I can't help with that."} if refuses else {}
        )

    completion = World(script).complete("moa-m", QUESTION)
    assert completion.replies[0].message["refusal"] == "I can't help with that."
    assert len(completion.report.calls) == 1


def test_a_truncated_synthesis_is_kept_as_what_it_is() -> None:
    def script(sent: Sent) -> Say:
        last = sent.role == "write"
        return Say("Rome is b" if last else CITIES[sent.number], finish_reason="length" if last else "stop")

    completion = World(script).complete("moa-m", QUESTION)
    assert (completion.replies[0].text, completion.replies[0].finish_reason) == ("Rome is b", "length")


def test_the_aggregator_is_streamed_as_it_writes() -> None:
    world = World(proposals(final="Rome\nis\nbest."))
    events = world.events("moa-m", QUESTION)
    deltas = [(when, event.content) for when, event in events if isinstance(event, Delta)]
    assert deltas == [(2.0, "Rome\n"), (2.0, "is\n"), (2.0, "best.")]
    last = events[-1][1]
    assert isinstance(last, Completion)
    assert last.replies[0].text == "Rome\nis\nbest."


def test_a_deadline_while_writing_ends_the_stream_with_what_was_written() -> None:
    def script(sent: Sent) -> Say | str:
        return HANG if sent.role == "write" else CITIES[sent.number]

    world = World(script, retries=0)
    completion = world.complete("moa-m", QUESTION, budget=Budget(seconds=5))
    assert completion.replies[0].text in CITIES
    assert completion.report.stop_reason == "deadline"
    assert world.seconds == 5.0


def test_a_stream_that_breaks_off_after_its_first_words_is_an_error_not_an_answer() -> None:
    def script(sent: Sent) -> Say | str:
        return Say("Rome\nis", breaks_off=True) if sent.role == "write" else CITIES[sent.number]

    with pytest.raises(UpstreamError, match="ended early"):
        World(script).events("moa-m", QUESTION)


def test_choices_are_written_side_by_side() -> None:
    world = World(lambda sent: f"City {sent.number}." if sent.role == "write" else CITIES[sent.number])
    completion = world.complete("moa-m", QUESTION, n=3)
    assert len({reply.text for reply in completion.replies}) == 3
    assert world.seconds == 2.0


# A synthesis that nobody proposed.

AGREEING = ["The answer is 12.", "So the answer is 12.", "Thus the answer is 12.", "The answer is 13."]


@pytest.mark.parametrize(
    ("final", "texts", "believed"),
    [
        ("The answer is 14.", AGREEING, False),
        ("The answer is 13.", AGREEING, True),
        ("The answer is 12.", AGREEING, True),
        ("I had rather not say.", AGREEING, True),
        ("The answer is 14.", [*AGREEING[:2], "The answer is 13.", "The answer is 15."], True),
        ("Lima is best.", CITIES, True),
    ],
)
def test_a_synthesis_that_contradicts_most_and_agrees_with_none_is_not_believed(
    final: str, texts: list[str], believed: bool
) -> None:
    world = World(proposals(final, texts))
    assert world.text("moa-m", "What is 3 * 4?") == (final if believed else AGREEING[0])
    assert World(proposals(final, texts)).text("moa(guard=never)-m", "What is 3 * 4?") == final


STRAY = "It is not 12.\nThe answer is 14."


def test_a_stream_is_guarded_only_if_told_so_and_then_begins_when_it_is_complete() -> None:
    divided = World(proposals("Rome\nis\nbest.")).events("moa(guard=always)-m", QUESTION)
    assert [event.content for _, event in divided if isinstance(event, Delta)] == ["Rome\n", "is\n", "best."]
    streamed = World(proposals(STRAY, AGREEING)).events("moa-m", "What is 3 * 4?")
    assert "".join(event.content for _, event in streamed if isinstance(event, Delta)) == STRAY
    agreed = World(proposals(STRAY, AGREEING)).events("moa(guard=always)-m", "What is 3 * 4?")
    assert not any(isinstance(event, Delta) for _, event in agreed)
    assert isinstance(agreed[-1][1], Completion)
    assert agreed[-1][1].replies[0].text == AGREEING[0]


def test_a_review_of_the_aggregators_own_comes_before_the_answer_and_is_not_shown() -> None:
    def script(sent: Sent) -> str:
        if sent.role != "write":
            return CITIES[sent.number]
        marker = next(line for line in sent.prompt.splitlines() if line.startswith("==="))
        return f"A and B contradict each other.\n{marker}\nRome is best."

    world = World(script)
    completion = world.complete("moa(critique=inline)-m", QUESTION)
    assert completion.replies[0].text == "Rome is best."
    assert completion.report.calls == {"generate": 4, "write": 1}
    events = World(script).events("moa(critique=inline)-m", QUESTION)
    assert "".join(event.content for _, event in events if isinstance(event, Delta)) == "Rome is best."
