"""self_consistency: when the vote closes, who wins it, and what happens without answers to count."""

from collections.abc import Callable

import pytest

from tests.fakes import HANG, Say, Sent, World, failing

QUESTION = "How many apples are there?"


def says(*answers: int | str) -> Callable[[Sent], str]:
    """Solutions in the order asked, each arriving a little after the one before."""

    def script(sent: Sent) -> str:
        answer = answers[sent.number % len(answers)]
        return f"Step {sent.number}. The answer is {answer}." if isinstance(answer, int) else answer

    return script


def in_turn(*answers: int) -> Callable[[Sent], Say]:
    """The same, arriving one by one: the first after a second, each next a hundredth later."""
    texts = says(*answers)
    return lambda sent: Say(texts(sent), seconds=1 + sent.number / 100)


def test_returns_the_answer_of_the_majority_verbatim_in_one_round() -> None:
    world = World(says(403, 413, 413, 413, 413))
    completion = world.complete("self_consistency(samples=5)-m", QUESTION)
    assert completion.replies[0].text == "Step 1. The answer is 413."
    assert world.seconds == 1.0
    assert completion.report.rounds == 1


def test_counts_answers_not_wording() -> None:
    same_words = "Adding the three numbers in the list together, the answer is {}."
    texts = [
        same_words.format(403),
        same_words.format(413),
        "So \\boxed{413}.",
        "#### 413",
        "It is 413. Final answer: **413**",
    ]
    world = World(lambda sent: texts[sent.number])
    assert "413" in world.text("self_consistency(samples=5)-m", QUESTION)


def test_stops_at_four_to_none_and_cancels_the_rest() -> None:
    world = World(in_turn(7))
    completion = world.complete("self_consistency-m", QUESTION)
    assert completion.report.stop_reason == "settled"
    assert world.seconds == 1.03
    assert [sent.outcome for sent in world.sent] == ["ok"] * 4 + ["cancelled"] * 4
    assert completion.report.calls == {"generate": 8}
    assert completion.report.losses == {"cancelled": 4}


def test_stops_when_the_lead_cannot_be_overtaken() -> None:
    world = World(in_turn(1, 1, 1, 2, 1, 1))
    assert "is 1." in world.text("self_consistency(samples=6,confidence=0.999)-m", QUESTION)
    assert world.seconds == 1.04  # 4 to 1 with one vote out


def test_a_hanging_sample_does_not_hold_the_vote() -> None:
    world = World(lambda sent: HANG if sent.number == 2 else "The answer is 5.")
    assert world.text("self_consistency-m", QUESTION) == "The answer is 5."
    assert world.seconds == 1.0
    assert world.sent[2].outcome == "cancelled"


def test_waves_spend_a_second_round_only_on_contested_questions() -> None:
    clear = World(says(7))
    assert clear.complete("self_consistency(mode=waves)-m", QUESTION).report.calls == {"generate": 4}
    assert clear.seconds == 1.0
    contested = World(says(7, 7, 7, 8, 7, 7, 7, 7))
    assert contested.complete("self_consistency(mode=waves)-m", QUESTION).report.calls == {"generate": 8}
    assert contested.seconds == 2.0


def test_fixed_counts_every_vote() -> None:
    world = World(in_turn(7))
    assert world.complete("self_consistency(mode=fixed)-m", QUESTION).report.losses == {}
    assert world.seconds == 1.07


def test_the_spokesman_is_the_shortest_of_the_winners() -> None:
    texts = ["Well, let me see… the answer is 9.", "The answer is 9.", "Hm. Perhaps so: the answer is 9."]
    world = World(lambda sent: texts[sent.number])
    assert world.text("self_consistency(samples=3)-m", QUESTION) == "The answer is 9."


