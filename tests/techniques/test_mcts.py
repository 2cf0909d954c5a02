"""mcts: waves, refinement, what is backed up and what is returned."""

from __future__ import annotations

import itertools
import json
import re

import networkx
import pytest

from optillm.chat import Budget
from tests.fakes import HANG, Sent, World, failing

QUESTION = "What is 6 times 7?"


def preferring(sent: Sent, right: str) -> str:
    """A verdict that ranks the answer `right` first, wherever it stands, and the others as shown."""
    shown = re.findall(r'label="([A-Z])">\n(.*)', sent.prompt)
    order = sorted(shown, key=lambda each: each[1] != right)
    labels = [label for label, _ in order]
    return json.dumps({"ranking": labels, "better": next(iter(labels), "")})


def refining(sent: Sent) -> bool:
    return sent.prompt.startswith("Improve this draft")


def marker(sent: Sent) -> str:
    found = re.search(r"^===.*===$", sent.prompt, re.MULTILINE)
    assert found
    return found.group()


def rated_by(right: str) -> World:
    """Samples give 40, 41, 42, …, refinements 50, 51, 52, …; judges put the right answer first."""
    refinements = itertools.count(50)

    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return preferring(sent, right)
        if refining(sent):
            number = int(re.findall(r"The answer is (\d+)", sent.prompt)[-1])
            return f"Step 2 is off by one, not {number}.\n{marker(sent)}\nThe answer is {next(refinements)}."
        return f"The answer is {40 + sent.number}."

    return World(script)


def test_takes_two_rounds_for_each_wave() -> None:
    world = rated_by("The answer is 99.")
    completion = world.complete("mcts(proof=0)-m", QUESTION)
    assert world.seconds == 4.0
    assert completion.report.rounds == 4
    assert completion.report.calls == {"generate": 8, "judge": 8}
    assert rated_by("-").complete("mcts(simulations=3,width=2,proof=0)-m", QUESTION).report.rounds == 6


def test_returns_the_answer_the_judges_value_verbatim() -> None:
    assert rated_by("The answer is 42.").text("mcts-m", QUESTION) == "The answer is 42."


def test_a_refinement_can_win_and_comes_without_its_critique() -> None:
    world = rated_by("The answer is 52.")
    assert world.text("mcts-m", QUESTION) == "The answer is 52."
    assert any(refining(sent) for sent in world.sent)


def test_agreement_after_the_first_wave_ends_the_search_in_one_round() -> None:
    world = World(lambda sent: "The answer is 42.")
    completion = world.complete("mcts-m", QUESTION)
    assert completion.report.calls == {"generate": 4}
    assert completion.report.stop_reason == "settled"
    assert world.seconds == 1.0


def test_depth_nought_only_samples() -> None:
    world = rated_by("-")
    world.complete("mcts(depth=0)-m", QUESTION)
    assert not any(refining(sent) for sent in world.sent)


def test_never_does_worse_than_the_best_of_its_first_wave() -> None:
    worse = itertools.count(100)

    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return preferring(sent, "The answer is 42.")
        return f"The answer is {[7, 42, 8, 9][sent.number] if sent.start == 0.0 else next(worse)}."

    assert World(script).text("mcts-m", QUESTION) == "The answer is 42."


def test_the_question_may_say_goodbye() -> None:
    assert rated_by("The answer is 41.").text("mcts-m", "How do I say goodbye in French?")


@pytest.mark.parametrize("garbage", ["", "no idea", "0.5ish?", '{"score": "high"}'])
def test_an_evaluator_that_cannot_be_read_leaves_a_valid_answer(garbage: str) -> None:
    world = World(lambda sent: garbage if sent.role == "judge" else f"The answer is {sent.number % 3}.")
    assert world.text("mcts-m", QUESTION) == "The answer is 0."  # the one most samples give


def test_failed_expansions_leave_no_marks() -> None:
    def script(sent: Sent) -> str:
        if (sent.role == "generate" and sent.number % 3 == 0) or refining(sent):
            raise failing(400)
        return preferring(sent, "") if sent.role == "judge" else f"The answer is {sent.number}."

    completion = World(script).complete("mcts(simulations=3)-m", QUESTION, trace=True)
    assert completion.report.trace is not None
    graph = completion.report.trace["spans"][0]["tree"]
    assert graph["nodes"][0]["visits"] == sum(1 for node in graph["nodes"][1:] if node["visits"])


def test_a_hanging_refinement_is_cut() -> None:
    def script(sent: Sent) -> str:
        if refining(sent):
            return HANG
        return preferring(sent, "") if sent.role == "judge" else f"The answer is {sent.number}."

    world = World(script)
    assert world.text("mcts-m", QUESTION, budget=Budget(seconds=30))
    assert world.running == 0


def test_the_tree_is_in_the_trace_and_can_be_drawn() -> None:
    completion = rated_by("The answer is 43.").complete("mcts-m", QUESTION, trace=True)
    assert completion.report.trace is not None
    (span,) = [span for span in completion.report.trace["spans"] if span["name"] == "tree"]
    graph = networkx.node_link_graph(span["tree"], edges="edges")
    assert networkx.is_arborescence(graph)
    assert len(graph) == 9
    assert {node.get("answer") for _, node in graph.nodes(data=True)} >= {"40", "41", "42", "43"}


def test_choices_are_different_answers() -> None:
    completion = rated_by("The answer is 42.").complete("mcts-m", QUESTION, n=3)
    assert len({reply.text for reply in completion.replies}) == 3


def test_user_turns_are_never_invented() -> None:
    world = rated_by("-")
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    messages.append({"role": "user", "content": QUESTION})
    world.complete("mcts-m", messages)
    for sent in [*world.of("generate"), *world.of("write")]:
        assert list(sent.body["messages"][:3]) == messages
        assert len(sent.body["messages"]) <= 4


def test_refinements_in_the_demanded_form_count() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return '{"ranking": ["A", "B", "C"]}'
        marker = re.search(r"^=== .* ===$", sent.prompt, re.MULTILINE)
        return f'Step 2 fails.\n{marker[0]}\n{{"sum": 4}}' if marker else f'{{"sum": {10 + sent.number}}}'

    world = World(script)
    completion = world.complete("mcts(simulations=3)-m", "Add up.", response_format={"type": "json_object"})
    assert any(refining(sent) for sent in world.sent)
    assert completion.report.losses == {}


@pytest.mark.parametrize("favourite", ["42", "41"])
def test_judges_never_overrule_the_answer_that_most_nodes_give_but_decide_ties(favourite: str) -> None:
    def world(answers: list[str]) -> World:
        return World(
            lambda sent: (
                preferring(sent, f"The answer is {favourite}.")
                if sent.role == "judge"
                else f"The answer is {answers[sent.number % len(answers)]}."
            )
        )

    most = world(["41", "41", "42", "41"])
    assert most.text("mcts(simulations=1)-m", QUESTION) == "The answer is 41."
    assert most.seconds == 2.0
    tied = world(["41", "42", "42", "41"])
    assert tied.text("mcts(simulations=1)-m", QUESTION) == f"The answer is {favourite}."
    assert tied.seconds == 3.0
