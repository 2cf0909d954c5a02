"""The trace document of techniques at work: calls, candidates, groups, ballots, trees and the outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.chat import Budget, Sender
from optillm.config.prices import Price
from optillm.observe.traces.document import document, runner_up, summary, summary_of
from tests.fakes import HANG, Say, Sent, failing
from tests.observe.traces.fakes import Recorded, answer, in_turn, made, recorded, running, told
from tests.techniques.test_mcts_demo import demo

FIELDS = {
    *(
        "object",
        "version",
        "id",
        "request_id",
        "created",
        "endpoint",
        "client",
        "technique",
        "model",
        "stream",
    ),
    *(
        "status",
        "http_status",
        "stop",
        "error",
        "seconds",
        "rounds",
        "usage",
        "cost",
        "call_counts",
        "losses",
    ),
    *(
        "options",
        "requested_options",
        "content",
        "request",
        "calls",
        "steps",
        "candidates",
        "groups",
        "ballots",
    ),
    *("trees", "decisions", "composition", "outcome", "critical_path"),
}
CALL_FIELDS = {
    *(
        "id",
        "role",
        "step",
        "after",
        "round",
        "status",
        "start",
        "queued",
        "sent",
        "first_token",
        "end",
        "model",
    ),
    *(
        "upstream",
        "cached",
        "retries",
        "repetitions",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "cost",
    ),
    *("error", "prompt", "replies", "candidates", "ballot", "critical"),
}
FIRST = json.dumps({"ranking": ["A", "B"]})


def ranking(labels: str) -> str:
    return json.dumps({"ranking": list(labels)})


def bon(**more: Any) -> dict[str, Any]:
    return told(in_turn(answer(86), answer(69), judges=FIRST), "bon(n=3)-m", **more)


def test_a_document_has_all_fields_of_version_1() -> None:
    whole = bon()
    assert set(whole) == FIELDS
    assert (whole["object"], whole["version"]) == ("optillm.trace", 1)
    assert all(set(call) == CALL_FIELDS for call in whole["calls"])
    assert set(bon(content=False)) == FIELDS


def test_the_head_says_what_ran_and_what_it_took() -> None:
    whole = bon(world={"prices": {"m": Price(input=1, output=2)}})
    assert (whole["technique"], whole["model"], whole["status"], whole["http_status"]) == (
        "bon",
        "m",
        "ok",
        200,
    )
    assert (whole["stop"], whole["rounds"], whole["call_counts"]) == (
        "complete",
        2,
        {"generate": 3, "judge": 2},
    )
    assert whole["usage"]["total_tokens"] == 75
    assert whole["cost"] == pytest.approx(sum(call["cost"] for call in whole["calls"]))
    assert whole["options"]["n"] == 3


def test_the_expression_names_the_options_that_are_not_at_their_defaults() -> None:
    assert told(in_turn(answer(1)), "bon(n=5,judge=rate)-m")["technique"] == "bon(n=5, judge=rate)"


def test_calls_have_their_times_rounds_prompts_and_replies() -> None:
    whole = bon()
    first, *_, last = whole["calls"]
    assert (first["start"], first["sent"], first["end"], first["round"], first["after"]) == (0, 0, 1, 1, [])
    assert (last["start"], last["end"], last["round"], last["after"]) == (1, 2, 2, [0, 1, 2])
    assert first["prompt"] == whole["request"]["body"]["messages"]
    assert first["replies"] == [
        {"text": answer(86), "thoughts": None, "tool_calls": None, "finish_reason": "stop"}
    ]
    assert (first["input_tokens"], first["output_tokens"], first["status"]) == (10, 5, "ok")
    assert whole["steps"][last["step"]]["name"] == "judge"


def test_the_critical_path_is_the_chain_that_took_longest() -> None:
    def slow_second(sent: Sent) -> Say | str:
        return Say(answer(sent.number), seconds=1.2) if sent.number == 1 else answer(sent.number)

    whole = told(slow_second, "bon(n=2)-m")
    assert whole["critical_path"][0] == 1
    assert [call["critical"] for call in whole["calls"]][:2] == [False, True]


def test_candidates_know_their_call_their_group_and_their_score() -> None:
    whole = bon()
    assert [(c["call"], c["answer"], c["group"], c["origin"]) for c in whole["candidates"]] == [
        (0, "86", 0, "sample"),
        (1, "69", 1, "sample"),
        (2, "86", 0, "sample"),
    ]
    assert whole["candidates"][0]["score"] > whole["candidates"][1]["score"]
    assert [call["candidates"] for call in whole["calls"]] == [[0], [1], [2], [], []]


def test_groups_hold_equal_answers_the_largest_first_and_mark_the_chosen_one() -> None:
    whole = bon()
    assert whole["groups"] == [
        {"id": 0, "answer": "86", "candidates": [0, 2], "votes": 2, "chosen": True},
        {"id": 1, "answer": "69", "candidates": [1], "votes": 1, "chosen": False},
    ]
    assert (whole["outcome"]["chosen"], whole["outcome"]["runner_up"]) == ([0], 1)
    assert whole["outcome"]["text"] == answer(86)


def test_the_runner_up_is_the_best_of_the_others_though_no_other_answer_is_returned() -> None:
    candidates: list[dict[str, Any]] = [
        {"group": 0, "score": 0.5},
        {"group": 1, "score": 0.3},
        {"group": 2, "score": 0.7},
        {"group": None, "score": 0.9},
    ]
    groups = [{"id": group, "candidates": [group]} for group in range(3)]
    assert runner_up(candidates, groups, returned=[0]) == 2
    assert runner_up(candidates, groups, returned=[0, 1]) == 1
    unscored = [{**candidate, "score": None} for candidate in candidates]
    assert runner_up(unscored, groups, returned=[0]) == 1
    assert runner_up(candidates[:1], groups[:1], returned=[0]) is None
    assert runner_up([], [], returned=[]) is None


def test_texts_without_a_final_answer_are_grouped_by_their_words() -> None:
    poem = "The moon is out,\nand nobody about.\nThe night is long,\nand so is this song."
    whole = told(
        in_turn(poem, poem, "Another\npoem, which goes on\nfor some lines\nand ends."),
        "bon(n=3)-m",
        "A poem!",
    )
    assert [group["votes"] for group in whole["groups"]] == [2, 1]
    assert [group["answer"] for group in whole["groups"]] == [None, None]


def test_several_choices_of_one_call_are_candidates_of_that_call() -> None:
    def script(sent: Sent) -> str:
        return answer(sent.choice)

    recordings = Recorded()
    from tests.fakes import World

    world = World(script, n="honoured", recorder=recordings)
    world.complete("bon(n=4)-m")  # which finds out that the model honours n
    world.complete("bon(n=4)-m")
    calls = document(recordings[1], content=True)["calls"]
    assert calls[0]["candidates"] == [0, 1, 2, 3]
    candidates = document(recordings[1], content=True)["candidates"]
    assert [(c["call"], c["choice"]) for c in candidates] == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_ballots_say_what_was_shown_and_who_is_preferred() -> None:
    whole = bon()
    first, second = whole["ballots"]
    assert (first["kind"], first["labels"], first["source"], first["counted"]) == (
        "ranking",
        "AB",
        "reasoned",
        True,
    )
    assert (first["shown"], first["order"]) == ([0, 1], [[0], [1]])
    assert (second["shown"], second["order"]) == ([1, 0], [[1], [0]])
    assert first["verdict"] == {"ranking": ["A", "B"]}
    assert [whole["calls"][ballot["call"]]["ballot"] for ballot in whole["ballots"]] == [0, 1]
    assert all(whole["steps"][ballot["step"]]["name"] == "judge" for ballot in whole["ballots"])


def test_candidates_that_a_judge_does_not_rank_share_the_last_place() -> None:
    whole = told(in_turn(*map(answer, (1, 2, 3)), judges=ranking("B")), "bon(n=3)-m")
    assert whole["ballots"][0]["order"] == [[1], [0, 2]]


def test_ratings_are_scores_of_the_candidate_that_is_shown() -> None:
    whole = told(in_turn(answer(1), answer(2), judges='{"score": 8}'), "bon(n=2,judge=rate)-m")
    assert {ballot["kind"] for ballot in whole["ballots"]} == {"rating"}
    assert whole["ballots"][0]["scores"] == {"0": 0.8}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Both have their merits.", "the reply states no verdict"),
        (failing(400), "the call failed"),
        (Say("I think that", "length"), "the reply was cut off before its verdict"),
        ("The answer is 12.", "the judge gave an answer of its own, which matches no single candidate"),
        (Say(HANG), "the call was cancelled before its verdict, since it was no longer needed"),
    ],
)
def test_a_ballot_that_could_not_be_read_says_why(said: Any, reason: str) -> None:
    def judges(sent: Sent) -> Any:
        if isinstance(said, Exception):
            raise said
        return said if sent.number == 3 else FIRST

    whole = told(in_turn(answer(86), answer(69), judges=judges), "bon(n=3)-m", budget=Budget(seconds=30))
    ballot = next(ballot for ballot in whole["ballots"] if ballot["unread"])
    assert (ballot["unread"], ballot["counted"], ballot["verdict"]) == (reason, False, None)


def test_a_failed_call_has_its_status_and_what_the_upstream_said() -> None:
    def judges(sent: Sent) -> str:
        raise failing(400, "the judge is\nout")

    script = in_turn(answer(86), answer(69), judges=judges)
    failed = [call for call in told(script, "bon(n=3)-m")["calls"] if call["status"] == "failed"]
    assert {call["error"] for call in failed} == {"400 the judge is out"}
    hidden = told(script, "bon(n=3)-m", content=False)["calls"]
    assert {call["error"] for call in hidden} == {None, "400"}


def test_a_judge_that_answers_instead_is_counted_as_having_answered() -> None:
    whole = told(in_turn(answer(86), answer(69), judges="The answer is 86."), "bon(n=3)-m")
    assert {ballot["source"] for ballot in whole["ballots"]} == {"answered"}


def test_an_answer_in_the_wrong_form_is_mended_by_a_call_in_a_step_of_its_own() -> None:
    form = {"type": "json_object"}
    script = in_turn("No JSON", writes='{"a": 1}')
    whole = told(script, "bon(n=1)-m", "JSON, please", response_format=form)
    assert whole["candidates"][-1]["origin"] == "mended"
    assert whole["outcome"]["chosen"] == [whole["candidates"][-1]["index"]]
    assert [step["name"] for step in whole["steps"]] == ["mend"]
    assert "lost" in {decision["kind"] for decision in whole["decisions"]}


def test_an_answer_of_an_earlier_stage_is_a_seed_of_the_same_call() -> None:
    whole = told(in_turn(answer(86), answer(69), judges=FIRST), "bon(n=2)&bon(n=2)-m")
    seeds = [candidate for candidate in whole["candidates"] if candidate["origin"] == "seed"]
    (seed,) = seeds
    assert seed["call"] == 0
    assert whole["calls"][0]["candidates"] == [0]
    assert whole["groups"][0]["votes"] < len(whole["groups"][0]["candidates"])


def test_a_composition_is_drawn_as_a_graph() -> None:
    whole = told(in_turn(answer(86), judges=FIRST), "re2&(bon(n=2)|moa(proposers=2))-m")
    assert whole["technique"] == "re2&(bon(n=2)|moa(proposers=2))"
    assert [node["label"] for node in whole["composition"]["nodes"]] == [
        "re2",
        "bon(n=2)",
        "moa(proposers=2)",
        "merge",
    ]
    assert whole["composition"]["edges"] == [[0, 1], [0, 2], [1, 3], [2, 3]]
    assert bon()["composition"] is None


def test_a_search_tree_has_its_candidates_and_the_path_to_the_winner() -> None:
    whole = told(demo, "mcts-demo-small", world={"latency": 1.0}, seed=3)
    (tree,) = whole["trees"]
    root, *nodes = tree["nodes"]
    assert (tree["kind"], root["label"], root["parent"]) == ("mcts", "root", None)
    assert {node["candidate"] for node in nodes} == {candidate["index"] for candidate in whole["candidates"]}
    assert {node["label"] for node in nodes} <= {"sample", "refinement"}
    assert tree["best"][0] == root["id"]
    assert tree["nodes"][tree["best"][-1]]["candidate"] == whole["outcome"]["chosen"][0]


def test_a_planted_solution_is_a_decoy_with_its_own_call() -> None:
    def script(sent: Sent) -> str:
        if sent.role != "judge":
            return answer(86 if sent.number else 69)
        return answer(12) if "exercise" in sent.prompt else '{"errors": [], "score": 9}'

    whole = told(script, "pvg(helpful=2,sneaky=1)-m")
    (decoy,) = [candidate for candidate in whole["candidates"] if candidate["origin"] == "decoy"]
    assert (decoy["answer"], decoy["group"]) == ("12", None)
    assert whole["calls"][decoy["call"]]["role"] == "judge"
    assert decoy["index"] in {number for ballot in whole["ballots"] for number in ballot["shown"]}


def test_a_running_request_has_a_document_too() -> None:
    whole = document(running(), content=True)
    assert (whole["status"], whole["http_status"], whole["outcome"]["chosen"]) == ("running", None, [])
    assert whole["seconds"] == 1.5


def test_a_request_that_the_client_leaves_is_cancelled_and_its_calls_with_it() -> None:
    recording = recorded(lambda sent: Say(HANG), "bon(n=2)-m", budget=Budget(seconds=5))
    assert document(recording, content=True)["status"] == "failed"
    cancelled = made(record={"status": 499})
    assert document(cancelled, content=True)["status"] == "cancelled"


def test_what_was_made_smaller_for_the_budget_is_in_the_document() -> None:
    whole = told(in_turn(answer(86), judges=FIRST), "bon(n=8)-m", budget=Budget(max_calls=6))
    assert whole["requested_options"]["n"] == 8
    assert whole["options"]["n"] < 8


def test_a_stream_shows_when_the_first_token_came() -> None:
    whole = told(in_turn(answer(1), answer(2), writes=answer(3)), "moa(proposers=2)-m", stream=True)
    written = whole["calls"][-1]
    assert (written["role"], written["start"], written["first_token"]) == ("write", 1.0, 2.0)


def test_the_request_is_the_clients_own_body_with_the_proxys_fields() -> None:
    body = (
        b'{"model": "bon-m", "messages": [{"role": "user", "content": "Hi"}], "optillm": {"merge": "first"}}'
    )
    whole = told(in_turn(answer(1)), "bon-m", "Hi", sender=Sender(content=body))
    assert whole["request"] == {"body": json.loads(body), "question": "Hi"}


def test_the_question_is_the_beginning_of_the_last_user_turn() -> None:
    turns = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "q" * 900},
    ]
    assert told(in_turn(answer(1)), "bon(n=1)-m", turns)["request"]["question"] == "q" * 500


@pytest.mark.parametrize("content", [True, False])
def test_a_summary_is_the_same_with_and_without_the_document(content: bool) -> None:
    scripts: list[tuple[Any, str]] = [
        (in_turn(answer(86), answer(69), judges=FIRST), "bon(n=3)-m"),
        (in_turn("A text\nof several lines\nwithout an answer\nof any kind."), "bon(n=2)-m"),
        (lambda sent: Say(HANG), "bon-m"),
    ]
    for script, model in scripts:
        recording = recorded(script, model, budget=Budget(seconds=5))
        assert summary_of(recording, content=content) == summary(document(recording, content=content))


def test_a_summary_has_the_answer_in_a_line() -> None:
    listed = summary(bon())
    assert (listed["answer"], listed["calls"], listed["total_tokens"]) == ("86", 5, 75)
    poem = summary(
        told(in_turn("The moon\nis out\nand nobody\nabout\n" + "la " * 60), "bon(n=1)-m", "A poem!")
    )
    assert len(poem["answer"]) == 80
    assert "\n" not in poem["answer"]
