"""Why a request gave its answer: the sentences for every technique and every way to end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest

from optillm.chat import Budget
from optillm.observe.traces.document import document
from optillm.sandbox import Checked, Failure
from optillm.techniques import z3
from tests.fakes import HANG, Say, Script, Sent, failing
from tests.observe.traces.fakes import answer, in_turn, made, running, told
from tests.techniques.test_z3 import formalised, found

POEM = "The moon is out,\nand nobody about.\nThe night is long,\nand so is this song."
SONG = "Sing of the sea,\nof the wind and of me,\nof a ship on its way,\nand the end of the day."
TALE = "Once there was\na man with a cat\nthat wore a hat\nand that was that."


def ranking(labels: str) -> str:
    return json.dumps({"ranking": list(labels)})


def ranked(*order: str) -> Callable[[Sent], str]:
    """Return what judges say: each ranks the candidates with these texts in this order."""

    def judge(sent: Sent) -> str:
        labels = re.findall(r'label="([A-Z])"', sent.prompt)
        return ranking("".join(sorted(labels, key=lambda label: _rank(sent.prompt, label, order))))

    return judge


def _rank(prompt: str, label: str, order: tuple[str, ...]) -> int:
    text = prompt.partition(f'label="{label}">')[2].partition("</candidate-")[0]
    return next((place for place, value in enumerate(order) if f"is {value}." in text), len(order))


def prefers(value: str) -> Callable[[Sent], str]:
    """Return what judges say who rank the candidate with this answer first, alone or of two."""

    def judge(sent: Sent) -> str:
        if "contradict each other" in sent.prompt:
            return json.dumps({"better": "A" if _rank(sent.prompt, "A", (value,)) == 0 else "B"})
        return ranked(value)(sent)

    return judge


def why(script: Script, model: str, **more: Any) -> list[str]:
    sentences: list[str] = told(script, model, **more)["outcome"]["why"]
    return sentences


# Votes and judges.


def test_samples_that_agree_need_no_judge() -> None:
    assert why(in_turn(answer(86)), "bon(n=4)-m") == [
        "86 was chosen.",
        "All four samples give this answer.",
        "That is clear enough, so no more calls were made.",
    ]


def test_judges_who_agree_with_most_samples() -> None:
    script = in_turn(answer(86), answer(69), answer(86), answer(103), judges=ranked("86", "69", "103"))
    assert why(script, "bon(n=4)-m") == [
        "86 was chosen.",
        "Two of four samples give this answer.",
        "All three judges rank it first.",
        "The runner-up, 69, was given by one sample and scored 0.50, against 0.87 for the chosen answer.",
    ]


def test_a_judge_that_cannot_be_read_counts_for_nobody() -> None:
    numbers = count()

    def judges(sent: Sent) -> str:
        return "Hard to say." if next(numbers) == 0 else ranked("86", "69", "103")(sent)

    script = in_turn(answer(86), answer(69), answer(86), answer(103), judges=judges)
    sentences = why(script, "bon(n=4)-m")
    assert "Both judges that could be read rank it first." in sentences
    assert "One judge could not be read and was not counted." in sentences


def test_one_judge_left_of_two() -> None:
    numbers = count()

    def judges(sent: Sent) -> str:
        return "Hard to say." if next(numbers) == 0 else ranked("86", "69")(sent)

    sentences = why(in_turn(answer(86), answer(69), answer(86), judges=judges), "bon(n=3)-m")
    assert "The only judge with a verdict ranks it first." in sentences


def test_judges_who_are_split() -> None:
    numbers = count()

    def judges(sent: Sent) -> str:
        return ranked(*(("86", "69") if next(numbers) % 2 else ("69", "86")))(sent)

    sentences = why(in_turn(answer(86), answer(69), answer(86), judges=judges), "bon(n=3)-m")
    assert sentences[2:4] == [
        "One of two judges ranks it first.",
        "They are split, and more candidates give it than the runner-up.",
    ]


def test_without_a_judge_that_can_be_read() -> None:
    sentences = why(in_turn(answer(86), answer(69), answer(86), judges="Hard to say."), "bon(n=3)-m")
    assert "No judge gave a verdict that could be read." in sentences
    assert "Two judges could not be read and were not counted." in sentences


def test_samples_that_all_differ() -> None:
    sentences = why(in_turn(answer(1), answer(2), answer(3), judges=ranked("2", "1", "3")), "bon(n=3)-m")
    assert sentences[:2] == ["2 was chosen.", "No two of three samples give the same answer."]


def test_ratings_are_compared_with_those_of_the_runner_up() -> None:
    def judges(sent: Sent) -> str:
        return json.dumps({"score": 9 if "is 1." in sent.prompt else 4})

    sentences = why(in_turn(answer(1), answer(2), judges=judges), "bon(n=2,judge=rate)-m")
    assert "Judges rate it 0.90 out of 1 on average, and the runner-up 0.40." in sentences


def test_a_favourite_that_does_not_prove_itself() -> None:
    numbers = count()

    def judges(sent: Sent) -> str:
        if "contradict each other" in sent.prompt and next(numbers) % 2:
            return prefers("86")(sent)
        return prefers("69")(sent)

    script = in_turn(answer(86), answer(86), answer(69), answer(103), judges=judges)
    sentences = why(script, "bon(n=4)-m")
    assert sentences[0] == "86 was chosen."
    assert (
        "86 has one more vote than the judges' favourite, 69, so judges compared the two head to head, four times."
        in sentences
    )
    assert (
        "To overrule it, 69 had to win eleven of twelve: it won two and lost two, so 86 stands." in sentences
    )


def test_a_favourite_that_proves_itself() -> None:
    script = in_turn(answer(86), answer(86), answer(69), answer(103), judges=prefers("69"))
    sentences = why(script, "bon(n=4)-m")
    assert sentences[0] == "69 was chosen."
    assert any(
        each.startswith("To overrule it, 69 had to win eleven of twelve: it won") for each in sentences
    )
    assert any(each.endswith("and lost none, so 69 stands.") for each in sentences)


def test_a_vote_that_closes_early() -> None:
    def script(sent: Sent) -> Say:
        return Say(answer(42), seconds=1.0 if sent.number < 4 else 5.0)

    assert why(script, "self_consistency(samples=8)-m") == [
        "42 was chosen.",
        "All four samples give this answer.",
        "The outcome was settled: the remaining samples would hardly have changed it.",
        "Four other samples were not waited for.",
    ]


def test_a_tie_that_judges_break() -> None:
    script = in_turn(answer(1), answer(2), judges=ranked("2", "1"))
    assert why(script, "self_consistency(samples=4)-m") == [
        "2 was chosen.",
        "Two of four samples give this answer.",
        "Both judges rank it first.",
        "The runner-up, 1, was given by two samples and scored 0.00, against 1.00 for the chosen answer.",
    ]


def test_texts_that_a_judge_sorts_into_groups() -> None:
    verdict = json.dumps({"groups": [["A", "C"], ["B"]], "pick": "A"})
    sentences = why(
        in_turn(POEM, SONG, POEM.upper(), judges=verdict), "self_consistency(samples=3)-m", question="A poem!"
    )
    assert sentences[0] == "Answer A was chosen."
    assert "A judge sorted three texts into two groups by meaning; the largest has two texts." in sentences
    assert "The judge picked this text to represent it." in sentences


# Texts that are written from others.


def test_an_answer_written_from_drafts() -> None:
    script = in_turn(answer(1), answer(2), answer(1), writes=answer(1))
    assert why(script, "moa(proposers=3)-m") == [
        "1 was written from three drafts, two of which give the same answer.",
        "The runner-up, 2, was given by one sample.",
    ]


def test_an_answer_that_no_draft_gives_is_rejected() -> None:
    script = in_turn(answer(1), answer(2), answer(1), writes=answer(7))
    sentences = why(script, "moa(proposers=3)-m")
    assert sentences[0] == "1 was chosen."
    assert (
        "One answer written from the drafts gives a result that no draft gives and that "
        "contradicts most of them, so it was rejected."
    ) in sentences


def test_notes_and_answer_in_one_reply() -> None:
    assert why(in_turn(writes=answer(4)), "cot_reflection-m") == ["4 was the only candidate."]


def test_a_question_put_twice() -> None:
    assert why(in_turn(answer(4), writes=answer(4)), "re2-m")[0] == "4 was the only candidate."


# Searches, verifiers, round trips, solvers.


def test_a_search_says_how_its_winner_is_valued() -> None:
    script = in_turn(answer(1), answer(2), answer(1), answer(3), judges=ranked("1", "2", "3"))
    sentences = why(script, "mcts(simulations=1)-m")
    assert sentences[:2] == ["1 was chosen.", "Two of four samples give this answer."]
    assert "The search grew a tree of four nodes." in sentences
    assert any(each.startswith("The chosen node has the value 0.") for each in sentences)


def test_a_search_that_settles_at_once() -> None:
    assert why(in_turn(answer(1)), "mcts-m")[:3] == [
        "1 was chosen.",
        "All four samples give this answer.",
        "The technique stopped early: more calls would hardly have changed the answer.",
    ]


def test_completions_of_a_discriminator() -> None:
    def judges(sent: Sent) -> str:
        return answer(1) if "Finish this partial solution" in sent.prompt else "A step."

    steps = "First we take this.\nThen we take that.\nThen we add both.\n"
    script = in_turn(*(answer(value, after=steps) for value in (1, 2, 1, 3)), judges=judges)
    sentences = why(script, "rstar(max_depth=2)-m")
    assert sentences[0] == "1 was chosen."
    assert any("completions lead to it" in each for each in sentences)


def test_a_verifier_that_knows_decoys_is_believed() -> None:
    def judges(sent: Sent) -> str:
        if "exercise" in sent.prompt:
            return answer(12)
        return json.dumps({"errors": [], "score": 1 if "is 12." in sent.prompt else 9})

    script = in_turn(answer(86), answer(69), answer(86), judges=judges)
    sentences = why(script, "pvg-m")
    assert sentences[:2] == ["86 was chosen.", "Two of three samples give this answer."]
    assert "The verifier scores it 0.90 out of 1 on average." in sentences
    assert "The verifier was tested on one deliberately wrong decoy, scored 0.10." in sentences
    assert any(each.startswith("Its scores carry ") for each in sentences)


def test_a_verifier_that_likes_decoys_is_not_believed() -> None:
    def judges(sent: Sent) -> str:
        if "exercise" in sent.prompt:
            return answer(12)
        return json.dumps({"errors": [], "score": 9 if "is 12." in sent.prompt else 1})

    sentences = why(in_turn(answer(86), answer(69), answer(86), judges=judges), "pvg(votes=5)-m")
    assert "It could not tell right from wrong, so its scores are ignored." in sentences


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("def f(x):\n    return x + 1", "One of three drafts came back the same."),
        ("def f(x):\n    return x * 9 - 4", "No draft came back the same."),
    ],
)
def test_drafts_that_come_back_and_drafts_that_do_not(version: str, sentence: str) -> None:
    drafts = [f"```python\ndef f(x):\n    return x + {number}\n```" for number in (1, 2, 3)]

    def judges(sent: Sent) -> str:
        if "specification of the program" in sent.prompt:
            return "It adds a number to what it is given."
        return f"```python\n{version}\n```" if "specification describes" in sent.prompt else "no idea"

    script = in_turn(*drafts, judges=judges, writes=drafts[0])
    question = "Write a Python function f that adds one to x."
    sentences = why(script, "rto(equivalence=ast)-m", question=question)
    assert sentence in sentences
    assert any(
        "were described and rewritten from the description alone, in three versions" in each
        for each in sentences
    )


def _solver(monkeypatch: pytest.MonkeyPatch, *outcomes: Checked) -> None:
    checks = iter(outcomes)

    async def check(formalisation: Mapping[str, Any], limits: Any = None) -> Checked:
        return next(checks)

    monkeypatch.setattr(z3, "check", check)
    monkeypatch.setattr(z3, "prepare", lambda *_: None)


def test_a_solver_that_confirms_the_direct_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    _solver(monkeypatch, found("7"), found("7"))
    assert why(in_turn(answer(7), judges=formalised()), "z3-m", question="Which number?")[1:] == [
        "The technique stopped early: more calls would hardly have changed the answer.",
        "The solver found a result for both formalisations.",
        "It confirms the direct answer.",
    ]


def test_a_solver_that_contradicts_the_direct_answer_after_a_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Checked(False, Failure("syntax", "SMT-LIB", "unknown constant"), 0)
    _solver(monkeypatch, refused, refused, found("7"), found("7"))
    script = in_turn(answer(6), judges=formalised(), writes=answer(7))
    sentences = why(script, "z3-m", question="Which number?")
    assert sentences[0] == "7 was written from one draft, which gives another answer."
    assert "The solver found a result for two of four formalisations." in sentences
    assert "This took one round of repair." in sentences


def test_a_task_that_cannot_be_formalised() -> None:
    script = in_turn(answer(7), judges='{"applicable": false}')
    sentences = why(script, "z3-m", question="Which number?")
    assert sentences[-1] == "The task could not be formalised, so the direct answer stands."


# Compositions.


def test_a_composition_names_its_techniques() -> None:
    sentences = why(in_turn(answer(1)), "bon(n=2)|self_consistency(samples=3)-m")
    assert "Two techniques took part: bon(n=2) and self_consistency(samples=3)." in sentences
    assert "The technique bon stopped early: more calls would hardly have changed the answer." in sentences


# Ends.


def test_a_request_that_runs() -> None:
    assert document(running(), content=True)["outcome"]["why"] == ["The request is running."]


def test_a_request_that_its_client_left() -> None:
    cancelled = document(made(record={"status": 499}), content=True)
    assert cancelled["outcome"]["why"] == [
        "The client disconnected, or the request was cancelled, after no calls: there is no answer."
    ]


def test_a_request_whose_calls_all_failed() -> None:
    def script(sent: Sent) -> str:
        raise failing(400, "the model is gone")

    assert why(script, "bon(n=3)-m") == [
        "The request failed: the model is gone.",
        "All three calls failed.",
    ]


def test_a_deadline_names_what_was_ended() -> None:
    def judges(sent: Sent) -> Any:
        return Say(HANG)

    script = in_turn(answer(86), answer(69), answer(86), judges=judges)
    sentences = why(script, "bon(n=3)-m", budget=Budget(seconds=3))
    assert "Time ran out before all the work was done: this is the best answer found by then." in sentences
    assert "Two calls were cancelled before they replied." in sentences
    assert "Two judges were not waited for." in sentences


def test_a_budget_that_made_the_work_smaller_and_then_ended_it() -> None:
    script = in_turn(answer(1), answer(2), answer(3), judges="Hard to say.")
    sentences = why(script, "bon(n=8,proof=0)-m", budget=Budget(max_calls=5))
    assert any(each.startswith("To fit the budget, n was reduced from 8 to ") for each in sentences)


def test_a_budget_of_tokens_that_ends_the_work() -> None:
    script = in_turn(answer(1), answer(2), answer(3), judges=ranked("1"))
    sentences = why(script, "bon(n=3)-m", budget=Budget(max_tokens=150), max_tokens=20)
    assert "The budget allowed no further calls: this is the best answer found by then." in sentences


def test_work_of_which_a_part_was_lost() -> None:
    def script(sent: Sent) -> str:
        if sent.number:
            raise failing(400)
        return answer(1)

    sentences = why(script, "bon(n=4)-m")
    assert "Part of the work was lost: this is the best answer from the rest." in sentences


def test_replies_that_could_not_be_used() -> None:
    def script(sent: Sent) -> Say:
        return Say(answer(1), "length" if sent.number == 1 else "stop")

    assert "One reply was cut off at its length limit and was not used." in why(script, "bon(n=3)-m")


def test_without_content_answers_go_by_letters() -> None:
    script = in_turn(answer(86), answer(69), answer(86), judges=ranked("86", "69"))
    whole = told(script, "bon(n=3)-m", content=False)
    assert whole["outcome"]["why"][0] == "Answer A was chosen."
    assert any("The runner-up, answer B," in each for each in whole["outcome"]["why"])


def test_a_reply_that_calls_a_tool() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "look"}}]

    def script(sent: Sent) -> Say:
        return Say(None, "tool_calls", {"tool_calls": [call]})

    assert why(script, "bon-m", tools=tools) == [
        "One plain call: the reply is a tool call, passed through without a technique."
    ]
