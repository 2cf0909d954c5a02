"""rstar: typed actions, rewards from agreement, the discriminator."""

from __future__ import annotations

import pytest

from optillm.techniques import registry
from optillm.techniques.rstar import ALLOWED, Action
from tests.fakes import Sent, World, failing

QUESTION = "How many apples are left?"
SOLUTION = "First count them. Then take some away. Then check it again. The answer is {}."


def kind(sent: Sent) -> str:
    """Which action or check a call asks for."""
    cues = {
        "next step": "step",
        "sub-question whose": "subquestion",
        "another way": "reanswer",
        "Rephrase": "rephrase",
    }
    cues |= {"Finish this partial": "mask", "continue from it": "finish"}
    return next((name for cue, name in cues.items() if cue in sent.prompt), "sample")


def generator(answers: dict[str, int]) -> World:
    """Solutions by action, all different where none is given; every masked solution is finished with 1."""
    numbers = iter(range(100))

    def script(sent: Sent) -> str:
        action = kind(sent)
        if action == "mask":
            return SOLUTION.format(1)
        if action in ("sample", "finish"):
            fallback = 100 + next(numbers)
            return SOLUTION.format(answers.get(action, fallback))
        return f"a note by {action} {sent.number}"

    return World(script)


def test_takes_a_round_per_depth_and_one_for_the_discriminator() -> None:
    world = generator({})
    completion = world.complete("rstar-m", QUESTION)
    assert world.seconds == 4.0
    assert completion.report.rounds == 4
    assert sum(sent.start == 0.0 for sent in world.sent) == 7
    assert sum(sent.start == 1.0 for sent in world.sent) == 5
    assert sum(sent.start == 2.0 for sent in world.sent) <= 5


def test_the_root_takes_all_its_actions_at_once() -> None:
    world = generator({})
    world.complete("rstar-m", QUESTION)
    first = sorted(kind(sent) for sent in world.sent if sent.start == 0.0)
    assert first == ["rephrase", "sample", "sample", "sample", "sample", "step", "subquestion"]


def test_the_last_depth_finishes_every_path() -> None:
    world = generator({})
    world.complete("rstar-m", QUESTION)
    assert {kind(sent) for sent in world.sent if sent.start == 2.0} == {"finish"}


def test_a_sub_question_is_answered_again_only_where_there_is_one() -> None:
    after = {action for action, allowed in ALLOWED.items() if Action.REANSWER in allowed}
    assert after == {Action.SUBQUESTION}
    assert ALLOWED[Action.FINISH] == ()
    assert all(Action.FINISH in allowed for action, allowed in ALLOWED.items() if action is not Action.FINISH)
    world = generator({})
    world.complete("rstar(max_depth=6,num_rollouts=12)-m", QUESTION)
    for sent in world.sent:
        if kind(sent) == "reanswer":
            assert "a note by subquestion" in sent.prompt


def test_agreeing_solutions_settle_the_search_in_one_round() -> None:
    world = generator({"sample": 7})
    completion = world.complete("rstar-m", QUESTION)
    assert completion.report.stop_reason == "settled"
    assert world.seconds == 1.0


@pytest.mark.parametrize("answer", ["-3.5", "1,234", "3.14", "Paris", "x = 1/2", "42 apples"])
def test_any_kind_of_answer_comes_back_whole(answer: str) -> None:
    text = f"Let me think. The answer is {answer}."
    assert World(lambda sent: text).text("rstar-m", QUESTION) == text


def test_the_discriminator_drops_what_it_cannot_lead_back_to() -> None:
    """Two answers tie; masked, one of them is finished with its own answer and the other is not."""

    def script(sent: Sent) -> str:
        match kind(sent):
            case "mask":
                return SOLUTION.format(5)
            case "sample":
                return SOLUTION.format(5 if sent.number % 2 else 6)
            case "finish":
                return SOLUTION.format(6 if sent.number % 2 else 5)
        return "a note"

    world = World(script)
    assert world.text("rstar-m", QUESTION).endswith("The answer is 5.")
    assert any(kind(sent) == "mask" for sent in world.sent)


def test_a_few_solutions_that_lead_back_to_themselves_do_not_outvote_many() -> None:
    """Eight of ten say 5 and are never finished so; the other two say 6 and always are."""
    numbers = iter(range(100, 200))

    def script(sent: Sent) -> str:
        if kind(sent) == "mask":
            return SOLUTION.format(6 if "I see 6" in sent.prompt else next(numbers))
        answer = 5 if sent.number % 5 else 6
        return f"I see {answer}. {SOLUTION.format(answer)}"

    world = World(script)
    assert world.text("rstar(max_depth=1,votes=5,confidence=1)-m", QUESTION).endswith("The answer is 5.")
    assert sum(kind(sent) == "mask" for sent in world.sent) == 4


def test_another_model_may_discriminate() -> None:
    world = generator({})
    world.complete("rstar(discriminator_model=other)-m", QUESTION)
    assert {sent.body["model"] for sent in world.sent if kind(sent) == "mask"} == {"other"}
    assert {sent.body["model"] for sent in world.sent if kind(sent) != "mask"} == {"m"}


def test_masks_that_never_come_back_leave_the_reward_to_decide() -> None:
    def script(sent: Sent) -> str:
        if kind(sent) == "mask":
            raise failing(400)
        return SOLUTION.format([8, 8, 8, 9][sent.number % 4]) if kind(sent) == "sample" else "a note"

    assert World(script).text("rstar(confidence=0.999,max_depth=1)-m", QUESTION).endswith("The answer is 8.")


def test_free_form_texts_are_chosen_by_what_they_share() -> None:
    poems = [
        "The sea is old and wide.\n\nIt sings.",
        "The sea is old and wide.\n\nIt hums.",
        "Cats!\n\nDogs!",
        "Fish?\n\nNo.",
    ]
    world = World(lambda sent: poems[sent.number % 4] if kind(sent) == "sample" else "a note")
    assert world.text("rstar(max_depth=1)-m", "Write a poem.").startswith("The sea")


def test_failed_notes_only_make_the_tree_smaller() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge" and kind(sent) != "mask":
            raise failing(400)
        return SOLUTION.format(sent.number % 3)

    completion = World(script).complete("rstar-m", QUESTION)
    assert "The answer is" in completion.replies[0].text


def test_the_right_answer_is_no_parameter_anywhere() -> None:
    assert not {"gold", "truth", "answer"} & registry()["rstar"].Options.model_fields.keys()


def test_every_reward_is_backed_up_to_the_root() -> None:
    completion = generator({}).complete("rstar-m", QUESTION, trace=True)
    assert completion.report.trace is not None
    tree = next(span["tree"] for span in completion.report.trace["spans"] if span["name"] == "tree")
    solutions = [node for node in tree["nodes"] if node["answer"]]
    assert all(node["visits"] == 1 and node["value"] > 0 for node in solutions)
    assert tree["nodes"][0]["visits"] == len(solutions)


def test_the_trace_names_the_steps() -> None:
    completion = generator({}).complete("rstar-m", QUESTION, trace=True)
    assert completion.report.trace is not None
    assert [span["name"] for span in completion.report.trace["spans"]] == ["tree", "discriminate"]
