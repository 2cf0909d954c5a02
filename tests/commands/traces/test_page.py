"""One request as text: its facts, why this answer, its answers with their votes, a call in full."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.commands.traces.page import call_sections, sections
from optillm.commands.traces.terminal import plain
from optillm.config.sources import SettingsError
from tests.observe.traces.documents import bon, call, document, mcts, reply, running

HOSTILE = "\x1b]0;owned\x07 \u202e<script>\x9b2J"


def shown(trace: dict[str, Any], width: int = 100) -> dict[str, str]:
    """The text of each section that has one, by its title."""
    return {each.title or "": plain(each) for each in sections(trace, width) if each.lines}


def lines_of(text: str) -> list[str]:
    return [" ".join(each.split()) for each in text.splitlines()[1:]]


def test_the_facts_come_first() -> None:
    facts = shown(bon(), width=120)[""].splitlines()
    assert facts[0].startswith("Tom has 5 bags")
    assert facts[1] == "bon(n=4) · gpt-4o-mini · complete in 0.61 s"
    counts = "8 calls (4 generate, 4 judge) · unusable: 1 abstained, 1 cancelled"
    assert facts[2] == f"{counts} · 2 rounds · 1,124 tokens · $0.0009"
    assert facts[3].startswith("trace_0123456789abcdef01234567 · ")
    assert facts[3].endswith("request req_313ea6b5")


def test_the_reasons_are_told_in_words() -> None:
    assert lines_of(shown(bon())["Why"]) == ["86 was chosen.", "Two of four samples give this answer."]


def test_answers_have_their_votes_and_the_chosen_one_is_marked() -> None:
    assert lines_of(shown(bon())["Answers"]) == [
        "* 86 ██████████ 2 of 4 score 0.94 A C",
        "69 █████ 1 of 4 score 0.31 B",
        "103 █████ 1 of 4 score 0.19 D",
    ]


def test_the_answer_stands_beside_the_runner_up() -> None:
    texts = shown(bon())
    assert lines_of(texts["Answer"]) == ["So the answer is 86."]
    assert lines_of(texts["Runner-up"]) == ["So the answer is 69."]


def test_decisions_have_their_time() -> None:
    assert lines_of(shown(bon())["Decisions"]) == ["0.60 s One judge was no longer needed."]


def test_a_composition_says_what_takes_over_from_what() -> None:
    nodes = [
        {"id": index, "label": label, "kind": "technique"}
        for index, label in enumerate(["re2", "bon", "moa"])
    ]
    nodes.append({"id": 3, "label": "merge", "kind": "merge"})
    graph = {"nodes": nodes, "edges": [[0, 1], [0, 2], [1, 3], [2, 3]]}
    lines = lines_of(shown(document(composition=graph))["Composition"])
    assert lines == ["re2 → bon, moa", "bon → merge", "moa → merge"]


def test_a_search_tree_is_shown() -> None:
    assert "refine C: 86" in shown(mcts())["Search tree (mcts)"]


def test_a_request_that_runs_shows_what_there_is() -> None:
    texts = shown(running())
    assert set(texts) == {"", "Where the time went"}
    assert texts[""].splitlines()[0] == "none · gpt-4o-mini · running"
    assert "texts not kept" in texts[""]


def test_a_failure_says_what_it_was() -> None:
    assert (
        "503 the upstream is \\x1bdown"
        in shown(document(status="failed", error="503 the upstream is \x1bdown"))[""]
    )


def test_nothing_that_a_model_writes_reaches_the_terminal_as_it_is() -> None:
    trace = bon()
    trace["outcome"] |= {"text": HOSTILE, "why": [HOSTILE]}
    trace["request"]["question"] = HOSTILE
    trace["groups"][0]["answer"] = trace["candidates"][0]["answer"] = HOSTILE
    trace["candidates"][1]["text"] = HOSTILE
    trace["ballots"][2]["unread"] = HOSTILE
    trace["decisions"][0]["text"] = HOSTILE
    trace["steps"][0]["name"] = trace["model"] = trace["technique"] = HOSTILE
    trace["calls"][1] |= {"status": "failed", "error": HOSTILE}
    texts = shown(trace)
    assert len(texts) == 8
    for text in texts.values():
        assert all(each.isprintable() for each in text.splitlines())
        assert "\\x1b" in text or "Where" in text.title()


def test_one_call_is_shown_in_full() -> None:
    texts = {each.title or "": plain(each) for each in call_sections(bon(), 4, 100) if each.lines}
    assert texts[""] == "call 4, judge: A > D > B"
    assert "waited for      0, 1, 2, 3" in texts["Numbers"]
    assert lines_of(texts["Prompt: user"]) == ["Which is best?"]
    assert lines_of(texts["Reply"]) == ['{"ranking": ["A", "D", "B"]}']
    assert lines_of(texts["Verdict"]) == ["a full ranking, weight 1"]


def test_a_call_shows_thoughts_and_calls_of_tools() -> None:
    answer = reply("4", thoughts="2 + 2\x1b", tool_calls=[{"id": "c", "function": {"name": "add"}}])
    texts = [plain(each) for each in call_sections(document(calls=[call(0, replies=[answer])]), 0, 80)]
    (text,) = [text for text in texts if text.startswith("REPLY")]
    assert text.splitlines()[1:4] == ["thoughts:", "2 + 2\\x1b", ""]
    assert '"add"' in text


@pytest.mark.parametrize(
    ("trace", "number", "words"),
    [
        (bon(), 8, "the request has no call 8: its calls are 0 to 7"),
        (bon(), -1, "the request has no call -1: its calls are 0 to 7"),
        (document(calls=[]), 0, "the request made no call"),
    ],
)
def test_a_call_that_is_not_there_is_a_mistake(trace: dict[str, Any], number: int, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^{words}$"):
        call_sections(trace, number, 100)
