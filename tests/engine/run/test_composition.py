"""Compositions: who sees what, what is shared, and what is left when a part fails."""

from __future__ import annotations

from itertools import product

import pytest

from optillm.chat import Budget, Completion, Delta
from optillm.errors import UpstreamError
from optillm.techniques import registry
from tests.fakes import HANG, Sent, World, failing

QUESTION = "What is the unmistakable token zebra-17 worth?"
TECHNIQUES = sorted(registry())


def judging(sent: Sent) -> str:
    """A verdict for whatever a judge is asked, always for the first."""
    return '{"ranking": ["A", "B", "C", "D"], "groups": [["A"], ["B"]], "pick": "A", "score": 6}'


def numbered(sent: Sent) -> str:
    return judging(sent) if sent.role == "judge" else f"The answer is {sent.number}."


def test_the_answer_before_enters_as_a_candidate_and_the_question_stays() -> None:
    world = World(lambda sent: "Written from four." if sent.role == "write" else numbered(sent))
    world.complete("moa&bon-m", QUESTION)
    ballot = next(sent for sent in world.of("judge"))
    assert "Written from four." in ballot.prompt
    assert "zebra-17" in ballot.prompt
    fresh = [sent for sent in world.of("generate") if sent.start == 2.0]
    assert len(fresh) == 2  # bon's three candidates, one of them handed over
    assert world.seconds == 4.0


def test_rounds_add_up_in_a_chain_and_do_not_in_a_fork() -> None:
    chain = World(numbered)
    assert chain.complete("bon&bon-m", QUESTION).report.rounds == chain.seconds == 4.0
    fork = World(numbered)
    fork.complete("bon|moa-m", QUESTION)
    assert fork.seconds == 3.0  # two rounds side by side, one to select


def test_branches_share_their_first_draws() -> None:
    world = World(numbered)
    completion = world.complete("bon|moa-m", QUESTION)
    assert completion.report.calls["generate"] == 4  # bon's three are among moa's four
    alone = World(numbered).complete("bon-m", QUESTION).report.calls["generate"]
    assert alone == 3


def test_a_technique_beside_itself_is_itself() -> None:
    world = World(lambda sent: f"The answer is {[4, 4, 5, 4, 4, 5, 4, 4][sent.number]}.")
    completion = world.complete("self_consistency|self_consistency-m", QUESTION)
    alone = World(lambda sent: f"The answer is {[4, 4, 5, 4, 4, 5, 4, 4][sent.number]}.")
    assert completion.replies[0].text == alone.text("self_consistency-m", QUESTION)
    assert completion.report.calls == {"generate": 8}
    assert world.seconds == 1.0


def test_a_draw_one_branch_no_longer_wants_goes_on_for_the_other() -> None:
    def script(sent: Sent) -> str:
        return "The answer is 4."

    world = World(script)
    completion = world.complete("bon(n=8)|self_consistency-m", QUESTION)
    assert completion.replies[0].text == "The answer is 4."
    assert world.running == 0
    assert world.seconds == 1.0


def test_select_lets_judges_choose_between_differing_branches() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            where = {text: sent.prompt.find(text) for text in ("Moa says 7.", "The answer is")}
            moa_first = -1 < where["Moa says 7."] < where["The answer is"] or where["The answer is"] < 0
            return '{"ranking": ["A", "B"]}' if moa_first else '{"ranking": ["B", "A"]}'
        return "Moa says 7." if sent.role == "write" else f"The answer is {sent.number}."

    assert World(script).text("moa|bon-m", QUESTION) == "Moa says 7."


def test_agreeing_branches_need_no_judge() -> None:
    world = World(lambda sent: "The answer is 4.")
    assert world.complete("bon|moa|self_consistency-m", QUESTION).report.calls.keys() == {"generate"}


def test_choices_gives_one_choice_for_each_branch_in_the_order_written() -> None:
    world = World(lambda sent: "Moa writes." if sent.role == "write" else numbered(sent))
    completion = world.complete("moa|bon-m", QUESTION, merge="choices")
    assert len(completion.replies) == 2
    assert completion.replies[0].text == "Moa writes."
    assert world.seconds == 2.0


def test_first_takes_the_branch_that_settles_first_and_stops_the_other() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "write" or sent.start > 0:
            return HANG
        return f"The answer is {4 if sent.number < 3 else sent.number}."

    world = World(script)
    completion = world.complete("moa|bon-m", QUESTION, merge="first")
    assert completion.replies[0].text == "The answer is 4."
    assert world.seconds == 1.0
    assert world.running == 0


def test_a_branch_that_fails_is_done_without() -> None:
    def script(sent: Sent) -> str:
        if sent.body["model"] == "broken":
            raise failing(400)
        return numbered(sent)

    completion = World(script).complete("moa(proposers=[broken])|bon-m", QUESTION)
    assert completion.replies[0].text.startswith("The answer is")
    assert completion.report.stop_reason == "degraded"


def test_when_all_branches_fail_so_does_the_request() -> None:
    def script(sent: Sent) -> str:
        raise failing(401)

    with pytest.raises(UpstreamError) as error:
        World(script).complete("moa|bon-m", QUESTION)
    assert error.value.status == 401


def test_a_failing_first_stage_is_skipped_and_a_failing_last_one_leaves_the_answer_before() -> None:
    def broken_first(sent: Sent) -> str:
        if sent.body["model"] == "broken":
            raise failing(400)
        return numbered(sent)

    first = World(broken_first).complete("moa(proposers=[broken])&bon-m", QUESTION)
    assert first.report.stop_reason == "degraded"

    def broken_last(sent: Sent) -> str:
        if sent.start >= 2.0:
            raise failing(503)
        return "Written." if sent.role == "write" else numbered(sent)

    last = World(broken_last, retries=0).complete("moa&bon(n=2)-m", QUESTION)
    assert last.replies[0].text == "Written."


def test_only_the_last_stage_streams() -> None:
    world = World(
        lambda sent: f"City\n{sent.number}" if sent.role == "write" else f"Town {sent.number}.\n\nYes?"
    )
    events = [event for _, event in world.events("moa&moa-m", QUESTION)]
    assert isinstance(events[-1], Completion)
    shown = "".join(event.content for event in events if isinstance(event, Delta))
    assert shown == events[-1].replies[0].text


def test_options_are_reported_by_technique() -> None:
    report = World(numbered).complete("bon(n=2)&moa-m", QUESTION).report
    assert report.technique == "bon&moa"
    assert report.options["bon"]["n"] == 2


@pytest.mark.parametrize("operator", "&|")
@pytest.mark.parametrize(("first", "second"), list(product(TECHNIQUES, TECHNIQUES)))
def test_every_pair_keeps_the_question_and_the_budget(first: str, second: str, operator: str) -> None:
    world = World(numbered)
    completion = world.complete(f"{first}{operator}{second}-m", QUESTION, budget=Budget(max_calls=40))
    assert completion.replies[0].text
    assert len(world.sent) <= 40
    assert all(
        "zebra-17" in str(sent.body["messages"]) for sent in [*world.of("generate"), *world.of("write")]
    )
    assert world.running == 0
