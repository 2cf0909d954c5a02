"""Usage that counts one choice of several."""

from __future__ import annotations

import pytest

from optillm.chat import Budget, Usage
from optillm.config.prices import Price
from optillm.engine.upstream.choice_usage import of_all_choices
from tests.fakes import Say, Sent, World

ENGLISH = "The quick brown fox jumps over the lazy dog, and nobody minds that it does so again and again."
CHINESE = "敏捷的棕色狐狸跳过了懒狗，没有人介意它一次又一次地这样做。"
JAPANESE = "すばしっこい茶色の狐はのろまな犬を飛び越え、誰もそれを気にしない。"
CODE = """\
def add(numbers: list[int]) -> int:
    total = 0
    for number in numbers:
        total += number
    return total
"""
GERMAN = "Donaudampfschifffahrtsgesellschaftskapitän heißt dieses lange Wort."


@pytest.mark.parametrize(
    ("text", "tokens"),  # what common tokenizers make of them, or a little less
    [(ENGLISH, 21), (CHINESE, 16), (JAPANESE, 20), (CODE, 35), (GERMAN, 15), ("4", 1), ("12 + 30 = 42", 6)],
)
@pytest.mark.parametrize("choices", [2, 3, 8])
def test_honest_usage_is_left_alone(text: str, tokens: int, choices: int) -> None:
    usage = Usage(10, tokens * choices)
    assert of_all_choices(usage, [text] * choices) is usage


@pytest.mark.parametrize(("text", "tokens"), [(ENGLISH, 21), (CODE, 24)])
@pytest.mark.parametrize("choices", [3, 8])
def test_usage_of_one_choice_is_corrected_in_proportion(text: str, tokens: int, choices: int) -> None:
    usage = Usage(10, tokens, cached_tokens=4)
    assert of_all_choices(usage, [text] * choices) == Usage(
        10, tokens * choices, cached_tokens=4, estimated=True
    )


def test_usage_of_one_choice_in_chinese_is_noticed() -> None:
    mended = of_all_choices(Usage(10, 20), [CHINESE] * 4)
    assert mended == Usage(10, 80, estimated=True)


def test_thoughts_that_no_choice_shows_are_no_reason_to_doubt_a_count() -> None:
    usage = Usage(10, 2000, reasoning_tokens=1900)
    assert of_all_choices(usage, [ENGLISH] * 4) is usage


def test_choices_of_other_lengths_count_by_their_lengths() -> None:
    assert of_all_choices(Usage(10, 25), [ENGLISH, ENGLISH * 3]) == Usage(10, 100, estimated=True)


@pytest.mark.parametrize("usage", [Usage(10, 0), Usage(10, 7)])
def test_a_count_that_says_nothing_of_the_first_choice_is_estimated_from_characters(usage: Usage) -> None:
    texts = [ENGLISH if usage.completion_tokens == 0 else "", ENGLISH]
    mended = of_all_choices(usage, texts)
    assert mended is not None
    assert mended.completion_tokens == usage.completion_tokens + round(len("".join(texts)) / 4)
    assert mended.estimated


@pytest.mark.parametrize(
    ("usage", "texts"), [(None, [ENGLISH] * 2), (Usage(10, 1), [ENGLISH]), (Usage(), [])]
)
def test_nothing_is_made_up(usage: Usage | None, texts: list[str]) -> None:
    assert of_all_choices(usage, texts) is usage


def reported_for_one(sent: Sent) -> Say:
    """Every reply counts the tokens of one choice."""
    return Say(f"{ENGLISH} {sent.choice}", usage={"prompt_tokens": 10, "completion_tokens": 22})


def test_corrected_usage_is_reported() -> None:
    world = World(reported_for_one, n="honoured", prices={"m": Price(input=1.0, output=1.0)})
    slug = "self_consistency(samples=4,mode=waves,wave=4,free_form=medoid,tie=shortest)-m"
    world.complete(slug)
    completion = world.complete(slug)
    assert completion.report.calls == {"generate": 1}
    assert completion.usage == Usage(10, 88, estimated=True)
    assert completion.usage.wire()["estimated"] is True
    assert completion.report.cost == pytest.approx(98 / 1e6)


def test_budgets_count_corrected_usage() -> None:
    world = World(reported_for_one, n="honoured")
    slug = "self_consistency(samples=8,mode=waves,wave=4,free_form=medoid)-m"
    world.complete(slug)
    world.sent.clear()
    completion = world.complete(slug, max_tokens=22, budget=Budget(max_tokens=190))
    assert [sent.body["n"] for sent in world.sent] == [4]
    assert completion.report.stop_reason == "budget"