def test_truncated_samples_do_not_vote() -> None:
    def script(sent: Sent) -> Say:
        cut = sent.number < 5
        return Say(f"The answer is {1 if cut else 2}.", finish_reason="length" if cut else "stop")

    completion = World(script).complete("self_consistency-m", QUESTION)
    assert completion.replies[0].text == "The answer is 2."
    assert completion.report.losses["truncated"] == 5


def test_truncated_samples_are_better_than_nothing() -> None:
    completion = World(lambda sent: Say("The answer is 1.", finish_reason="length")).complete(
        "self_consistency-m", QUESTION
    )
    assert completion.replies[0].finish_reason == "length"


def test_a_tie_is_decided_by_two_judges_that_see_both_orders() -> None:
    def script(sent: Sent) -> str:
        if sent.role != "judge":
            return f"The answer is {1 + sent.number % 2}."
        first = sent.prompt.index("The answer is 1.") < sent.prompt.index("The answer is 2.")
        return '{"ranking": ["B", "A"]}' if first else '{"ranking": ["A", "B"]}'

    world = World(script)
    completion = world.complete("self_consistency(samples=4)-m", QUESTION)
    assert completion.replies[0].text == "The answer is 2."
    assert completion.report.calls == {"generate": 4, "judge": 2}
    assert world.seconds == 2.0


def test_a_tie_nobody_can_judge_goes_to_the_shortest() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            raise failing(500)
        return ["In the end the answer is 1.", "The answer is 2."][sent.number % 2]

    world = World(script, retries=0)
    assert world.text("self_consistency(samples=4)-m", QUESTION) == "The answer is 2."


def test_free_form_texts_are_grouped_by_one_judge() -> None:
    poems = [
        "Roses are red, violets are blue, and here comes a longer line for you to read slowly.\n" * 3
    ] * 3

    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return 'Two agree. {"groups": [["A"], ["B", "C"]], "pick": "C"}'
        return f"{sent.number} {poems[sent.number]}"

    world = World(script)
    completion = world.complete("self_consistency(samples=3)-m", "Write a poem about the sea.")
    assert completion.replies[0].text.startswith("2 ")
    assert completion.report.calls == {"generate": 3, "judge": 1}
    assert world.seconds == 2.0


def test_free_form_without_a_verdict_returns_the_most_typical() -> None:
    texts = [
        "The sea is wide and old.\n\nIt sings.",
        "The sea is wide and cold.\n\nIt sings low.",
        "Cats!\n\nDogs!",
    ]

    def script(sent: Sent) -> str:
        return "no idea" if sent.role == "judge" else texts[sent.number]

    assert World(script).text("self_consistency(samples=3)-m", "Write a poem.") in texts[:2]


def test_survives_when_all_but_one_sample_fail() -> None:
    def script(sent: Sent) -> str:
        if sent.number != 5:
            raise failing(400)
        return "The answer is 3."

    completion = World(script).complete("self_consistency-m", QUESTION)
    assert completion.replies[0].text == "The answer is 3."
    assert completion.report.stop_reason == "degraded"


@pytest.mark.parametrize("choices", [1, 2])
def test_choices_are_distinct_answers_most_votes_first(choices: int) -> None:
    world = World(says(1, 2, 2, 1, 2))
    completion = world.complete("self_consistency(samples=5,mode=fixed)-m", QUESTION, n=choices)
    assert [reply.text[-3:] for reply in completion.replies] == [" 2.", " 1."][:choices]


def test_programs_that_differ_in_looks_only_add_up() -> None:
    bodies = ["    return 3 * n", "    # twice\n    return 2 * n", '    """Twice."""\n    return 2 * n']
    names = ["n", "count", "n"]
    drafts = [
        f"```python\ndef double({name}):\n{body.replace(' n', f' {name}')}\n```"
        for name, body in zip(names, bodies, strict=True)
    ]
    world = World(lambda sent: drafts[sent.number % 3])
    text = world.text("self_consistency(samples=3,tie=shortest)-m", "Write a Python function double(n).")
    assert text in drafts[1:]
