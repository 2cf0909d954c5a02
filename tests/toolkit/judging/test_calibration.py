"""Calibration: what scores are worth, given those of planted answers."""

from optillm.toolkit.judging.calibration import belief


def test_a_judge_counts_the_more_the_better_it_tells_honest_answers_from_planted_ones() -> None:
    honest = [0.9, 0.8, 0.7, 0.6]
    worth = [belief(honest, [planted]) for planted in (0.95, 0.85, 0.75, 0.65, 0.1)]
    assert worth == sorted(set(worth))
    assert 0 <= worth[0] < worth[-1] <= 1


def test_a_judge_without_a_planted_answer_is_believed_on_credit_and_one_without_a_word_is_not() -> None:
    assert 0 < belief([0.9], []) == belief([0.9], [0.9]) < belief([0.9], [0.1])
    assert belief([], [0.9]) == 0


def test_below_the_least_that_is_demanded_scores_do_not_count_at_all() -> None:
    assert belief([0.9, 0.1], [0.5]) > 0
    assert belief([0.9, 0.1], [0.5], min_auc=0.6) == 0
    assert belief([0.9, 0.6], [0.5], min_auc=0.6) > 0
