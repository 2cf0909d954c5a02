"""The burden of proof: when judges may overrule the samples, and what that takes."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from optillm.chat import Budget, Reply
from optillm.proof import LOST, TIED, WON, Contest, needed, wins
from optillm.technique import Candidate
from optillm.toolkit.answers import extract
from tests.fakes import HANG, Say, Sent, World, failing

QUESTION = "Name a prime above 20."
MOST = ["The answer is 21.", "So the answer is 21.", "Therefore the answer is 21."]
FEW = ["The answer is 23.", "Well, the answer is 23."]
LONE = "The answer is 22."
SAMPLES = [*MOST, *FEW, LONE]
ASKED = "bon(n=6)-m"
COMPARISONS = 12
PROOF = 11


def candidates(*texts: str) -> list[Candidate]:
    return [
        Candidate(Reply({"role": "assistant", "content": text}), index, extract(text, QUESTION))
        for index, text in enumerate(texts)
    ]


def shown(sent: Sent) -> list[str]:
    lines = sent.prompt.splitlines()
    return [lines[i + 1] for i, line in enumerate(lines) if line.startswith("<candidate-")]


def is_comparison(sent: Sent) -> bool:
    return sent.role == "judge" and bool(sent.body["temperature"])


def ranking_first(sent: Sent, wanted: str) -> str:
    texts = shown(sent)
    labels = sorted("ABCDEF"[: len(texts)], key=lambda label: wanted not in texts["ABCDEF".index(label)])
    return f'{{"ranking": {labels}}}'.replace("'", '"')


def judged(compared: Callable[[int, Sent], str | Say], favourite: str = "23") -> World:
    """A world whose judges rank one answer first; `compared` says what they say head to head."""
    numbers = iter(range(1000))

    def script(sent: Sent) -> str | Say:
        if sent.role != "judge":
            return SAMPLES[sent.number % len(SAMPLES)]
        return compared(next(numbers), sent) if is_comparison(sent) else ranking_first(sent, favourite)

    return World(script)


def prefers(answer: str) -> Callable[[int, Sent], str]:
    def compared(_: int, sent: Sent) -> str:
        return f'{{"better": "{"AB"[answer not in shown(sent)[0]]}"}}'

    return compared


def winning(times: int, otherwise: str = '{"better": "tie"}') -> Callable[[int, Sent], str]:
    """The judges' favourite wins so many comparisons."""
    return lambda number, sent: prefers("23")(number, sent) if number < times else otherwise


def test_a_favourite_that_wins_head_to_head_overrules_the_plurality() -> None:
    world = judged(prefers("23"))
    completion = world.complete(ASKED, QUESTION)
    assert "23" in completion.replies[0].text
    assert completion.report.rounds == 3


@pytest.mark.parametrize("wins", range(COMPARISONS + 1))
def test_the_plurality_stands_unless_the_favourite_wins_nearly_always(wins: int) -> None:
    expected = "23" if wins >= PROOF else "21"
    assert expected in judged(winning(wins)).text(ASKED, QUESTION)


@pytest.mark.parametrize("wins", range(COMPARISONS + 1))
def test_replies_that_cannot_be_read_prove_nothing_and_prevent_nothing(wins: int) -> None:
    expected = "23" if wins >= COMPARISONS / 2 else "21"
    assert expected in judged(winning(wins, "They are all lovely.")).text(ASKED, QUESTION)


def test_judges_who_like_the_first_place_prove_nothing() -> None:
    assert "21" in judged(lambda number, sent: '{"better": "A"}').text(ASKED, QUESTION)


def test_each_pair_is_compared_in_both_orders_by_different_spokesmen() -> None:
    world = judged(lambda number, sent: "I cannot say.")
    world.complete(ASKED, QUESTION)
    pairs = [shown(sent) for sent in world.sent if is_comparison(sent)]
    assert len(pairs) == COMPARISONS
    assert Counter(map(tuple, pairs)) == Counter(tuple(pair[::-1]) for pair in pairs)
    assert {text for pair in pairs for text in pair} == {*MOST, *FEW}


def test_a_favourite_with_more_votes_than_any_has_nothing_to_prove() -> None:
    world = judged(lambda number, sent: "unused", favourite="21")
    assert "21" in world.text(ASKED, QUESTION)
    assert world.seconds == 2.0
    assert not any(map(is_comparison, world.sent))


def tied(compared: Callable[[int, Sent], str | Say]) -> World:
    """A world whose samples give 21 and 23 twice each, and whose judges rank 23 first."""
    numbers = iter(range(1000))

    def script(sent: Sent) -> str | Say:
        if sent.role != "judge":
            return [*MOST[:2], *FEW][sent.number % 4]
        return compared(next(numbers), sent) if is_comparison(sent) else ranking_first(sent, "23")

    return World(script)


@pytest.mark.parametrize("lost", range(COMPARISONS + 1))
def test_answers_given_equally_often_meet_and_the_majority_decides(lost: int) -> None:
    world = tied(lambda number, sent: prefers("21" if number < lost else "23")(number, sent))
    assert ("21" if lost > COMPARISONS / 2 else "23") in world.text("bon(n=4)-m", QUESTION)


def test_a_tie_that_nobody_decides_is_the_rankings() -> None:
    assert "23" in tied(lambda number, sent: "I cannot say.").text("bon(n=4)-m", QUESTION)
    assert "23" in tied(prefers("21")).text("bon(n=4,proof=0)-m", QUESTION)


@pytest.mark.parametrize("seconds", [2.5])
def test_a_deadline_before_a_tie_is_decided_brings_the_rankings_favourite(seconds: float) -> None:
    completion = tied(prefers("21")).complete("bon(n=4)-m", QUESTION, budget=Budget(seconds=seconds))
    assert "23" in completion.replies[0].text


def test_votes_that_are_one_each_are_no_plurality() -> None:
    world = World(
        lambda sent: (
            ranking_first(sent, "Oslo") if sent.role == "judge" else ["Rome", "Oslo", "Lima"][sent.number]
        )
    )
    assert world.text("bon-m", "Which city?") == "Oslo"
    assert world.seconds == 2.0


def test_what_is_decided_is_not_waited_for() -> None:
    def compared(number: int, sent: Sent) -> str | Say:
        return prefers("23")(number, sent) if number < PROOF else Say(HANG)

    world = judged(compared)
    assert "23" in world.text(ASKED, QUESTION)
    assert world.seconds == 3.0
    assert [sent.outcome for sent in world.sent if is_comparison(sent)].count(
        "cancelled"
    ) == COMPARISONS - PROOF


def test_judges_who_fail_or_never_answer_leave_the_plurality() -> None:
    def compared(number: int, sent: Sent) -> str | Say:
        if number % COMPARISONS < 7:
            raise failing(403)
        return prefers("23")(number, sent)

    assert "21" in judged(compared).text(ASKED, QUESTION)


@pytest.mark.parametrize("seconds", [1.5, 2.5])
def test_a_deadline_before_the_proof_brings_the_plurality(seconds: float) -> None:
    completion = judged(prefers("23")).complete(ASKED, QUESTION, budget=Budget(seconds=seconds))
    assert "21" in completion.replies[0].text
    assert completion.report.stop_reason == "deadline"


def test_the_model_that_judges_also_compares() -> None:
    world = judged(prefers("23"))
    world.complete("bon(n=6,judge_model=wise)-m", QUESTION)
    assert {sent.body["model"] for sent in world.sent if is_comparison(sent)} == {"wise"}


def test_choices_after_the_first_keep_the_judges_order() -> None:
    replies = judged(prefers("21")).complete(ASKED, QUESTION, n=3).replies
    assert [extract(reply.text, QUESTION).value for reply in replies] == ["21", "23", "22"]  # type: ignore[union-attr]


@pytest.mark.parametrize("comparisons", [0, 1])
def test_without_comparisons_the_plurality_stands(comparisons: int) -> None:
    world = judged(prefers("23"))
    assert "21" in world.text(f"bon(n=6,proof={comparisons})-m", QUESTION)
    assert world.seconds == 2.0


@pytest.mark.parametrize(
    ("won", "lost", "tied", "lead", "enough"),
    [
        (11, 1, 0, 9, True),
        (11, 1, 0, 10, False),
        (11, 0, 1, 10, True),
        (12, 0, 0, 11, True),
        (12, 0, 0, 12, False),
        (10, 2, 0, 1, False),
        (10, 0, 2, 1, False),
        (10, 0, 0, 1, True),
        (10, 1, 0, 1, False),
        (6, 0, 0, 1, True),
        (5, 0, 0, 1, False),
        (0, 0, 0, 1, False),
        (0, 0, 0, 0, True),
        (6, 6, 0, 0, True),
        (5, 6, 1, 0, False),
        (1, 0, 0, 0, True),
    ],
)
def test_a_comparison_weighs_as_much_as_a_vote(
    won: int, lost: int, tied: int, lead: int, enough: bool
) -> None:
    assert wins(Counter({WON: won, LOST: lost, TIED: tied}), 12, lead) is enough


def test_eleven_twelfths_are_needed_and_never_a_lone_one() -> None:
    assert [needed(comparisons) for comparisons in range(15)] == [*(2, 2), *range(2, 12), 11, 12, 13]


@pytest.mark.parametrize("seed", range(8))
def test_slow_judges_do_not_save_the_plurality(seed: int) -> None:
    luck = Random(seed)

    def compared(number: int, sent: Sent) -> Say:
        return Say(prefers("23")(number, sent), seconds=luck.lognormvariate(0, 0.7))

    assert "23" in judged(compared).text(ASKED, QUESTION)


# Without any judge: who stands against whom.


def test_the_best_ranked_of_two_pluralities_stands() -> None:
    texts = candidates(LONE, *MOST[:2], *FEW)
    ranked = [texts[0], texts[3], texts[1]]
    contest = Contest.of(ranked, texts)
    assert [candidate.index for candidate in contest.favourites] == [0]
    assert [candidate.index for candidate in contest.rivals] == [3, 4]
    assert contest.lead == 1


def test_a_favourite_with_more_votes_has_no_rival_and_one_with_as_many_has() -> None:
    texts = candidates(*MOST, *FEW, "It must be 23.")
    assert Contest.of([texts[0], texts[3]], texts[:5]).rivals == ()
    contest = Contest.of([texts[0], texts[3]], texts)
    assert ([candidate.index for candidate in contest.rivals], contest.lead) == ([3, 4, 5], 0)
    assert contest.standing.index == 0


def test_candidates_that_are_no_samples_have_no_vote() -> None:
    texts = candidates(*FEW, *MOST[:2], LONE)
    ranked = [texts[4], texts[2], texts[0]]
    contest = Contest.of(ranked, texts[:2])
    assert [candidate.index for candidate in contest.rivals] == [0, 1]
    assert contest.lead == 2
